"""The CPU engine.

csrc/        C++17 kernels with a C interface and threads of their own; no PyTorch headers
_native.so   csrc/ compiled by `hatch_build.py` when the package is installed, or by `make native`
library.py   the only door to it: loads the library, or says why it does not; then torch computes
"""
