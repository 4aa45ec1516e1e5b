"""Do the oracle's routes agree? mpmath against arb, the filters against arb, on 1,000,000 inputs a function.

    python benchmarks/oracle_agreement.py [--points N] [--function NAME ...] [--into FILE] [--processes P] [--seed S]

Inputs: half are float64, half float32; up to a fifth landmarks with their neighbours, a tenth around the roots of f,
f' and f'', a third numbers of ordinary size and tails, the rest spread evenly over all ordinals.

Routes: mpmath's f, f' and f'' against arb's enclosures; in pieces that are rational throughout the exact route's
fractions, which must lie in the enclosures, with no tolerance. A *gap* is the distance of mpmath's value from the
enclosure in float64 quanta of the value. arb's precision is doubled until the enclosure is narrower than 2^-10
quanta; mpmath's until the gap is below 2^-8 quanta, as the oracle does it. Past 16,384 bits the first is undecided,
the second a disagreement. A disagreement that the oracle itself meets is counted as one.

Filters: every ball that a filter gives for f to f''' must hold arb's enclosure; a ball that does not, at any
precision, is *exceeded*. ``error/radius`` is the largest distance of a centre from the true value, as a share of the
radius: 1 is the limit. ``references`` are the rows of ``Oracle.references`` that filters decided, which claim 2^-10
quanta of the format.

With ``--into``, one JSON line per function is appended to a file as soon as the function is done, and functions that
the file holds already, for the same arguments, versions and sources, are not run again: a killed run goes on where it
stopped. Prints Markdown tables (progress goes to the error stream); exits with 1 if anything disagrees or is exceeded.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import mpmath.libmp
import numpy as np
from flint import arb, arb_series, fmpq

import gradproof
from gradproof.errors import OracleDisagreement
from gradproof.formats import FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.oracle import Oracle, arb_route, balls, exact_route, mpmath_route
from gradproof.oracle.certify import AGREEMENT, GUARD_BITS, PRECISION_CAP, RESOLUTION
from gradproof.oracle.reference import BY_FILTER, FINITE
from gradproof.oracle.series import ORDERS, Series
from gradproof.strategies import landmark_bits

LEAST: Final = math.ulp(0.0)
EXAMPLES: Final = 20
"""Failures of a function that are kept in words."""
JUDGED: Final = 3
"""Orders in which the routes are compared: f, f', f''."""
CHUNK: Final = 5000
NEIGHBOURS: Final = 64
"""Neighbours of a landmark on either side that count as structured inputs."""
ARB_BITS: Final = 160
"""arb's first precision: it must tell a double-double ball's radius from the ball's error."""
MPMATH_BITS: Final = FLOAT64.precision + GUARD_BITS
ROOTS_WITHIN: Final = 12.0
PACKAGES: Final = ("mpmath", "python-flint", "numpy")

Floats = fa.Floats


@dataclass
class Containment:
    """How the balls of one filter compare with arb's enclosures."""

    balls: int = 0
    exceeded: int = 0
    given_up: int = 0
    """Lanes without a finite ball."""
    largest: float = 0.0
    """Largest error as a share of the radius."""

    def add(self, other: Containment) -> None:
        """Add the counts of another chunk."""
        self.balls += other.balls
        self.exceeded += other.exceeded
        self.given_up += other.given_up
        self.largest = max(self.largest, other.largest)


