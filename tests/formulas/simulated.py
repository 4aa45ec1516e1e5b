"""A machine that takes liberties: a definition calculated in a real format with random choices within the allowances.

Every sum, product, quotient and root is NumPy's own in the compute format (bfloat16 by ml_dtypes); every elementary
function is the true value moved by a random number of ulps within k; subnormals, stores and fused products are drawn
element by element. What comes out is one result that the rounded context must hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import ml_dtypes
import mpmath
import numpy as np

from gradproof.formats import FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formulas.rounded import Arithmetic, Expression, Room
from gradproof.formulas.rounded.elementary import FUNCTIONS
from gradproof.formulas.rounded.libraries import SETTLED
from gradproof.formulas.rounded.rounding import quantum
from gradproof.functions.function import exact

DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
mp = mpmath.mp.clone()
mp.prec = 160
TRUTH = {
    "exp": mp.exp, "expm1": mp.expm1, "log": mp.log, "log1p": mp.log1p, "tanh": mp.tanh, "erf": mp.erf,
    "erfc": mp.erfc, "sinh": mp.sinh, "cosh": mp.cosh, "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
}  # fmt: skip


class Sample(Expression):
    """One random result per element, in float64, with the product it is if a sum may fuse it."""

    def __init__(self, m: Any, value: Any, factors: Any = None) -> None:
        super().__init__(m)
        self.value = value
        self.factors = factors


def odd_sum(a: Any, b: Any) -> Any:
    """a + b rounded to odd in float64, after which one more rounding to a narrower format is the only one."""
    total = a + b
    shadow = total - a
    rest = (a - (total - shadow)) + (b - shadow)
    even = (np.asarray(total).view(np.int64) & 1) == 0
    moved = np.nextafter(total, np.where(rest > 0, np.inf, -np.inf))
    return np.where(np.isfinite(total) & (rest != 0) & even, moved, total)


class SimulatedContext:
    """The rounded context's operations on ``Sample``s."""

    def __init__(self, arithmetic: Arithmetic, seed: int, rooms: Mapping[str, Room] | None = None) -> None:
        self.a = arithmetic
        self.rooms = rooms or {}
        self.rng = np.random.default_rng(seed)

    def round(self, x: Any, fmt: Format) -> Any:
        return fa.values(fa.round_values(np.atleast_1d(np.asarray(x, np.float64)), fmt), fmt)

    def drawn(self, x: Any) -> Any:
        return self.rng.random(np.shape(x)) < 0.5

    def flushed(self, x: Any, how: str, fmt: Format) -> Any:
        small = np.abs(x) < float(fmt.min_normal)
        flush = np.ones(np.shape(x), bool) if how == "flushed" else self.drawn(x) if how == "either" else False
        return np.where(small & flush, np.copysign(0.0, x), x)

    def settled(self, x: Any, factors: Any = None) -> Sample:
        x = self.flushed(self.round(x, self.a.compute), self.a.results, self.a.compute)
        if self.a.spills:
            x = np.where(self.drawn(x), self.round(x, self.a.storage), x)
        return Sample(self, x, factors)

    def constant(self, value: Any) -> Sample:
        if isinstance(value, Sample):
            return value
        number = value if isinstance(value, float) and np.isinf(value) else float(exact(value))
        return Sample(self, self.round(number, self.a.literals or self.a.compute))

    real = constant

    def f32(self, value: Any) -> Sample:
        return Sample(self, self.round(float(np.float32(float(exact(value)))), self.a.compute))

    def read(self, value: Any) -> Any:
        return self.flushed(self.constant(value).value, self.a.inputs, self.a.compute)

    def stored(self, v: Any) -> Sample:
        same = self.a.storage.e_min == self.a.compute.e_min
        x = self.round(self.constant(v).value, self.a.storage)
        return Sample(self, self.flushed(x, self.a.results if same else "kept", self.a.storage))

    def narrowed(self, v: Any, name: str) -> Sample:
        return Sample(self, self.round(self.constant(v).value, FORMATS[name]))

    def own(self, operation: Any, *operands: Any) -> Any:
        """NumPy's own operation in the compute format."""
        dtype = DTYPES[self.a.compute.name]
        return operation(*(np.asarray(o, np.float64).astype(dtype) for o in operands)).astype(np.float64)

    def add(self, a: Any, b: Any) -> Sample:
        a, b = self.constant(a), self.constant(b)
        x, y = self.read(a), self.read(b)
        total = self.own(np.add, x, y)
        if self.a.contraction:
            for term, other in ((a, y), (b, x)):
                if term.factors is not None:
                    p, q = term.factors
                    if self.a.compute == FLOAT64:
                        fused = self.fused(p, q, other)
                    else:
                        fused = odd_sum(*np.broadcast_arrays(p * q, other))
                    total = np.where(self.drawn(total), self.round(fused, self.a.compute), total)
        return self.settled(total)

    def fused(self, p: Any, q: Any, c: Any) -> Any:
        """p q + c in long double, whose double rounding at most picks the other neighbour of a near tie."""
        return (p.astype(np.longdouble) * q.astype(np.longdouble) + np.asarray(c, np.longdouble)).astype(np.float64)

    def negative(self, a: Any) -> Sample:
        a = self.constant(a)
        return Sample(self, -a.value, None if a.factors is None else (-a.factors[0], a.factors[1]))

    def abs(self, a: Any) -> Sample:
        return Sample(self, np.abs(a.value))

    def subtract(self, a: Any, b: Any) -> Sample:
        return self.add(a, self.negative(b))

    def multiply(self, a: Any, b: Any) -> Sample:
        x = self.read(a)
        y = x if a is b else self.read(b)
        return self.settled(self.own(np.multiply, x, y), (x, y) if self.a.contraction else None)

    def divide(self, a: Any, b: Any) -> Sample:
        x = self.read(a)
        y = x if a is b else self.read(b)
        quotient = self.settled(self.own(np.divide, x, y))
        lone = np.size(y) == 1 and not isinstance(b, Sample) and np.isfinite(y).all() and np.all(y != 0)
        if self.a.reciprocals and lone:
            return self.either(quotient, self.multiply(a, self.real(1 / Fraction(float(np.ravel(y)[0])))))
        return quotient

    def sqrt(self, a: Any) -> Sample:
        return self.settled(self.own(np.sqrt, self.read(a)))

    def power(self, a: Any, n: int) -> Sample:
        if n < 0:
            return self.divide(1, self.power(a, -n))
        product = self.constant(a)
        for _ in range(n - 1):
            product = self.multiply(product, a)
        return product

    def elementary(self, name: str, a: Any, room: Room | None = None) -> Sample:
        room = room or self.rooms.get(name, Room())
        stated = room.ulps64 if self.a.kernel == FLOAT64 and room.ulps64 is not None else room.ulps
        k = FUNCTIONS[name].ulps if stated is None else stated
        x = np.atleast_1d(self.read(a))
        steps = self.rng.choice([-1.0, 1.0, 0.0, 0.5, -0.7], x.size) * k
        off = self.rng.choice([-1.0, 1.0, 0.0], x.size) * room.absolute
        return self.settled(
            np.array(
                [self.moved(name, v, k, s, o, room.settles) for v, s, o in zip(x, steps, off, strict=True)]
            ).reshape(x.shape)
        )

    def moved(self, name: str, x: float, k: float, steps: float, off: float, settles: float) -> float:
        """A number of the kernel's format within ``steps`` quanta and ``off`` of the true value.

        From |x| = ``settles`` on a limit is that number.
        """
        function, fmt = FUNCTIONS[name], self.a.kernel
        if np.isnan(x) or x < function.start:
            return np.nan
        with np.errstate(all="ignore"):
            plain = float(np.asarray(function.value(np.array([x])), np.float64)[0])
        if (x == 0 and off == 0) or np.isinf(x) or x == function.start:
            return plain
        y = TRUTH[name](mp.mpf(x)) if abs(x) < 1e9 or name.startswith("log") else mp.mpf(plain)
        if not mp.isfinite(y):
            return plain
        exponent = mp.frexp(abs(y))[1] if y else fmt.e_min
        q = mp.ldexp(1, max(int(exponent) - 1, fmt.e_min) - fmt.precision + 1)
        for end in filter(np.isfinite, (function.low, function.high, function.at_zero)):
            reached = abs(x) >= settles or end == function.at_zero
            if reached and (end or function.low == 0) and self.settles(abs(y - mp.mpf(end)), float(quantum(end, fmt))):
                return end
        target = y + steps * q + off
        value = float(self.round(float(target), fmt)[0]) if abs(target) < mp.mpf(2) ** 1023 else plain
        # Rounding may have left the allowance, in which the nearest number always lies.
        if np.isfinite(value) and abs(mp.mpf(value) - y) > k * q + abs(off):
            value = float(self.round(float(y), fmt)[0])
        if function.at_zero == 0 and off == 0 and np.sign(value) * np.sign(x) <= 0:
            value = float(np.copysign(0.0, x))
        return function.low if value <= function.low else float(min(value, function.high))

    @staticmethod
    def settles(distance: Any, quantum_of_end: float) -> bool:
        """Below half the least float64, whose share is no float64, it is that half."""
        return bool(distance < max(SETTLED * mp.mpf(quantum_of_end), mp.ldexp(1, -1075)))

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS:
            return lambda a, room=None: self.elementary(name, a, room)
        raise AttributeError(name)

    def call(self, kernel: Any, partials: Any, *operands: Any) -> Any:
        return kernel(self, *operands)

    def either(self, a: Any, b: Any) -> Sample:
        x, y = np.broadcast_arrays(self.constant(a).value, self.constant(b).value)
        return Sample(self, np.where(self.drawn(x), x, y))

    def total(self, terms: list[Any], stores: bool) -> Sample:
        total, *others = (terms[i] for i in self.rng.permutation(len(terms)))
        for term in others:
            total = self.add(total, term)
            total = self.stored(total) if stores else total
        return self.constant(total)

    def less(self, a: Any, b: Any) -> Any:
        return self.read(a) < self.read(b)

    def at_most(self, a: Any, b: Any) -> Any:
        return self.read(a) <= self.read(b)

    def where(self, condition: Any, a: Any, b: Any) -> Sample:
        return Sample(self, np.where(condition, self.constant(a).value, self.constant(b).value))

    def maximum(self, a: Any, b: Any) -> Sample:
        x, y = np.broadcast_arrays(self.read(a), self.read(b))
        return Sample(self, np.where(self.drawn(x), np.maximum(x, y), np.maximum(y, x)))

    def minimum(self, a: Any, b: Any) -> Sample:
        return self.negative(self.maximum(self.negative(a), self.negative(b)))

    def sign(self, a: Any) -> Sample:
        x = self.read(a)
        return Sample(self, np.where(x == 0, x, np.sign(x)))

    def copysign(self, a: Any, b: Any) -> Sample:
        return Sample(self, np.copysign(self.constant(a).value, self.read(b)))
