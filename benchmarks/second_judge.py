"""A second judge: the certificates of a results file and a sample of its passes, judged again by one small file.

    python benchmarks/second_judge.py results.json [--sample 20] [--seed 1] [--function silu]...

Nothing here is gradproof's, and nothing is NumPy's: bit patterns are decoded into fractions, functions are written
out once more, mpmath evaluates them with three derivatives, and the definitions of docs/oracle.md are applied anew. Of
every cell of ``accuracy`` and ``special-values`` with a certificate it recomputes what is due, u and m at the worst
input, and whether they break the contract. Of the passes of ``accuracy`` it judges ``--sample`` of the results that the
cell's graph holds. Each value is computed at two precisions that must agree.

Prints what was judged again and every disagreement; exits 1 if there is one, 2 if nothing could be judged.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import mpmath
from mpmath import mp, mpf

FORMATS = {"float64": (64, 53), "float32": (32, 24), "float16": (16, 11), "bfloat16": (16, 8)}
"""Width and bits of the significand; the rest follows (IEEE 754-2019, section 3.4; bfloat16 is cut off float32)."""
BOUNDS = {16: (2, 4, 4), 32: (4, 8, 8), 64: (4, 8, 8)}
"""The contract ``stable``: m at most this, by width and order."""
OUT_OF_SIGHT = 5000
FAR = 2.0**40
"""Where erfc is below 2^-10^24, and 0 in every format."""
GREATEST = Fraction(sys.float_info.max)
"""Figures of a results file end there."""
CLOSE = 2.0**-20
"""Relative difference of u and m up to which two judges agree: the first one computes them in float64."""


# -- numbers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Binary:
    """A binary format with ``width`` bits, ``p`` of them the significand with its hidden one."""

    width: int
    p: int

    @property
    def greatest_exponent(self) -> int:
        """That of the greatest number."""
        return (1 << (self.width - self.p - 1)) - 1

    @property
    def least_exponent(self) -> int:
        """That of the least normal number."""
        return 1 - self.greatest_exponent

    def decode(self, bits: int) -> Fraction | str:
        """The number of a bit pattern; "nan", "inf" or "-inf"."""
        field, low = bits >> (self.p - 1) & ((1 << (self.width - self.p)) - 1), bits & ((1 << (self.p - 1)) - 1)
        sign = -1 if bits >> (self.width - 1) else 1
        if field == (1 << (self.width - self.p)) - 1:
            return "nan" if low else "inf" if sign > 0 else "-inf"
        significand = low + (1 << (self.p - 1)) if field else low
        return sign * significand * Fraction(2) ** (max(field, 1) + self.least_exponent - self.p)

    def quantum(self, y: Fraction) -> Fraction:
        """The distance of the format's numbers around y.

        gradproof knows y as a pair of float64 numbers: what lies below a power of two by less than 2^-104 of it counts
        as that power, and so it does here.
        """
        above = max(exponent(y * (1 + Fraction(2) ** -104)), self.least_exponent) if y else self.least_exponent
        return Fraction(2) ** (above - self.p + 1)

    def rounded(self, y: Fraction) -> Fraction | str:
        """y rounded to nearest, ties to even, to infinity from halfway past the greatest number on."""
        unit = self.quantum(y)
        near = round(y / unit) * unit  # Python rounds a Fraction's ties to even
        if abs(near) >= Fraction(2) ** (self.greatest_exponent + 1):
            return "inf" if y > 0 else "-inf"
        return near


def exponent(y: Fraction) -> int:
    """floor(log2 |y|), of y other than 0."""
    guess = abs(y.numerator).bit_length() - y.denominator.bit_length()
    return guess if abs(y) >= Fraction(2) ** guess else guess - 1


def fraction(y: mpf) -> Fraction:
    """An mpf as it is; sizes beyond 2^OUT_OF_SIGHT or below its inverse, which no format tells apart, as these."""
    sign, man, power, bits = y._mpf_
    if man and abs(power + bits) > OUT_OF_SIGHT:
        man, power = 1, OUT_OF_SIGHT if power > 0 else -OUT_OF_SIGHT
    return (-1) ** sign * int(man) * Fraction(2) ** int(power)


def real(y: Fraction) -> mpf:
    """The mpf nearest to a fraction, at the working precision."""
    return mpf(y.numerator) / y.denominator


# -- functions with three derivatives ------------------------------------------------------------------


class Jet:
    """f and its first three derivatives in x at one point."""

    def __init__(self, *d: mpf) -> None:
        self.d = d

    def __add__(self, other: Jet | Fraction | int) -> Jet:
        o = jet(other)
        return Jet(*(a + b for a, b in zip(self.d, o.d, strict=True)))

    def __mul__(self, other: Jet | Fraction | int) -> Jet:
        (a, a1, a2, a3), (b, b1, b2, b3) = self.d, jet(other).d
        return Jet(a * b, a1 * b + a * b1, a2 * b + 2 * a1 * b1 + a * b2, a3 * b + 3 * a2 * b1 + 3 * a1 * b2 + a * b3)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Jet:
        return self * -1

    def __sub__(self, other: Jet | Fraction | int) -> Jet:
        return self + -jet(other)

    def of(self, g: mpf, g1: mpf, g2: mpf, g3: mpf) -> Jet:
        """g of this, by its value and derivatives here (Faa di Bruno)."""
        _, a1, a2, a3 = self.d
        return Jet(g, g1 * a1, g2 * a1**2 + g1 * a2, g3 * a1**3 + 3 * g2 * a1 * a2 + g1 * a3)


def jet(c: Jet | Fraction | int) -> Jet:
    """A constant, or what is a jet already."""
    return c if isinstance(c, Jet) else Jet(real(Fraction(c)), mpf(0), mpf(0), mpf(0))


def exp(x: Jet) -> Jet:
    """e^x."""
    e = mp.exp(x.d[0])
    return x.of(e, e, e, e)


def expm1(x: Jet) -> Jet:
    """e^x - 1."""
    e = mp.exp(x.d[0])
    return x.of(mp.expm1(x.d[0]), e, e, e)


def log1p(x: Jet) -> Jet:
    """log(1 + x)."""
    r = 1 / (1 + x.d[0])
    return x.of(mp.log1p(x.d[0]), r, -(r**2), 2 * r**3)


def sqrt(x: Jet) -> Jet:
    """The root of x."""
    r = mp.sqrt(x.d[0])
    return x.of(r, 1 / (2 * r), -1 / (4 * r**3), 3 / (8 * r**5))


def inverse(x: Jet) -> Jet:
    """1 / x."""
    r = 1 / x.d[0]
    return x.of(r, -(r**2), 2 * r**3, -6 * r**4)


def tanh(x: Jet) -> Jet:
    """The hyperbolic tangent; 1 - t^2 as sech^2, which does not cancel."""
    t, d = mp.tanh(x.d[0]), mp.sech(x.d[0]) ** 2
    return x.of(t, d, -2 * t * d, (4 * t**2 - 2 * d) * d)


def sigmoid(x: Jet) -> Jet:
    """1 / (1 + e^-x), with 1 - s as 1 / (1 + e^x)."""
    s, c, t = 1 / (1 + mp.exp(-x.d[0])), 1 / (1 + mp.exp(x.d[0])), mp.tanh(x.d[0] / 2)
    return x.of(s, s * c, -s * c * t, s * c * (t**2 - 2 * s * c))


def softplus(x: Jet) -> Jet:
    """log(1 + e^x)."""
    value = mp.log1p(mp.exp(-abs(x.d[0]))) + max(x.d[0], mpf(0))
    s = sigmoid(Jet(x.d[0], mpf(1), mpf(0), mpf(0)))
    return x.of(value, s.d[0], s.d[1], s.d[2])


def erfc(x: Jet) -> Jet:
    """1 - erf(x)."""
    z = x.d[0]
    g = -2 / mp.sqrt(mp.pi) * mp.exp(-(z**2))
    if abs(z) < FAR:
        value = mp.erfc(z)
    else:  # e^(-z^2) / (z sqrt(pi)) (1 - 1 / (2 z^2) + ...), DLMF 7.12.1; mpmath has no value there
        beyond = mp.exp(-(z**2)) / (abs(z) * mp.sqrt(mp.pi)) * (1 - 1 / (2 * z**2))
        value = beyond if z > 0 else 2 - beyond
    return x.of(value, g, -2 * z * g, (4 * z**2 - 2) * g)


def erf(x: Jet) -> Jet:
    """The error function."""
    value = mp.erf(x.d[0]) if abs(x.d[0]) < FAR else mp.sign(x.d[0])
    return Jet(value, *(-d for d in erfc(x).d[1:]))


Piece = Callable[..., Jet]
SELU_SCALE, SELU_ALPHA = Fraction("1.0507009873554804934193349852946"), Fraction("1.6732632423543772848170429916717")


def pieces(*parts: Piece | Fraction | str | int) -> Callable[..., tuple[list[Fraction], list[Piece]]]:
    """Pieces and breakpoints in turn, as they lie on the line; breakpoints may be a parameter's name, or "-name"."""

    def bound(params: dict[str, Fraction]) -> tuple[list[Fraction], list[Piece]]:
        at = []
        for b in parts[1::2]:
            named = isinstance(b, str)
            at.append((-params[b[1:]] if b[0] == "-" else params[b]) if named else Fraction(b))
        return at, list(parts[::2])

    return bound


