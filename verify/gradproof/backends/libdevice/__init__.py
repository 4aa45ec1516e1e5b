"""The libdevice backend: CUDA's own device functions, run on the host (docs/libdevice.md)."""
