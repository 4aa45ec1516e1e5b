"""How a formula is calculated: the formats it is stored and computed in, and the liberties that a compiler takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradproof.errors import UsageError
from gradproof.formats import FLOAT32, Format

Subnormals = Literal["kept", "flushed", "either"]
"""What becomes of subnormal numbers: IEEE 754's gradual underflow, zeros, or now the one, now the other."""
Style = Literal["wide", "fused", "narrow", "loose"]


@dataclass(frozen=True)
class Arithmetic:
    """Formats and roundings of one evaluation.

    ``storage`` holds inputs and results, ``compute`` every intermediate result, rounded once per operation.
    ``spills``: any intermediate result may be rounded to ``storage`` too, or not. ``contraction``: a product may enter
    a sum unrounded (a fused multiply-add, IEEE 754-2019, 5.4.1). ``reciprocals``: a
    quotient by a constant may be a product with its rounded reciprocal. ``literals`` is the format of constants and
    parameters where it is not ``compute``. ``results`` (FTZ) and ``inputs`` (DAZ) say what
    becomes of subnormal results and operands.
    """

    storage: Format
    compute: Format
    spills: bool = False
    contraction: bool = False
    reciprocals: bool = False
    literals: Format | None = None
    results: Subnormals = "kept"
    inputs: Subnormals = "kept"

    def __post_init__(self) -> None:
        for fmt in (self.storage, self.compute):
            if not fmt.has_infinity:
                raise UsageError(f"formulas are evaluated in formats with infinities; {fmt.name} has none")

    @property
    def kernel(self) -> Format:
        """The format of elementary functions: float32 where ``compute`` is narrower, which rounds once more."""
        return self.compute if self.compute.width >= FLOAT32.width else FLOAT32


def arithmetic(
    storage: Format, style: Style = "wide", compute: Format | None = None, subnormals: Subnormals = "kept"
) -> Arithmetic:
    """What a kernel of that style does in ``storage``.

    ``wide``: a hand-written kernel, which computes 16-bit formats in float32 and stores the result; ``fused``: the same
    by a compiler that contracts products and sums. ``narrow``: one operation after the other in programs of its own,
    each result stored. ``loose``: fused loops, which may do either for each intermediate result and may contract
    products and sums; constants have the type of the arrays there. The last two are XLA's, which turns quotients by
    constants into products. ``compute`` overrides the format of all but narrow ones.
    """
    wide = compute or (FLOAT32 if storage.width < FLOAT32.width else storage)
    if style == "narrow":
        return Arithmetic(storage, compute or storage, reciprocals=True, results=subnormals, inputs=subnormals)
    loose = style == "loose"
    return Arithmetic(
        storage,
        wide,
        spills=loose,
        contraction=loose or style == "fused",
        reciprocals=loose,
        literals=storage if loose else None,
        results=subnormals,
        inputs=subnormals,
    )
