"""The triton backend: elementwise Triton kernels compiled for a GPU and run on the host (docs/triton.md)."""