@dataclass
class Tally:
    """What came of some inputs of one function."""

    inputs: int = 0
    compared: int = 0
    again: int = 0
    """Comparisons for which mpmath needed more than its first precision."""
    undecided: int = 0
    worst: list[float] = field(default_factory=lambda: [0.0] * JUDGED)
    """Largest accepted gap by order, in float64 quanta."""
    bits: int = 0
    """Highest working precision used."""
    seconds: float = 0.0
    """Processor time."""
    filters: dict[str, Containment] = field(default_factory=dict)
    offered: dict[str, int] = field(default_factory=dict)
    """Reference rows by format."""
    decided: dict[str, int] = field(default_factory=dict)
    """Those among them that filters decided."""
    failed: int = 0
    """Comparisons in which routes disagree, and exceeded balls."""
    examples: list[str] = field(default_factory=list)
    """The first of them, in words."""

    def fail(self, line: str) -> None:
        """Count a failure."""
        self.failed += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(line)

    def add(self, other: Tally) -> None:
        """Add the counts of another chunk."""
        for name in ("inputs", "compared", "again", "undecided", "seconds", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst = [max(a, b) for a, b in zip(self.worst, other.worst, strict=True)]
        self.bits = max(self.bits, other.bits)
        for name, containment in other.filters.items():
            self.filters.setdefault(name, Containment()).add(containment)
        for mine, theirs in ((self.offered, other.offered), (self.decided, other.decided)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.examples = (self.examples + other.examples)[:EXAMPLES]

    @classmethod
    def of(cls, record: dict[str, Any]) -> Tally:
        """The tally of a JSON line."""
        filters = {name: Containment(**counts) for name, counts in record["filters"].items()}
        return cls(**{**record, "filters": filters})


# -- inputs --------------------------------------------------------------------------------------------------


def inputs(function: Function, fmt: Format, count: int, seed: int) -> fa.Bits:
    """``count`` different finite inputs inside the domain, in random order."""
    rng = np.random.default_rng([seed, fmt.width])
    low, high = (float(end) for end in function.ends)

    def admitted(bits: fa.Bits) -> fa.Bits:
        x = fa.values(bits, fmt)
        return np.unique(bits[np.isfinite(x) & (x > low) & (x < high)])

    marks = rng.permutation(admitted(landmark_bits(function, fmt, NEIGHBOURS)))[: count // 5]
    scales = [rng.normal(0, 2, count // 6), rng.uniform(-100, 100, count // 12), rng.uniform(-760, 760, count // 12)]
    ordinary = fa.round_values(np.concatenate(scales), fmt)
    chosen = admitted(np.concatenate([marks, ordinary, near_roots(function, fmt, count // 10, rng)]))
    while chosen.size < count:
        more = rng.integers(-fmt.max_bits, fmt.max_bits, count - chosen.size, endpoint=True)
        chosen = admitted(np.concatenate([chosen, fa.from_ordinals(more, fmt)]))
    return rng.permutation(chosen)[:count]


def near_roots(function: Function, fmt: Format, count: int, rng: np.random.Generator) -> fa.Bits:
    """Inputs around the roots of f, f' and f'', most of them close: distances are log-uniform in ordinals."""
    found = fa.ordinals(fa.round_values(np.array(sorted(roots(function)), dtype=np.float64), fmt), fmt)
    if not found.size:
        return np.array([], dtype=fa.storage(fmt))
    steps = np.exp2(rng.uniform(0, fmt.precision - 1, count)).astype(np.int64) * rng.choice(
        [-1, 0, 1], count, p=[0.49, 0.02, 0.49]
    )
    return fa.from_ordinals(np.clip(rng.choice(found, count) + steps, -fmt.max_bits, fmt.max_bits), fmt)


def roots(function: Function) -> set[float]:
    """Neighbours of the sign changes of f, f' and f'' within ``ROOTS_WITHIN`` of 0, inside smooth pieces."""
    found: set[float] = set()
    low, high = (float(end) for end in function.ends)
    grid = [x for x in np.linspace(-ROOTS_WITHIN, ROOTS_WITHIN, 258).tolist() if low < x < high]
    for a, b in pairwise(grid):
        piece = function.piece_at(Fraction(a))
        if piece != function.piece_at(Fraction(b)):
            continue
        for order in range(JUDGED):
            if _sign(function, piece, a, order) * _sign(function, piece, b, order) < 0:
                found.add(_bisected(function, piece, a, b, order))
    return found


def _bisected(function: Function, piece: int, a: float, b: float, order: int) -> float:
    side = _sign(function, piece, a, order)
    while (middle := (a + b) / 2) not in (a, b):
        a, b = (middle, b) if _sign(function, piece, middle, order) == side else (a, middle)
    return a


def _sign(function: Function, piece: int, x: float, order: int) -> int:
    ends = arb_route.enclosures(function, piece, Fraction(x), 256)[order]
    return 0 if ends is None or ends[0].man * ends[1].man <= 0 else 1 if ends[0].man > 0 else -1


# -- routes --------------------------------------------------------------------------------------------------


class Routes:
    """The evaluation of one piece by each route, without a ``Fraction`` or ``Dyadic`` in between."""

    def __init__(self, function: Function, piece: int) -> None:
        self.function, self.piece = function, piece
        self.definition = function.pieces[piece]
        self.rational = exact_route.is_rational(function, piece)
        self._arb_params: dict[int, dict[str, Any]] = {}
        self._mp_params: dict[int, dict[str, Any]] = {}

    def arb(self, x: float, bits: int) -> list[Any]:
        """arb's enclosures of f to f'''; the caller holds the precision."""
        params = self._arb_params.get(bits)
        if params is None:
            params = self._arb_params[bits] = {k: arb_route.number(v) for k, v in self.function.exact_params.items()}
        series = self.definition(arb_route.CONTEXT, arb_series([arb(x), 1], prec=ORDERS), **params)
        if not isinstance(series, arb_series):
            return [arb_route.number(series), arb(0), arb(0), arb(0)]
        if series.prec < ORDERS:
            return [arb("nan")] * ORDERS
        return [series[0], series[1], 2 * series[2], 6 * series[3]]

    def mpmath(self, x: float, bits: int) -> list[Any]:
        """mpmath's f, f' and f''."""
        scalars, context = mpmath_route._SCALARS, mpmath_route._CONTEXT
        with scalars.mp.workprec(bits):
            params = self._mp_params.get(bits)
            if params is None:
                params = self._mp_params[bits] = {k: scalars.real(v) for k, v in self.function.exact_params.items()}
            series = self.definition(context, Series.variable(scalars.mp.mpf(x), JUDGED), **params)
            coefficients = series.c if isinstance(series, Series) else [series, 0, 0]
            return [scalars.mp.convert(c * (2 if k == 2 else 1)) for k, c in enumerate(coefficients)]

    def exact(self, x: float) -> list[Fraction | None]:
        """The exact route's f, f' and f''."""
        return exact_route.derivatives(self.function, self.piece, Fraction(x))[:JUDGED]


def quantum(value: Any) -> float:
    """The float64 quantum of a ball's centre; infinite beyond float64."""
    size = abs(float(value.mid()))
    return math.ulp(size) if math.isfinite(size) else math.inf


def in_quanta(size: Any, value: Any) -> float:
    """A non-negative arb number in float64 quanta of ``value``."""
    unit = quantum(value)
    if math.isfinite(unit):
        return float(size) / unit
    return float(size / abs(value.mid())) * 2.0 ** (FLOAT64.precision - 1)


def is_narrow(value: Any) -> bool:
    """Whether an enclosure is known to 2^-10 float64 quanta."""
    if value.rel_accuracy_bits() > FLOAT64.precision + RESOLUTION:
        return True
    return bool(value.is_finite()) and in_quanta(value.rad(), value) < 2.0**-RESOLUTION


# -- filters -------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """One filter's balls of one order: the value lies within ``rad`` of ``hi + lo``, both times 2^``exponent``.

    Arrays of shape (n,).
    """

    hi: Floats
    lo: Floats
    rad: Floats
    exponent: fa.Ints


Filter = Callable[[Function, int, Floats], list[Claim]]


def _balls(function: Function, piece: int, x: Floats) -> list[Claim]:
    none = np.zeros(x.shape, dtype=np.int64)
    return [Claim(ball.mid, np.zeros_like(x), ball.rad, none) for ball in balls.derivatives(function, piece, x)]


def _doubles(function: Function, piece: int, x: Floats) -> list[Claim]:
    from gradproof.oracle import doubles

    none = np.zeros(x.shape, dtype=np.int64)
    return [Claim(ball.hi, ball.lo, ball.rad, none) for ball in doubles.derivatives(function, piece, x, orders=ORDERS)]


def filters() -> dict[str, Filter]:
    """The filters that this version of the package has."""
    found: dict[str, Filter] = {"balls": _balls}
    if importlib.util.find_spec("gradproof.oracle.doubles"):
        found["doubles"] = _doubles
    return found


def reference_claims(function: Function, bits: fa.Bits, fmt: Format, tally: Tally) -> list[Claim]:
    """What ``Oracle.references`` claims where a filter decided; elsewhere the radius is infinite."""
    claims = []
    for reference in Oracle(function).references(bits, fmt):
        by_filter = (reference.how == BY_FILTER) & (reference.kind == FINITE)
        tally.offered[fmt.name] = tally.offered.get(fmt.name, 0) + len(reference)
        tally.decided[fmt.name] = tally.decided.get(fmt.name, 0) + int(by_filter.sum())
        unit = reference.quantum_exponents(fmt)
        exponent = np.where(reference.high == 0, unit, reference.exponent)
        rad = np.ldexp(2.0**-RESOLUTION, np.clip(unit - exponent, -1000, 900).astype(np.int32))
        overflowing = exponent > fmt.e_max + 1  # clamped: all that counts there is the rounding to infinity
        claims.append(Claim(reference.high, reference.low, np.where(by_filter & ~overflowing, rad, np.inf), exponent))
    return claims


def error(value: Any, hi: float, lo: float, exponent: int) -> Any:
    """Upper bound of the distance of an enclosed value from ``hi + lo``, in units of 2^``exponent``."""
    scaled = value * arb(2) ** -exponent if exponent else value
    return ((scaled - hi) - lo if lo else scaled - hi).abs_upper()


# -- one chunk -----------------------------------------------------------------------------------------------


class Chunk:
    """Some inputs of one function in one format, compared."""

    def __init__(self, name: str, fmt: Format, bits: fa.Bits) -> None:
        self.name, self.function, self.tally = name, get_function(name), Tally()
        began = time.process_time()
        x = fa.values(bits, fmt)
        pieces = np.array([self.function.piece_at(Fraction(value)) for value in x.tolist()])
        try:
            rows = reference_claims(self.function, bits, fmt, self.tally)
        except OracleDisagreement as disagreement:  # the oracle's own cross-check came first
            self.tally.fail(str(disagreement))
            rows = []
        for piece in np.unique(pieces).tolist():
            lanes = np.flatnonzero(pieces == piece)
            claims = {key: filter_(self.function, piece, x[lanes]) for key, filter_ in filters().items()}
            claims["references"] = [Claim(*(column[lanes] for column in claim)) for claim in rows]
            self._compare(Routes(self.function, piece), x[lanes].tolist(), claims)
        self.tally.seconds = time.process_time() - began

    def _compare(self, routes: Routes, xs: list[float], claims: dict[str, list[Claim]]) -> None:
        plain = {k: [tuple(zip(*(c.tolist() for c in claim), strict=True)) for claim in v] for k, v in claims.items()}
        for i, x in enumerate(xs):
            values, bits = self._enclosed(routes, x)
            with arb_route.working(bits):
                self._routes(routes, x, values, bits)
                for key, orders in plain.items():
                    for order, lanes in enumerate(orders):
                        self._contained(key, routes, x, order, values[order], lanes[i])

    def _enclosed(self, routes: Routes, x: float) -> tuple[list[Any], int]:
        """arb's enclosures at the first precision at which f, f' and f'' are narrow, or at the last."""
        bits = ARB_BITS
        while True:
            with arb_route.working(bits):
                values = routes.arb(x, bits)
                if 2 * bits > PRECISION_CAP or all(is_narrow(value) for value in values[:JUDGED]):
                    return values, bits
            bits *= 2

    def _routes(self, routes: Routes, x: float, values: list[Any], bits: int) -> None:
        tally = self.tally
        tally.inputs += 1
        tally.bits = max(tally.bits, bits)
        others = routes.exact(x) if routes.rational else routes.mpmath(x, MPMATH_BITS)
        for order, other in enumerate(others):
            value = values[order]
            if other is None or not is_narrow(value):
                tally.undecided += 1
                continue
            tally.compared += 1
            gap = self._gap(value, other)
            if routes.rational:
                accepted = gap == 0
            else:
                gap = self._settled(routes, x, order, value, gap)
                accepted = gap <= 2.0**-AGREEMENT
            if accepted:
                tally.worst[order] = max(tally.worst[order], gap)
            else:
                tally.fail(f"{self._where(x, order)}: routes {gap:.3g} quanta apart")

    def _settled(self, routes: Routes, x: float, order: int, value: Any, gap: float) -> float:
        """The gap once mpmath's precision is high enough, or at the cap."""
        bits = MPMATH_BITS
        self.tally.again += gap > 2.0**-AGREEMENT
        while gap > 2.0**-AGREEMENT and 2 * bits <= PRECISION_CAP:
            bits *= 2
            self.tally.bits = max(self.tally.bits, bits)
            gap = self._gap(value, routes.mpmath(x, bits)[order])
        return gap

    def _gap(self, value: Any, other: Any) -> float:
        """Distance of a number from an enclosure, in float64 quanta."""
        point = arb(fmpq(other.numerator, other.denominator)) if isinstance(other, Fraction) else arb(other)
        distance = (value - point).abs_lower()
        return max(in_quanta(distance, value), LEAST) if distance > 0 else 0.0

    def _contained(self, key: str, routes: Routes, x: float, order: int, value: Any, lane: tuple[Any, ...]) -> None:
        counts = self.tally.filters.setdefault(key, Containment())
        hi, lo, rad, exponent = lane
        if not (math.isfinite(rad) and math.isfinite(hi)):
            counts.given_up += 1
            return
        counts.balls += 1
        distance = error(value, hi, lo, exponent)
        if not distance <= rad:
            distance = self._closer(routes, x, order, lane)
        if distance <= rad:
            counts.largest = max(counts.largest, float(distance) / rad if rad else 0.0)
        else:
            counts.exceeded += 1
            self.tally.fail(f"{self._where(x, order)}: {key} off by {distance.str(3, radius=False)}, radius {rad:.3g}")

    def _closer(self, routes: Routes, x: float, order: int, lane: tuple[Any, ...]) -> Any:
        """The error of a ball that seems exceeded, with more and more precision: the enclosure may be the wide one."""
        hi, lo, rad, exponent = lane
        bits = ARB_BITS
        while True:
            bits *= 4
            with arb_route.working(bits):
                distance = error(routes.arb(x, bits)[order], hi, lo, exponent)
                if distance <= rad or 4 * bits > PRECISION_CAP:
                    return distance

    def _where(self, x: float, order: int) -> str:
        return f"{self.name}, order {order}, x = {x.hex()}"


def compare(name: str, fmt_name: str, bits: fa.Bits) -> Tally:
    """The tally of one chunk, for a worker process."""
    return Chunk(name, FORMATS[fmt_name], bits).tally


# -- a run ---------------------------------------------------------------------------------------------------


def compared(pool: ProcessPoolExecutor, name: str, points: int, seed: int) -> Tally:
    """The tally of one function."""
    total, jobs = Tally(), []
    for fmt in (FLOAT64, FLOAT32):
        bits = inputs(get_function(name), fmt, -(-points // 2), seed)
        parts = np.array_split(bits, max(1, -(-bits.size // CHUNK)))
        jobs += [pool.submit(compare, name, fmt.name, part) for part in parts]
    for job in jobs:
        total.add(job.result())
    return total


def key(points: int, seed: int) -> dict[str, Any]:
    """What a stored line must have in common with this run, besides its function."""
    digest = hashlib.sha256()
    root = Path(gradproof.__file__).parent
    for folder in ("formats", "functions", "oracle", "strategies"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    versions = {package: version(package) for package in PACKAGES}
    return {"points": points, "seed": seed, "sources": digest.hexdigest(), **versions}


def stored(into: Path | None, wanted: dict[str, Any]) -> Iterator[tuple[str, Tally]]:
    """The functions that a file holds for the same ``key``; a line cut short is passed over."""
    if into is None or not into.exists():
        return
    for line in into.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record["key"] == wanted:
            yield record["function"], Tally.of(record["tally"])


def keep(into: Path, wanted: dict[str, Any], name: str, tally: Tally) -> None:
    """Append one function's line, on a line of its own even behind one that was cut short."""
    text = json.dumps({"function": name, "key": wanted, "tally": asdict(tally)})
    cut = into.exists() and not into.read_bytes().endswith(b"\n") and into.stat().st_size > 0
    with into.open("a", encoding="utf-8") as file:
        file.write(("\n" if cut else "") + text + "\n")
        file.flush()
        os.fsync(file.fileno())


def tables(tallies: dict[str, Tally]) -> Iterator[str]:
    """Two Markdown tables: the routes, the filters."""
    yield "| function | inputs | comparisons | largest gap: f | f' | f'' | again | bits | undecided | CPU s |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for name, t in tallies.items():
        gaps = " | ".join(f"{gap:.1e}" if gap else "0" for gap in t.worst)
        yield (
            f"| {name} | {t.inputs} | {t.compared} | {gaps} | {t.again} | {t.bits} | {t.undecided} | {t.seconds:.0f} |"
        )
    names = list(dict.fromkeys(name for t in tallies.values() for name in t.filters))
    yield ""
    yield (
        "| function | " + " | ".join(f"{n}: values | exceeded | error/radius" for n in names) + " | float32 | float64 |"
    )
    yield "|---|" + "---:|" * (3 * len(names) + 2)
    for name, t in tallies.items():
        cells = []
        for filter_name in names:
            c = t.filters.get(filter_name, Containment())
            cells += [f"{c.balls}", f"{c.exceeded}", f"{c.largest:.3f}"]
        for fmt in (FLOAT32, FLOAT64):
            offered = t.offered.get(fmt.name, 0)
            cells.append(f"{t.decided.get(fmt.name, 0) / offered:.1%}" if offered else "-")
        yield f"| {name} | " + " | ".join(cells) + " |"


def environment() -> str:
    """Processor and versions, for the record."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    backend = mpmath.libmp.BACKEND
    return (
        f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}, mpmath on {backend} integers"
    )


def main() -> int:
    """Run the comparison; 1 if any input disagrees or any ball is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=1_000_000, help="inputs per function")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--function", nargs="*", default=[f.name for f in CATALOGUE])
    parser.add_argument("--into", type=Path, help="file of JSON lines to append to and to go on from")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.perf_counter()
    wanted = key(arguments.points, arguments.seed)
    done = dict(stored(arguments.into, wanted))
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in arguments.function:
            if name not in done:
                done[name] = compared(pool, name, arguments.points, arguments.seed)
                if arguments.into is not None:
                    keep(arguments.into, wanted, name, done[name])
                print(f"{name}: {done[name].failed} failures, {done[name].seconds:.0f} s", file=sys.stderr)
    tallies = {name: done[name] for name in arguments.function}
    print("\n".join(tables(tallies)))
    failed = sum(tally.failed for tally in tallies.values())
    processor = sum(tally.seconds for tally in tallies.values())
    print(f"\n{environment()}; {arguments.processes} processes.")
    print(f"{time.perf_counter() - began:.0f} s for this run, {processor:.0f} s of processor time in all.")
    print(f"Disagreements and exceeded balls: {failed}.")
    for tally in tallies.values():
        for line in tally.examples[:3]:
            print(f"- {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
