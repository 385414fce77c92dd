"""How a product is computed: what stands between `generation` and `layers`.

cpu/    the CPU engine: native kernels (`csrc/`) behind one door (`library.py`), with torch where they are missing
"""
