"""The probable cause of one failure, from what was returned, what was due, and what lies around.

Rules, tried in this order; each is a heuristic and says *probable*:

1. ``class-mismatch`` / ``intermediate-overflow``: a NaN or infinity where a number was due (or the reverse).
   At a finite input, or where the limit is finite, a NaN is inf - inf, 0 * inf or inf / inf on the way.
2. ``flush``: zero where a subnormal number, or one next to the subnormals, was due.
3. ``early-saturation``: exactly the limit on the input's side although the exact value is still on its way there: a
   quantity such as 1 - s or 1 - t**2 that rounded to its limit before it was used. A zero beside a root is none.
4. ``wrong-branch``: what a neighbouring piece of the function gives at this input.
5. ``wrong-value``: more than ``PRODUCT`` ulps where the function is a constant, or a constant times x: one product
   has nothing to cancel, and no roundings to add up.
6. ``cancellation``: the absolute error is what rounding a quantity of size 1 leaves (a few 2**-p), the
   relative error much more.
7. ``rounding``: anything else up to ``ROUNDINGS`` ulps; several roundings that add up.
8. ``wrong-value``: anything else; another number than the function's.
"""

from __future__ import annotations

import math
from fractions import Fraction

from gradproof.formats import Format
from gradproof.functions import Function
from gradproof.oracle import Certified, Oracle
from gradproof.results.model import CAUSES

CANCELLATION_UNITS = 64.0
"""An absolute error up to this many ``2**-p`` counts as what cancellation of unit quantities leaves; in 16-bit formats
up to ``2**(p/2)``, since 64 of theirs would be a quarter."""
ROUNDINGS = 256.0
"""Ulps beyond which nobody would speak of rounding."""
OUTWARD = Fraction(9, 8)
"""Where to look whether a function is still approaching its limit, in units of the input."""
PRODUCT = 4.0
"""Ulps that a rounded constant, a rounded product and one more rounding cannot reach."""


def probable_cause(oracle: Oracle, fmt: Format, order: int, bits: int, got: int, expected: Certified, u: float) -> str:
    """One of ``results.model.CAUSES`` for a result ``got`` at ``bits`` of error ``u`` ulps."""
    cause = _cause(oracle, fmt, order, bits, got, expected, u)
    assert cause in CAUSES
    return cause


def _cause(oracle: Oracle, fmt: Format, order: int, bits: int, got: int, expected: Certified, u: float) -> str:
    if fmt.is_nan(bits):
        return "class-mismatch"
    if not fmt.is_finite(got):
        return "intermediate-overflow"
    if expected.kind != "finite" or expected.value is None:
        return "class-mismatch"
    y = float(expected.value)
    g = float.fromhex(fmt.hexfloat(got))
    if g == 0 and 0 < abs(y) < 2 * float(fmt.min_normal):
        return "flush"
    near_one = abs(g - y) <= min(CANCELLATION_UNITS, 2.0 ** (fmt.precision / 2)) * 2.0**-fmt.precision
    if near_one and fmt.is_finite(bits) and _saturated(oracle, fmt, order, bits, g):
        return "early-saturation"
    if fmt.is_finite(bits) and _other_piece(oracle.function, oracle, fmt, order, bits, g):
        return "wrong-branch"
    if fmt.is_finite(bits) and u > PRODUCT and _is_product(oracle, fmt, order, bits):
        return "wrong-value"
    if near_one and abs(y) < 0.5 and u > 4:
        return "cancellation"
    if not math.isfinite(u):
        return "class-mismatch"
    return "rounding" if u <= ROUNDINGS else "wrong-value"


def _saturated(oracle: Oracle, fmt: Format, order: int, bits: int, g: float) -> bool:
    """Whether ``g`` is the limit that f^(order) is still approaching at this input, and will from there on outwards.

    Beside a root, or where f^(order) happens to cross the limit, it is about to leave ``g`` or to pass through it.
    """
    x, function = fmt.value(bits), oracle.function
    limit = function.limit("left" if x < 0 else "right", order)
    if limit is None and g == 0:  # not declared; 0 is what nearly all have on one side
        limit = Fraction(0)
    outward = x * OUTWARD
    if not isinstance(limit, Fraction) or g != float(limit) or not function.ends[0] < outward < function.ends[1]:
        return False
    here, beyond = (oracle.piece_value(function.piece_at(at), at, fmt, order).value for at in (x, outward))
    if here is None or beyond is None:
        return False
    left, later = here.fraction() - limit, beyond.fraction() - limit
    return left * later >= 0 and abs(later) < abs(left)


def _is_product(oracle: Oracle, fmt: Format, order: int, bits: int) -> bool:
    """Whether f^(order) is a constant around this input, or a constant times x."""
    x = fmt.value(bits)
    piece = oracle.function.piece_at(x)
    bent = oracle.piece_value(piece, x, fmt, 2).value
    if order == 2 or bent is None or bent.man:
        return False
    if order == 1:
        return True
    value, slope = (oracle.piece_value(piece, x, fmt, n).value for n in (0, 1))
    if value is None or slope is None:
        return False
    y: Fraction = value.fraction()
    return bool(abs(y - slope.fraction() * x) <= abs(y) / 2**fmt.precision)


def _other_piece(function: Function, oracle: Oracle, fmt: Format, order: int, bits: int, g: float) -> bool:
    """Whether ``g`` is what another piece of the function gives at this input, within 4 ulps."""
    if len(function.pieces) < 2:
        return False
    x = fmt.value(bits)
    own = function.piece_at(x)
    for piece in range(len(function.pieces)):
        if piece == own:
            continue
        other = oracle.piece_value(piece, x, fmt, order)
        if other.value is not None and math.isfinite(g):
            value = float(other.value)
            room = 4 * 2.0 ** (math.frexp(value)[1] - fmt.precision) if value else 0.0
            if abs(g - value) <= room:
                return True
    return False
