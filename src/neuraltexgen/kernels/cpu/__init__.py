"""CPU twins (numba, all cores, deterministic) of the ops in `kernels`."""
