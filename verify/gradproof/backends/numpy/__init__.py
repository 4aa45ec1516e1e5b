"""NumPy on the CPU: the backend and what it is made of."""
