#include "kernels.inl"

extern const Kernels kernels_scalar;
const Kernels kernels_scalar = make("scalar");
