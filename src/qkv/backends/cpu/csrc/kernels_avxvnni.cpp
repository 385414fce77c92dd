#include "kernels.inl"

extern const Kernels kernels_avxvnni;
const Kernels kernels_avxvnni = make("avxvnni");