def zero(x: Jet, **_: Fraction) -> Jet:
    """The constant 0."""
    return jet(0)


def same(x: Jet, **_: Fraction) -> Jet:
    """x itself."""
    return x


def gelu_tanh(x: Jet) -> Jet:
    """x/2 (1 + tanh z) as x sigmoid(2 z), which does not cancel."""
    root = mp.sqrt(2 / mp.pi)
    return x * sigmoid((x + Fraction("0.044715") * x * x * x) * Jet(2 * root, mpf(0), mpf(0), mpf(0)))


HALF = Fraction(1, 2)
FUNCTIONS = {
    "relu": pieces(zero, 0, same),
    "maximum0": pieces(zero, 0, same),
    "leaky_relu": pieces(lambda x, negative_slope: negative_slope * x, 0, same),
    "prelu": pieces(lambda x, weight: weight * x, 0, same),
    "relu6": pieces(zero, 0, same, 6, lambda x: jet(6)),
    "threshold": pieces(lambda x, threshold, value: jet(value), "threshold", same),
    "clamp": pieces(lambda x, min, max: jet(min), "min", same, "max", lambda x, min, max: jet(max)),
    "hardtanh": pieces(lambda x, min, max: jet(min), "min", same, "max", lambda x, min, max: jet(max)),
    "abs": pieces(lambda x: -x, 0, same),
    "hardsigmoid": pieces(zero, -3, lambda x: Fraction(1, 6) * (x + 3), 3, lambda x: jet(1)),
    "hardswish": pieces(zero, -3, lambda x: Fraction(1, 6) * x * (x + 3), 3, same),
    "hardshrink": pieces(same, "-lambd", zero, "lambd", same),
    "softshrink": pieces(lambda x, lambd: x + lambd, "-lambd", zero, "lambd", lambda x, lambd: x - lambd),
    "elu": pieces(lambda x, alpha: alpha * expm1(x), 0, same),
    "selu": pieces(lambda x: SELU_SCALE * SELU_ALPHA * expm1(x), 0, lambda x: SELU_SCALE * x),
    "celu": pieces(lambda x, alpha: alpha * expm1(1 / alpha * x), 0, same),
    "gelu": pieces(lambda x: HALF * x * erfc(x * Jet(-1 / mp.sqrt(2), mpf(0), mpf(0), mpf(0)))),
    "gelu_tanh": pieces(gelu_tanh),
    "quick_gelu": pieces(lambda x: x * sigmoid(Fraction("1.702") * x)),
    "silu": pieces(lambda x: x * sigmoid(x)),
    "mish": pieces(lambda x: x * tanh(softplus(x))),
    "sigmoid": pieces(sigmoid),
    "logsigmoid": pieces(lambda x: -softplus(-x)),
    "softplus": pieces(lambda x, beta: 1 / beta * softplus(beta * x)),
    "tanh": pieces(tanh),
    "tanhshrink": pieces(lambda x: x - tanh(x)),
    "softsign": pieces(lambda x: x * inverse(-x + 1), 0, lambda x: x * inverse(x + 1)),
    "squareplus": pieces(lambda x, b: HALF * (x + sqrt(x * x + b))),
    "exp": pieces(exp),
    "expm1": pieces(expm1),
    "log1p": pieces(log1p),
    "erf": pieces(erf),
    "erfc": pieces(erfc),
}
"""Every catalogued function but conversions; softplus_threshold is below, since its breakpoint is a quotient."""


