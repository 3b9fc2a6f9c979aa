"""CUDA twins of the kernels, in Triton: imported anywhere, compiled only where there is a GPU (or the interpreter)."""
