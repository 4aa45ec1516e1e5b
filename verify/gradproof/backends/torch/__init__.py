"""PyTorch on CPU and CUDA: the backend and what it is made of. No torch is imported before the backend is asked for."""