def definition(name: str, params: dict[str, Fraction]) -> tuple[list[Fraction], list[Piece]] | None:
    """Breakpoints and pieces; None for what is not written out here."""
    if name == "softplus_threshold":
        at = params["threshold"] / params["beta"]
        return [at], [lambda x, beta, threshold: 1 / beta * softplus(beta * x), same]
    return FUNCTIONS[name](params) if name in FUNCTIONS else None


# -- judging -------------------------------------------------------------------------------------------


def derivatives(name: str, params: dict[str, Fraction], x: Fraction) -> list[Fraction] | None:
    """f and three derivatives at x as fractions; None at a breakpoint, whose derivatives are a convention, and off the
    domain.
    """
    defined = definition(name, params)
    if defined is None or (name == "log1p" and x <= -1):
        return None
    at, parts = defined
    if x in at:
        return None
    part = parts[sum(x > b for b in at)]
    size = abs(exponent(x)) if x else 1
    precision = 200 + 3 * size  # x^3 beside 1, or the reverse, loses no more than that
    found = []
    for bits in (precision, precision + precision // 2):
        with mpmath.workprec(bits):
            found.append([fraction(v) for v in part(Jet(real(x), mpf(1), mpf(0), mpf(0)), **params).d])
    for one, two in zip(*found, strict=True):
        if abs(one - two) > abs(two) / 2**90:
            raise ArithmeticError(f"{name} at {x}: two precisions differ")
    return found[1]


@dataclass(frozen=True)
class Verdict:
    """What one result is worth."""

    due: Fraction | str
    u: Fraction | None
    m: Fraction | None
    breaks: bool
    """The contract."""
    excused: bool
    """By the framework's flushing of subnormal numbers."""


def judge(name: str, params: dict[str, Fraction], fmt: Binary, order: int, x: Fraction, got: Fraction | str,
          flushes: bool) -> Verdict | None:  # fmt: skip
    """The verdict of ``stable`` on the result ``got`` for f^(order)(x); None where no single value is due."""
    d = derivatives(name, params, x)
    if d is None:
        return None
    y, due = d[order], fmt.rounded(d[order])
    flushed = flushes and may_be_flushed(name, params, fmt, order, x, y, got)
    if got == "nan":
        return Verdict(due, None, None, True, False)
    if got == due:
        u = abs(got - y) / fmt.quantum(y) if isinstance(got, Fraction) else Fraction(0)
        m = abs(got - y) / (fmt.quantum(y) + abs(d[order + 1]) * fmt.quantum(x)) if isinstance(got, Fraction) else u
        return Verdict(due, u, m, m > BOUNDS[fmt.width][order], flushed)
    infinite = isinstance(got, str)  # where a number is due: a wrong class, however near
    if isinstance(got, str):
        got = Fraction(2) ** (fmt.greatest_exponent + 1) * (1 if got == "inf" else -1)
    error = abs(got - y)
    u, m = error / fmt.quantum(y), error / (fmt.quantum(y) + abs(d[order + 1]) * fmt.quantum(x))
    return Verdict(due, u, m, infinite or m > BOUNDS[fmt.width][order], flushed)


def may_be_flushed(name: str, params: dict[str, Fraction], fmt: Binary, order: int, x: Fraction, y: Fraction,
                   got: Fraction | str) -> bool:  # fmt: skip
    """Whether 0 in place of a subnormal result or of a subnormal input explains ``got``."""
    least = Fraction(2) ** fmt.least_exponent
    if got == 0 and abs(y) < least:
        return True
    if 0 < abs(x) < least:
        d = derivatives(name, params, Fraction(0))
        if d is None:  # a kink at 0
            return True
        return isinstance(got, Fraction) and abs(got - d[order]) <= BOUNDS[fmt.width][order] * fmt.quantum(d[order])
    return False


# -- the file ------------------------------------------------------------------------------------------


def exact(value: object) -> Fraction:
    """A parameter as the results file means it: a number as it is, text as the decimal it writes."""
    return Fraction(value) if isinstance(value, int | float | str) else Fraction(str(value))


def patterns(text: str, width: int) -> list[int]:
    """Bit patterns from base64 of little-endian integers."""
    data, size = base64.b64decode(text), width // 8
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]


