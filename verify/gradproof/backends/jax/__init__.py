"""JAX on CPU and CUDA: the backend and what it is made of. No jax is imported before the backend is asked for."""
