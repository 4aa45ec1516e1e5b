"""Number formats: bits, exact values, ordinals, neighbours, quanta, and one correct rounding."""

from gradproof.formats.format import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FORMATS,
    Format,
    floor_log2,
    get_format,
)

__all__ = ["BFLOAT16", "FLOAT16", "FLOAT32", "FLOAT64", "FORMATS", "Format", "floor_log2", "get_format"]