def near(stated: float | None, found: Fraction | None) -> bool:
    """Whether a figure of the file is the one found here."""
    if stated is None or found is None:
        return stated is None and found is None
    return abs(float(min(found, GREATEST)) - stated) <= CLOSE * max(1.0, abs(stated))


def shown(value: Fraction | None) -> str:
    """A figure in ten digits."""
    return "infinite" if value is None else mpmath.nstr(real(value), 10)


class Judge:
    """Goes through the cells of one file; ``faults`` are the disagreements, in words."""

    def __init__(self, data: dict, sample: int, seed: int) -> None:
        self.data, self.sample, self.draw = data, sample, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []

    def cell(self, cell: dict) -> None:
        """One cell, if there is anything in it to be judged again."""
        if cell["format"] not in FORMATS or cell["contract"] != "stable" or cell["function"].startswith("to_"):
            return
        fmt = Binary(*FORMATS[cell["format"]])
        params = {k: exact(v) for k, v in cell["params"].items()}
        if definition(cell["function"], params) is None:
            return
        entry = self.data["run"]["backends"].get(f"{cell['backend']}:{cell['device']}", {})
        traits = entry.get("traits", {}).get(cell["format"], {})
        flushes = any(traits.get(t) for t in ("flushes_results", "zeros_inputs"))
        label = " ".join(map(str, (cell["implementation"], *cell["params"].items(), cell["backend"], cell["mode"],
                                   cell["format"], f"order {cell['order']}", cell["property"])))  # fmt: skip
        if cell["certificate"] and cell["property"] in ("accuracy", "special-values"):
            self.certificate(cell, fmt, params, flushes, label)
        if cell["status"] == "pass" and cell["property"] == "accuracy" and (cell["curve"] or {}).get("graph"):
            self.passes(cell, fmt, params, flushes, label)

    def certificate(self, cell: dict, fmt: Binary, params: dict[str, Fraction], flushes: bool, label: str) -> None:
        """What the certificate says of the worst input."""
        given = cell["certificate"]
        x, got, expected = (fmt.decode(int(given[k]["bits"], 16)) for k in ("input", "got", "expected"))
        if isinstance(x, str):
            return
        found = judge(cell["function"], params, fmt, cell["order"], x, got, flushes)
        if found is None:
            return
        self.done["certificates"] += 1
        where = f"{label} at {given['input']['bits']}"
        if found.due != expected:
            self.faults.append(f"{where}: due is {found.due}, the certificate expects {expected}")
        for name, mine in (("u", found.u), ("m", found.m)):
            if not near(given[name], mine):
                self.faults.append(f"{where}: {name} is {shown(mine)}, the certificate says {given[name]}")
        if not found.breaks and cell["property"] == "accuracy":
            self.faults.append(f"{where}: m = {shown(found.m)} keeps the contract, yet it is {cell['status']}")

    def passes(self, cell: dict, fmt: Binary, params: dict[str, Fraction], flushes: bool, label: str) -> None:
        """Some results of a cell that passed."""
        graph = cell["curve"]["graph"]
        rows = list(zip(patterns(graph["inputs"], fmt.width), patterns(graph["got"], fmt.width), strict=True))
        for bits, result in self.draw.sample(rows, min(self.sample, len(rows))):
            x, got = fmt.decode(bits), fmt.decode(result)
            if isinstance(x, str):
                continue
            found = judge(cell["function"], params, fmt, cell["order"], x, got, flushes)
            if found is None:
                continue
            self.done["results of passes"] += 1
            if found.breaks and not found.excused:
                self.faults.append(f"{label} at {bits:#x}: passes with m = {shown(found.m)}")


def main() -> int:
    """Judge one file again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results")
    parser.add_argument("--sample", type=int, default=20, help="results of each passing cell; default 20")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--function", action="append", help="judge these alone; repeatable")
    asked = parser.parse_args()
    data = json.loads(Path(asked.results).read_text("utf-8"))
    judging = Judge(data, asked.sample, asked.seed)
    for cell in data["cells"]:
        if not asked.function or cell["function"] in asked.function:
            judging.cell(cell)
    print("\n".join(judging.faults[:50]))
    counts = ", ".join(f"{n:,} {what}" for what, n in judging.done.items())
    print(f"judged again: {counts or 'nothing'}; {len(judging.faults):,} disagreements")
    return 1 if judging.faults else 0 if judging.done else 2


if __name__ == "__main__":
    sys.exit(main())
