#include "kernels.inl"

extern const Kernels kernels_avx512;
const Kernels kernels_avx512 = make("avx512");
