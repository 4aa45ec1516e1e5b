"""What a stand-alone script says of a conversion: the framework's call, and one rounding in mpmath."""

from __future__ import annotations

from typing import Final

from gradproof.formats import Format

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


def rounding(bits: int, source: Format, target: Format, *, saturate: bool) -> list[str]:
    """The part that computes ``expected`` from ``x`` and, where two answers are right, ``got``: what
    ``measure.conversion`` demands. ``saturate`` as for ``Format.round``.
    """
    largest = target.decimal(target.max_bits)
    if source.is_nan(bits):
        return ["expected = mp.nan"]
    if source.is_infinite(bits) and not target.has_infinity:
        greatest = f"-{largest}" if bits & source.sign_bit else largest
        return [
            f"# {target.name} has no infinity: NaN and the greatest number are both right.",
            f"expected = mp.mpf(got) if got == {greatest} else mp.nan",
        ]
    if source.is_infinite(bits):
        return [f"expected = mp.mpf({source.decimal(bits)!r})"]
    beyond = "mp.sign(x) * mp.inf" if target.has_infinity else f"mp.sign(x) * {largest}" if saturate else "mp.nan"
    return [
        # Exact: the literal is the number that the bits stand for.
        f'x = mp.mpf(float.fromhex("{source.hexfloat(bits)}"))',
        f"# One unit in the last place of {target.name} at x; mp.nint rounds to nearest, ties to even.",
        f"unit = mp.ldexp(1, max(int(mp.frexp(x)[1]) - 1, {target.e_min}) - {target.precision - 1})",
        "expected = mp.nint(x / unit) * unit",
        f"if abs(expected) > {largest}:",
        f"    expected = {beyond}",
    ]
