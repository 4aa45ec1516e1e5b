"""An audit of the passes in a results file, by code that shares nothing with the oracle.

Every ``pass`` of ``accuracy`` in float32 and float64 is tried again on inputs of its own: two thirds spread evenly over
all ordinals, the rest over the sizes 2^-12 to 2^10, by a generator of its own. The functions are written out here in
mpmath, once more, with working precision that grows with what cancels; derivatives are closed forms. mpmath is slow
(some 50 us a value): of ``--inputs`` results of each cell it is asked about ``--exact``, evenly by their order on the
line; with as many as there are inputs every one is checked. A cell over the contract is printed with its worst
input; the exit status is the number of such cells, at most 100.

    python benchmarks/audit.py results.json --functions silu erf --inputs 100000 --exact 2000
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import mpmath
import numpy as np

from gradproof.backends import get_backend
from gradproof.backends.base import Call
from gradproof.formats import get_format

BOUNDS: Final = (4.0, 8.0, 8.0)
"""The contract ``stable``, in units of m."""
FORMATS: Final = {"float32": (np.float32, np.uint32, 24, -126), "float64": (np.float64, np.uint64, 53, -1022)}

mp = mpmath.mp

Real = Any
Piece = Callable[[Real], Real]


def _sigmoid(x: Real) -> Real:
    e = mp.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def _s1(x: Real) -> Real:
    e = mp.exp(-abs(x))
    return e / (1 + e) ** 2


def _s2(x: Real) -> Real:
    e = mp.exp(-abs(x))
    return -mp.sign(x) * e * (1 - e) / (1 + e) ** 3


def _phi(x: Real) -> Real:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def _cdf(x: Real) -> Real:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _bell(x: Real) -> Real:
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


def _sech2(x: Real) -> Real:
    e = mp.exp(-2 * abs(x))
    return 4 * e / (1 + e) ** 2


def _tanh(x: Real) -> Real:
    e = mp.expm1(-2 * abs(x))
    return mp.sign(x) * -e / (2 + e)


FUNCTIONS: Final[dict[str, tuple[Piece, Piece, Piece]]] = {
    "sigmoid": (_sigmoid, _s1, _s2),
    "softplus": (lambda x: max(x, 0) + mp.log1p(mp.exp(-abs(x))), _sigmoid, _s1),
    "logsigmoid": (lambda x: min(x, 0) - mp.log1p(mp.exp(-abs(x))), lambda x: _sigmoid(-x), lambda x: -_s1(x)),
    "silu": (
        lambda x: x * _sigmoid(x),
        lambda x: _sigmoid(x) + x * _s1(x),
        lambda x: 2 * _s1(x) + x * _s2(x),
    ),
    "tanh": (_tanh, _sech2, lambda x: -2 * _tanh(x) * _sech2(x)),
    "exp": (mp.exp, mp.exp, mp.exp),
    "expm1": (mp.expm1, mp.exp, mp.exp),
    "erf": (mp.erf, _bell, lambda x: -2 * x * _bell(x)),
    "erfc": (mp.erfc, lambda x: -_bell(x), lambda x: 2 * x * _bell(x)),
    "gelu": (
        lambda x: x * _cdf(x),
        lambda x: _cdf(x) + x * _phi(x),
        lambda x: (2 - x * x) * _phi(x),
    ),
    "softsign": (
        lambda x: x / (1 + abs(x)),
        lambda x: 1 / (1 + abs(x)) ** 2,
        lambda x: -2 * mp.sign(x) / (1 + abs(x)) ** 3,
    ),
    "hardswish": (
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x: mp.mpf(0) if x < -3 else mp.mpf(1) if x > 3 else (2 * x + 3) / 6,
        lambda x: mp.mpf(1) / 3 if -3 < x < 3 else mp.mpf(0),
    ),
    "hardsigmoid": (
        lambda x: min(max(x + 3, 0), 6) / 6,
        lambda x: mp.mpf(1) / 6 if -3 < x < 3 else mp.mpf(0),
        lambda x: mp.mpf(0),
    ),
    "relu": (lambda x: max(x, 0), lambda x: mp.mpf(x > 0), lambda x: mp.mpf(0)),
}
"""f, f' and f'' by name; what is not here is not audited, and the output says so."""
KINKS: Final = {"hardswish": (-3, 3), "hardsigmoid": (-3, 3), "relu": (0,), "softsign": (0,)}


def exact(name: str, order: int, x: float) -> Real:
    """f^(order) at one input with 120 bits to spare beyond what cancels: twice x's exponent, and e^-x's size."""
    size = abs(mpmath.frexp(x)[1]) if x else 0
    mp.prec = 200 + 3 * min(size, 1100) + (int(min(abs(x), 800) * 3) if abs(x) < 1e4 else 0)
    return +FUNCTIONS[name][order](mp.mpf(x))


