"""Number formats: bits, exact values, ordinals, neighbours, quanta, and one correct rounding."""

from gradproof.formats.format import (
    BFLOAT16,
    DEFAULT_FORMATS,
    FLOAT8_E4M3FN,
    FLOAT8_E5M2,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FORMATS,
    SHORT_NAMES,
    SPELLINGS,
    Format,
    floor_log2,
    get_format,
    wider_formats,
)

__all__ = [
    "BFLOAT16",
    "DEFAULT_FORMATS",
    "FLOAT8_E4M3FN",
    "FLOAT8_E5M2",
    "FLOAT16",
    "FLOAT32",
    "FLOAT64",
    "FORMATS",
    "SHORT_NAMES",
    "SPELLINGS",
    "Format",
    "floor_log2",
    "get_format",
    "wider_formats",
]
