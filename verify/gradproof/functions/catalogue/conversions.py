"""Narrowing conversions: the identity, rounded once to a target format.

``to_float16`` takes a number of a wider format to float16 and hands it back in the format it came in, which is exact.
What a conversion owes is stated by the property ``conversion``.
"""

from __future__ import annotations

from typing import Final

from gradproof.formats import STORED_FORMATS
from gradproof.functions.catalogue.piecewise import INF, identity
from gradproof.functions.function import Function

TARGETS: Final = ("float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", *STORED_FORMATS)

CONVERSIONS: Final[tuple[Function, ...]] = tuple(
    Function(
        f"to_{target}",
        (identity,),
        limits=(("-inf", 1, 0), (INF, 1, 0)),
        odd=True,
        monotone=True,
        range=("-inf", INF),
        rounds_to=target,
    )
    for target in TARGETS
)
"""One conversion per target, widest first."""
