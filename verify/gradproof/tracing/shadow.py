"""The mathematics of the operations that activation functions consist of, in as many bits as it takes.

Every value is an mpf; truth values are 1 and 0. What has no real value (the logarithm of a negative number) is NaN, as
in floating-point arithmetic, and so is 0 * inf; overflow and rounding do not exist here. Definitions of the
frameworks' own functions follow their documentation, thresholds that only spare work left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import mpmath

Rule = Callable[..., Any]
"""Takes the mpmath context and the operands."""

HUGE: Final = 1100
"""The exponential of numbers of more bits before the point, beyond every format, is taken as 0 or infinity."""


@lru_cache(maxsize=8)
def context(precision: int) -> Any:
    """A context of mpmath's of so many bits, apart from the global one."""
    made = mpmath.MPContext()
    made.prec = precision
    return made


def number(m: Any, value: Fraction | float) -> Any:
    """``value`` as an mpf; exact for every number of a format."""
    return m.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else m.mpf(value)


def applied(m: Any, rule: str, operands: Sequence[Any]) -> Any:
    """The exact result of a rule of ``RULES``: an mpf."""
    try:
        result = RULES[rule](m, *operands)
    except (ZeroDivisionError, ValueError, OverflowError, ArithmeticError):
        return m.nan
    return result if isinstance(result, m.mpf) else m.nan if isinstance(result, m.mpc) else m.mpf(result)


def fitting(rule: str | None, *, floating: bool, truth: bool) -> str | None:
    """``rule``, or None where it does not hold for results of this type: bits of integers are no truth values.

    ``floating`` results are numbers of a format, ``truth`` ones truth values; others are integers.
    """
    holds = truth if rule in ("and", "or", "not") else floating or truth or rule not in ("same", "div", "pow")
    return rule if holds else None


