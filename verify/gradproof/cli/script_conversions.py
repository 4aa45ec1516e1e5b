"""What a stand-alone script says of a conversion: the framework's call, and one rounding in mpmath."""

from __future__ import annotations

from typing import Final

from gradproof.formats import Format
from gradproof.measure.conversion import Conventions

CALLS: Final = {
    "numpy": "x.astype({target}).astype(x.dtype)",
    "torch": "x.to(torch.{target}).to(x.dtype)",
    "jax": "jax.lax.convert_element_type(jax.lax.convert_element_type(x, jnp.{target}), x.dtype)",
}


def call(framework: str, target: Format) -> str:
    """The framework's conversion of ``x`` to ``target`` and back."""
    return CALLS[framework].format(target=numpy_dtype(target) if framework == "numpy" else target.name)


def numpy_dtype(fmt: Format) -> str:
    """How a script names NumPy's dtype of ``fmt``."""
    return f"np.{fmt.name}" if fmt.name in ("float64", "float32", "float16") else f"ml_dtypes.{fmt.name}"


def rounding(bits: int, source: Format, target: Format, conventions: Conventions) -> list[str]:
    """The part that computes ``expected`` from ``x`` and, where two answers are right, ``got``: what
    ``measure.conversion`` demands.
    """
    largest = target.decimal(target.max_bits)
    if source.is_nan(bits):
        free = f"expected = mp.mpf(got)  # {target.name} has no NaN: any number will do"
        return ["expected = mp.nan" if target.has_nan else free]
    negative = bool(bits & source.sign_bit)
    if not target.signed and (negative or source.same_number(bits, 0)):
        return _nowhere(bits, source, target, conventions)
    if source.is_infinite(bits) and (not target.has_infinity or conventions.saturates):
        greatest = f"-{largest}" if negative else largest
        if not target.has_nan:
            return [f"expected = mp.mpf({greatest})"]
        other = f"mp.mpf({source.decimal(bits)!r})" if target.has_infinity else "mp.nan"
        return [
            f"# {target.name} saturates." if target.has_infinity else
            f"# {target.name} has no infinity: NaN and the greatest number are both right.",
            f"expected = mp.mpf(got) if got == {greatest} else {other}",
        ]  # fmt: skip
    if source.is_infinite(bits):
        return [f"expected = mp.mpf({source.decimal(bits)!r})"]
    return _nearest(f'float.fromhex("{source.hexfloat(bits)}")', target, conventions)


def _nowhere(bits: int, source: Format, target: Format, conventions: Conventions) -> list[str]:
    """What an unsigned target makes of zero and of negative numbers."""
    least = target.hexfloat(0)
    if source.same_number(bits, 0):
        return [
            f"# {target.name} has no zero: NaN and the least number are both right.",
            f'expected = mp.mpf(got) if got == float.fromhex("{least}") else mp.nan',
        ]
    if conventions.negative == "nan" or source.is_infinite(bits):
        return ["expected = mp.nan"]
    if conventions.negative == "least":
        return [f'expected = mp.mpf(float.fromhex("{least}"))']
    return _nearest(f'abs(float.fromhex("{source.hexfloat(bits)}"))', target, conventions)


def _nearest(literal: str, target: Format, conventions: Conventions) -> list[str]:
    largest = target.decimal(target.max_bits)
    saturates = conventions.saturates or not (target.has_infinity or target.has_nan)
    beyond = f"mp.sign(x) * {largest}" if saturates else "mp.sign(x) * mp.inf" if target.has_infinity else "mp.nan"
    rounded = (
        ["mp.nint rounds to nearest, ties to even.", "expected = mp.nint(x / unit) * unit"]
        if target.precision > 1
        else ["A tie goes away from zero.", "expected = max(mp.floor(x / unit + 0.5), 1) * unit"]
    )
    return [
        # Exact: the literal is the number that the bits stand for.
        f"x = mp.mpf({literal})",
        f"# One unit in the last place of {target.name} at x; {rounded[0]}",
        f"unit = mp.ldexp(1, max(int(mp.frexp(x)[1]) - 1, {target.e_min}) - {target.precision - 1})",
        rounded[1],
        f"if abs(expected) > {largest}:",
        f"    expected = {beyond}",
    ]
