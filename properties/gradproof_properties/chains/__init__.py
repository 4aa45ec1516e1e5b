"""Products of derivatives over many layers."""
