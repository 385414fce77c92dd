#include "kernels.inl"

extern const Kernels kernels_avx2;
const Kernels kernels_avx2 = make("avx2");