def conditions(m: Any, rule: str, operands: Sequence[Any]) -> list[Any]:
    """For each operand, by how much the result magnifies a small relative error of it: |x (df/dx) / f|.

    By differences in half the precision. 0 for an operand that is 0 or no finite number, whose relative error means
    nothing; infinite where the result is 0 and does not stay so.
    """
    at = applied(m, rule, operands)
    step = m.ldexp(1, -(m.prec // 2))
    return [_condition(m, rule, list(operands), i, at, step) for i in range(len(operands))]


def _condition(m: Any, rule: str, operands: list[Any], index: int, at: Any, step: Any) -> Any:
    x = operands[index]
    if not x or not m.isfinite(x) or not m.isfinite(at):
        return m.zero
    if rule in ("exp", "exp2"):
        return abs(x)
    moved = applied(m, rule, [*operands[:index], x * (1 + step), *operands[index + 1 :]])
    if moved == at:
        return m.zero
    return abs((moved - at) / at) / step if at else m.inf


def _divided(m: Any, x: Any, y: Any) -> Any:
    if y == 0:
        return m.nan if x == 0 or m.isnan(x) else m.inf * m.sign(x)
    return x / y


def _exp(m: Any, x: Any) -> Any:
    if m.isfinite(x) and x and m.mag(x) > HUGE:
        return m.inf if x > 0 else m.zero
    return m.exp(x)


def _expm1(m: Any, x: Any) -> Any:
    return _exp(m, x) - 1 if not m.isfinite(x) or abs(x) > 1 else m.expm1(x)


def _log(m: Any, x: Any) -> Any:
    return m.log(x) if x > 0 else -m.inf if x == 0 else m.nan


def _log1p(m: Any, x: Any) -> Any:
    return m.log1p(x) if -1 < x < 1 else _log(m, 1 + x)


def _sigmoid(m: Any, x: Any) -> Any:
    return 1 / (1 + _exp(m, -x))


def _tanh(m: Any, x: Any) -> Any:
    return m.tanh(x)


def _erf(m: Any, x: Any) -> Any:
    return m.sign(x) if m.isfinite(x) and abs(x) > 2**20 else m.erf(x)


def _erfc(m: Any, x: Any) -> Any:
    return 1 - m.sign(x) if m.isfinite(x) and abs(x) > 2**20 else m.erfc(x)


def _power(m: Any, x: Any, y: Any) -> Any:
    if x == 0 and y < 0:
        return m.inf
    if m.isint(y) and abs(y) < 2**16:
        return x ** int(y)
    if x == 0:
        return m.one if y == 0 else m.zero
    return m.nan if x < 0 else _exp(m, y * m.log(x))


def _turning(function: str) -> Rule:
    """sin, cos or tan; NaN where the argument has more bits than are worth reducing."""
    return lambda m, x: m.nan if m.isfinite(x) and x and m.mag(x) > 2048 else getattr(m, function)(x)


def _gelu(m: Any, x: Any) -> Any:
    return x * _erfc(m, -x / m.sqrt(2)) / 2


def _gelu_slope(m: Any, x: Any) -> Any:
    return _erfc(m, -x / m.sqrt(2)) / 2 + x * _exp(m, -x * x / 2) / m.sqrt(2 * m.pi)


def _inner(m: Any, x: Any) -> Any:
    return m.sqrt(2 / m.pi) * (x + m.mpf(44715) / 1000000 * x**3)


def _gelu_tanh(m: Any, x: Any) -> Any:
    return x * _sigmoid(m, 2 * _inner(m, x))


def _gelu_tanh_slope(m: Any, x: Any) -> Any:
    s = _sigmoid(m, 2 * _inner(m, x))
    slope = m.sqrt(2 / m.pi) * (1 + 3 * m.mpf(44715) / 1000000 * x * x)
    return s + 2 * x * s * _sigmoid(m, -2 * _inner(m, x)) * slope


def _silu_slope(m: Any, x: Any) -> Any:
    s = _sigmoid(m, x)
    return s + x * s * _sigmoid(m, -x)


def _softplus(m: Any, x: Any, beta: Any = 1, threshold: Any = 0) -> Any:
    return _log1p(m, _exp(m, -abs(beta * x))) / beta + max(x, 0)


def _mish(m: Any, x: Any) -> Any:
    return x * _tanh(m, _softplus(m, x))


def _mish_slope(m: Any, x: Any) -> Any:
    t = _tanh(m, _softplus(m, x))
    return t + x * (1 - t * t) * _sigmoid(m, x)


def _elu(m: Any, x: Any, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Any:
    return scale * (x if x > 0 else alpha * _expm1(m, input_scale * x))


def _elu_back(m: Any, g: Any, alpha: Any, scale: Any, input_scale: Any, is_result: Any, x: Any) -> Any:
    if x > 0:
        return g * scale
    return g * input_scale * (x + alpha * scale if is_result else scale * alpha * _exp(m, input_scale * x))


def _hardswish_slope(m: Any, x: Any) -> Any:
    return m.zero if x <= -3 else m.one if x >= 3 else x / 3 + m.mpf(1) / 2


def _largest(m: Any, x: Any, y: Any) -> Any:
    return m.nan if m.isnan(x) or m.isnan(y) else max(x, y)


def _least(m: Any, x: Any, y: Any) -> Any:
    return m.nan if m.isnan(x) or m.isnan(y) else min(x, y)


def _clamped(m: Any, x: Any, low: Any, high: Any) -> Any:
    return _least(m, _largest(m, x, low), high)


RULES: Final[Mapping[str, Rule]] = {
    "same": lambda m, x: x,
    "add": lambda m, x, y, alpha=1: x + alpha * y,
    "sub": lambda m, x, y, alpha=1: x - alpha * y,
    "rsub": lambda m, x, y, alpha=1: y - alpha * x,
    "mul": lambda m, x, y: x * y,
    "div": _divided,
    "neg": lambda m, x: -x,
    "reciprocal": lambda m, x: _divided(m, m.one, x),
    "abs": lambda m, x: abs(x),
    "sign": lambda m, x: m.sign(x),
    "square": lambda m, x: x * x,
    "sqrt": lambda m, x: m.sqrt(x),
    "rsqrt": lambda m, x: _divided(m, m.one, m.sqrt(x)),
    "cbrt": lambda m, x: m.sign(x) * m.cbrt(abs(x)),
    "pow": _power,
    "exp": _exp,
    "exp2": lambda m, x: _exp(m, x * m.log(2)),
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "log2": lambda m, x: _log(m, x) / m.log(2),
    "log10": lambda m, x: _log(m, x) / m.log(10),
    "sin": _turning("sin"),
    "cos": _turning("cos"),
    "tan": _turning("tan"),
    "sinh": lambda m, x: m.sinh(x) if abs(x) < 1 else (_exp(m, x) - _exp(m, -x)) / 2,
    "cosh": lambda m, x: (_exp(m, x) + _exp(m, -x)) / 2,
    "tanh": _tanh,
    "asinh": lambda m, x: m.asinh(x),
    "atan": lambda m, x: m.atan(x),
    "atanh": lambda m, x: m.atanh(x),
    "erf": _erf,
    "erfc": _erfc,
    "sigmoid": _sigmoid,
    "max": _largest,
    "min": _least,
    "clamp": _clamped,
    "relu": lambda m, x: _largest(m, x, m.zero),
    "threshold": lambda m, x, at, value: x if x > at else value,
    "where": lambda m, condition, x, y: x if condition else y,
    "gt": lambda m, x, y: int(x > y),
    "ge": lambda m, x, y: int(x >= y),
    "lt": lambda m, x, y: int(x < y),
    "le": lambda m, x, y: int(x <= y),
    "eq": lambda m, x, y: int(x == y),
    "ne": lambda m, x, y: int(x != y),
    "and": lambda m, x, y: int(bool(x) and bool(y)),
    "or": lambda m, x, y: int(bool(x) or bool(y)),
    "not": lambda m, x: int(not x),
    "isnan": lambda m, x: int(m.isnan(x)),
    "isfinite": lambda m, x: int(m.isfinite(x)),
    "lerp": lambda m, x, y, weight: x + weight * (y - x),
    "addcmul": lambda m, x, y, z, value=1: x + value * y * z,
    "addcdiv": lambda m, x, y, z, value=1: x + value * _divided(m, y, z),
    "silu": lambda m, x: x * _sigmoid(m, x),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "softplus": _softplus,
    "logsigmoid": lambda m, x: -_softplus(m, -x),
    "mish": _mish,
    "elu": _elu,
    "hardswish": lambda m, x: x * _clamped(m, x + 3, 0, 6) / 6,
    "hardsigmoid": lambda m, x: _clamped(m, x + 3, 0, 6) / 6,
    "leaky_relu": lambda m, x, slope: x if x > 0 else slope * x,
    "softshrink": lambda m, x, at: x - at if x > at else x + at if x < -at else m.zero,
    "hardshrink": lambda m, x, at: x if abs(x) > at else m.zero,
    "sigmoid_backward": lambda m, g, y: g * y * (1 - y),
    "tanh_backward": lambda m, g, y: g * (1 - y * y),
    "threshold_backward": lambda m, g, x, at: g if x > at else m.zero,
    "hardtanh_backward": lambda m, g, x, low, high: g if low < x < high else m.zero,
    "leaky_relu_backward": lambda m, g, x, slope: g if x > 0 else g * slope,
    "silu_backward": lambda m, g, x: g * _silu_slope(m, x),
    "gelu_backward": lambda m, g, x: g * _gelu_slope(m, x),
    "gelu_tanh_backward": lambda m, g, x: g * _gelu_tanh_slope(m, x),
    "softplus_backward": lambda m, g, x, beta, threshold: g * _sigmoid(m, beta * x),
    "logsigmoid_backward": lambda m, g, x: g * _sigmoid(m, -x),
    "mish_backward": lambda m, g, x: g * _mish_slope(m, x),
    "elu_backward": _elu_back,
    "hardswish_backward": lambda m, g, x: g * _hardswish_slope(m, x),
    "hardsigmoid_backward": lambda m, g, x: g / 6 if -3 < x < 3 else m.zero,
}
"""By name: the exact result of an operation on exact operands. A further operation is one more row."""

IN_ONE_KERNEL: Final = frozenset(
    {"gelu", "gelu_tanh", "hardshrink", "hardsigmoid", "hardswish", "leaky_relu", "logsigmoid", "silu", "softplus"}
    | {"elu", "mish", "softshrink", *(name for name in RULES if name.endswith("_backward"))}
)
"""The rules of whole functions, and of their derivatives, that a framework calculates in one kernel."""
