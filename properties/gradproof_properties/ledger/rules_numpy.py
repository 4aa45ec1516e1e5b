"""What is known to be wrong in NumPy and ml_dtypes: see ``reasons``."""

from __future__ import annotations

from gradproof_properties.ledger.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "numpy-conversion-twice",
        "numpy",
        ("to_bfloat16", "to_float8_e4m3fn", "to_float8_e5m2"),
        "ml_dtypes rounds float64 twice",
        "The cast from float64 to a type of ml_dtypes goes through float32: a number within half a float32 ulp of the "
        "middle between two numbers of the target becomes that middle, and then goes to the even one (1 + 2^-8 + 2^-40 "
        "becomes 1 in bfloat16, 464.00000000000006 becomes 448 in float8_e4m3fn, where it overflows). NumPy's own "
        "casts to float32 and float16 round once.",
        ("jax-ml/ml_dtypes#401",),
        (0,),
        ("conversion",),
    ),
)
