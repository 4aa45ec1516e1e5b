"""Float64 kernels of the functions that NumPy lacks; ``reference_numpy`` makes implementations of them."""
