"""The elementary functions that activations are made of."""

from __future__ import annotations

from typing import Final

from gradproof.functions.function import Function

EXP: Final = Function(
    "exp", (lambda m, x: m.exp(x),), limits=((0, 0, 0), ("inf", "inf", "inf")), monotone=True, range=(0, "inf")
)
EXPM1: Final = Function(
    "expm1", (lambda m, x: m.expm1(x),), limits=((-1, 0, 0), ("inf", "inf", "inf")), monotone=True, range=(-1, "inf")
)
LOG1P: Final = Function(
    "log1p",
    (lambda m, x: m.log1p(x),),
    domain=(-1, "inf"),
    limits=(("-inf", "inf", "-inf"), ("inf", 0, 0)),
    monotone=True,
    range=("-inf", "inf"),
)
ERF: Final = Function(
    "erf", (lambda m, x: m.erf(x),), limits=((-1, 0, 0), (1, 0, 0)), odd=True, monotone=True, range=(-1, 1)
)
ERFC: Final = Function("erfc", (lambda m, x: m.erfc(x),), limits=((2, 0, 0), (0, 0, 0)), range=(0, 2), directions=(-1,))