def mixed_error(name: str, order: int, x: float, got: float, fmt: str) -> float:
    """m of one result, inf for one that is no number where a number is due."""
    _, _, p, e_min = FORMATS[fmt]
    y = exact(name, order, x)
    top = mp.mpf(2) ** (128 if fmt == "float32" else 1024)
    if abs(y) >= top * (1 - mp.mpf(2) ** -(p + 1)):
        return 0.0 if got == (np.inf if y > 0 else -np.inf) else float("inf")
    if not np.isfinite(got):
        return float("inf")

    def quantum(v: Real) -> Real:
        e = int(mp.floor(mp.log(abs(v), 2))) if v else -5000
        return mp.mpf(2) ** (max(e, e_min) - p + 1)

    slope = exact(name, order + 1, x) if order < 2 else mp.diff(FUNCTIONS[name][2], mp.mpf(x))
    return float(abs(mp.mpf(got) - y) / (quantum(y) + abs(slope) * quantum(mp.mpf(x))))


def inputs(fmt: str, count: int, seed: int) -> np.ndarray:
    """Finite inputs: two thirds evenly by ordinals, the rest evenly by ordinals of ordinary sizes."""
    kind, bits, *_ = FORMATS[fmt]
    rng = np.random.default_rng(seed)
    top = int(np.array(np.finfo(kind).max).view(bits))
    low, high = (int(np.array(v, kind).view(bits)) for v in (2.0**-12, 2.0**10))
    magnitudes = np.concatenate(
        [rng.integers(1, top, count * 2 // 3, endpoint=True), rng.integers(low, high, count - count * 2 // 3)]
    ).astype(bits)
    return magnitudes | (rng.integers(0, 2, count).astype(bits) << bits(8 * magnitudes.itemsize - 1))


def passes(results: dict[str, Any], wanted: list[str]) -> Iterator[dict[str, Any]]:
    """The cells to audit."""
    for cell in results["cells"]:
        passed = cell["property"] == "accuracy" and cell["status"] == "pass" and cell["format"] in FORMATS
        if passed and (not wanted or cell["function"] in wanted):
            yield cell


def audited(cell: dict[str, Any], count: int, asked: int, seed: int) -> tuple[float, float, int]:
    """The worst m over the bound, its input, and how many inputs mpmath was asked about."""
    name, fmt, order = cell["function"], cell["format"], cell["order"]
    kind = FORMATS[fmt][0]
    backend = get_backend(f"{cell['backend']}:{cell['device']}")
    own = next(
        i for i in backend.catalogue()
        if i.name == cell["implementation"] and i.specification.name == name
        and {k: str(v) for k, v in i.specification.params.items()} == {k: str(v) for k, v in cell["params"].items()}
    )  # fmt: skip
    bits = inputs(fmt, count, seed)
    call = Call(order=order, mode=cell["mode"], path=backend.paths(own)[0])
    got = backend.evaluate(own, bits, get_format(fmt), call).view(kind)
    x = bits.view(kind)
    traits = backend.traits(get_format(fmt))
    least = float(np.finfo(kind).tiny)
    rows = np.arange(count)
    if traits.flushes_results or traits.zeros_inputs:  # what flushing may excuse is left out
        rows = rows[(np.abs(x[rows]) >= least) & ((got[rows] != 0) | (np.abs(x[rows]) > 1e-30))]
    rows = rows[~np.isin(x[rows], KINKS.get(name, ()))]
    rows = rows[np.argsort(x[rows], kind="stable")]
    rows = rows[np.linspace(0, rows.size - 1, min(asked, rows.size)).astype(int)]
    worst, at = 0.0, float("nan")
    for i in rows:
        if traits.flushes_results and got[i] == 0 and abs(exact(name, order, float(x[i]))) < least:
            continue
        m = mixed_error(name, order, float(x[i]), float(got[i]), fmt) / BOUNDS[order]
        if m > worst:
            worst, at = m, float(x[i])
    return worst, at, rows.size


def main() -> int:
    """Print the cells over the contract."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--functions", nargs="*", default=[])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--exact", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    results = json.loads(Path(options.results).read_text("utf-8"))
    over, seen, left = 0, 0, set()
    for cell in passes(results, options.functions):
        if cell["function"] not in FUNCTIONS or cell["params"] not in ({}, {"beta": 1.0}, {"beta": "1"}):
            left.add(cell["function"])
            continue
        seen += 1
        worst, at, asked = audited(cell, options.inputs, options.exact, options.seed)
        if worst > 1:
            over += 1
            where = " ".join(str(cell[k]) for k in ("function", "backend", "mode", "format", "order"))
            print(f"{where}: {worst:.4g} times the bound at {at!r} ({asked} of {options.inputs} inputs by mpmath)")
    print(f"{seen} passes audited, {over} over the contract; not written out here: {', '.join(sorted(left)) or 'none'}")
    return min(over, 100)


if __name__ == "__main__":
    sys.exit(main())
