"""block-scaling: blocks of numbers that share a scale hold the nearest multiples of it that their format has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    LARGE_ERROR,
    SMALL_ERROR,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    Function,
    Ints,
    Kind,
    Outcome,
    Probe,
    Property,
    Violations,
    block_exponents,
)
from gradproof.extend import arrays as fa

LANES: Final = 1 << 16
"""Numbers of a call."""
WRONG_TIE: Final = 1 + 2.0**-20
"""Error over bound of a tie that went the wrong way: half an ulp, which is the bound."""
LARGE: Final = 64.0
OFFSETS: Final = (-1, 0, 1)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Blocks:
    """What blocks of numbers, of shape (k, block), should be decoded to under their scales, by one rule.

    ``special`` are the blocks with an infinity or a NaN, which the rule says nothing of.
    """

    x: Floats
    exponents: Ints
    due: Floats
    special: Mask


def due_blocks(x: Floats, function: Function, source: Format, element: Format, rule: str | None = None) -> Blocks:
    """Blocks of shape (k, block) of float64, rounded to nearest under their scales; ties to even, saturating.

    What a decoded number is in ``source`` counts: infinity beyond it.
    """
    special = np.asarray(~np.isfinite(x).all(axis=1))
    amax = np.where(special, 1.0, np.abs(x).max(axis=1, initial=0.0))
    exponents = np.where(amax > 0, block_exponents(function, np.where(amax > 0, amax, 1.0), rule), 0)
    scale = exponents[:, None].astype(np.int32)
    with np.errstate(all="ignore"):
        rounded = fa.values(fa.round_by_quantum(np.ldexp(x, -scale), element, saturate=True), element)
        decoded = fa.values(fa.round_by_quantum(np.ldexp(rounded, scale), source), source)
    return Blocks(x, exponents, decoded, special)


def blocks_to_try(source: Format, function: Function, element: Format, block: int, count: int, seed: int) -> Bits:
    """``count`` blocks, of shape (count, block) in ``source``: all magnitudes, ties, zeros, the ends, specials.

    A third are random, each with a magnitude of its own from the whole range. The rest have a greatest number that goes
    through a binade, at which the rules of scales part, and hold numbers at and beside the middles of the element's
    numbers under one scale or the other. Then blocks of zeros, of subnormal numbers, of the greatest numbers, with
    infinities and NaNs.
    """
    rng = np.random.default_rng(seed)
    numbers = np.array([float(element.value(b)) for b in range(element.max_bits + 1)])
    middles = np.concatenate([(numbers[1:] + numbers[:-1]) / 2, numbers])
    middles = np.concatenate([middles * (1 + off * 2.0 ** (1 - source.precision)) for off in OFFSETS])
    low, high = source.e_min + 8, source.e_max - 2
    exponent = rng.integers(low, high + 1, count)[:, None].astype(np.int32)
    x = np.ldexp(rng.standard_normal((count, block)), exponent)
    hard = np.arange(count) % 3 != 0
    picked = rng.choice(middles, (count, block)) * rng.choice([-1.0, 1.0], (count, block))
    amax = float(element.max_value) * (0.5 + rng.random(count))
    edge = rng.choice([1.0, 1 - 2.0**-source.precision, 1 + 2.0 ** (1 - source.precision)], count)
    amax = np.where(rng.random(count) < 0.3, 2.0 ** (element.e_max + rng.integers(0, 2, count)) * edge, amax)
    picked = np.clip(picked, -amax[:, None], amax[:, None])
    place = rng.integers(0, block, count)
    picked[np.arange(count), place] = amax * rng.choice([-1.0, 1.0], count)
    x = np.where(hard[:, None], np.ldexp(picked, exponent - element.e_max), x)
    bits = fa.round_by_quantum(np.clip(x, -float(source.max_value), float(source.max_value)), source)
    least = rng.integers(0, source.min_normal_bits, block).astype(bits.dtype)
    last = np.full(block, source.max_bits, bits.dtype)
    ends = [np.zeros(block, bits.dtype), least, last, last - np.arange(block).astype(bits.dtype)]
    for special in (source.nan_bits, source.last_bits, source.last_bits | source.sign_bit):
        for at in (0, block // 2, block - 1):
            row = bits[at].copy()
            row[at] = special
            ends.append(row)
    bits[-len(ends) :] = np.array(ends)
    return bits


class BlockScaling(Property):
    """Decoded blocks against the nearest numbers under the scale that their rule gives."""

    id: ClassVar[str] = "block-scaling"
    title: ClassVar[str] = "Blocks that share a scale hold the nearest numbers under it"
    statement: ClassVar[str] = (
        "Each number of a block, decoded, is the nearest multiple of the block's scale that the element format holds, "
        "ties to even, and the greatest one for what is beyond; the scale follows from the block's greatest magnitude "
        "by the declared rule. A NaN leaves a NaN in its block. What an infinity leaves is recorded."
    )
    source: ClassVar[str] = "OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6.3"
    about: ClassVar[Kind] = "blocks"

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge some thousand blocks; where another rule of scales explains all of them, say so."""
        element, source, function = probe.target, probe.format, probe.function
        assert element is not None
        block = int(function.exact_params["block"])
        bits = blocks_to_try(source, function, element, block, LANES // block, probe.seed)
        got = probe.evaluate(bits.ravel(), order).reshape(bits.shape)
        x, g = fa.values(bits, source), fa.values(got, source)
        found = due_blocks(x, function, source, element)
        finite = ~found.special
        wrong = (g != found.due) & finite[:, None]
        outcome = Outcome(Evidence("sampled", int(finite.sum()) * block), measured={"blocks": int(finite.sum())})
        scale = found.exponents[:, None].astype(np.int32)
        with np.errstate(all="ignore"):
            quantum = np.ldexp(1.0, fa.quantum_exponents(np.ldexp(x, -scale), element).astype(np.int32) + scale)
            u = np.where(finite[:, None], np.abs(g - x) / quantum, 0.0)
        within = finite[:, None] & ~wrong & (np.abs(x) <= np.ldexp(float(element.max_value), scale))
        outcome.u_max = float(u[within].max(initial=0.0))
        outcome.magnitude = min(2 * outcome.u_max, 1.0)
        outcome.measured |= _specials(x, g)
        if wrong.any():
            outcome.violations.append(_rows(bits, got, wrong, u, _said(found, g, wrong, probe)))
        lost = np.asarray(np.isnan(x).any(axis=1) & ~np.isnan(g).any(axis=1))
        if lost.any():
            rows = np.isnan(x) & lost[:, None]
            text = (
                "a NaN in a block leaves no NaN: give it the NaN of the element format, or the block that of the scale"
            )
            outcome.violations.append(_rows(bits, got, rows, np.full(x.shape, np.inf), text))
        return outcome


def _said(found: Blocks, g: Floats, wrong: Mask, probe: Probe) -> str:
    """What is wrong in a sentence: another rule that all blocks follow, or one number."""
    function, element, finite = probe.function, probe.target, ~found.special
    assert element is not None
    for rule in ("floor", "ceil"):
        if (
            rule != function.scale
            and (g == due_blocks(found.x, function, probe.format, element, rule).due)[finite].all()
        ):
            return f"all blocks have the scale of the rule {rule!r}, which is not the one declared: scale={rule!r}"
    k, i = (int(n) for n in np.argwhere(wrong)[0])
    share = int(wrong.any(axis=1).sum())
    return (
        f"in {share:,} of {int(finite.sum()):,} blocks; of the first the greatest magnitude is "
        f"{np.abs(found.x[k]).max():.9g}, the scale 2^{int(found.exponents[k])}, and {found.x[k, i]:.9g} becomes "
        f"{g[k, i]:.9g} where {found.due[k, i]:.9g} is nearest in {element.name}"
    )


def _rows(bits: Bits, got: Bits, rows: Mask, u: Floats, text: str) -> Violations:
    magnitude = np.maximum(2 * np.nan_to_num(u[rows], nan=np.inf, posinf=np.inf), WRONG_TIE)
    severity = np.where(np.isinf(magnitude), WRONG_CLASS, np.where(magnitude >= LARGE, LARGE_ERROR, SMALL_ERROR))
    return Violations(
        bits[rows], got[rows], magnitude, severity.astype(np.int8), magnitude >= LARGE, text, cause="rounding",
        pointwise=False,
    )  # fmt: skip


def _specials(x: Floats, g: Floats) -> dict[str, Any]:
    """What blocks with a NaN, or with an infinity, are decoded to."""
    found = {}
    for name, rows in (("nan", np.isnan(x).any(axis=1)), ("infinity", np.isinf(x).any(axis=1))):
        whole, some = np.isnan(g[rows]).all(axis=1), np.isnan(g[rows]).any(axis=1)
        words = {"block is NaN": whole, "element is NaN": some & ~whole, "number": ~some}
        seen = [word for word, mask in words.items() if mask.any()]
        found[name] = seen[0] if len(seen) == 1 else "mixed" if seen else "none"
    return found
