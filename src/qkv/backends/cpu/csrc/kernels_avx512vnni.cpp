#include "kernels.inl"

extern const Kernels kernels_avx512vnni;
const Kernels kernels_avx512vnni = make("avx512vnni");
