"""How large an error the guided search finds, against random search with as many inputs evaluated.

    python benchmarks/guided_search.py [--function NAME ...] [--backend ID ...] [--format NAME ...] [--order N ...]
                                       [--points N] [--advantage K] [--seeds N] [--metric u|m|abs] [--known FILE]

Three searches for the input with the largest error: the guided one; uniform random search over all finite ordinals;
and random search with the same number of inputs in every binade. Each evaluates the same number of inputs, by the
implementation and by the oracle; the largest errors of each are measured again by the certified route. Per function,
order and backend: the median over the seeds of what each found, how often the guided search found at least as much as
the better of the two others, and seconds. Inputs near roots cost the oracle more, so equal numbers of inputs are not
equal times: ``--advantage 4`` gives the random searches four times as many. ``--known`` is a JSON file of true maxima
from exhaustive sweeps of float32, with keys such as "torch:cpu silu float32 0"; the guided result is then also given
as a share of it.

The search was tuned on other functions (mish, erfc, log1p, tanhshrink, gelu_tanh, quick_gelu, squareplus) and seeds
than those shown by default.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gradproof.backends import get_backend
from gradproof.backends.base import Implementation
from gradproof.formats import get_format
from gradproof.formats.arrays import Ints
from gradproof.functions import get_function
from gradproof.sweep.guided.search import BATCH, METRICS, Search, subject

FUNCTIONS = ("silu", "tanh", "softplus", "gelu", "elu", "erf", "expm1", "logsigmoid")
FIRST_SEED = 11
Draw = Callable[[Search, int], Ints]


def uniform(search: Search, count: int) -> Ints:
    """Ordinals from all finite ones alike."""
    limit = search.format.max_bits
    drawn: Ints = search.rng.integers(-limit, limit, count, endpoint=True)
    return drawn


def stratified(search: Search, count: int) -> Ints:
    """Random ordinals, each binade having its turn."""
    binades = search.binades
    regions = (search.used + np.arange(count)) * 1021 % binades.count
    within = search.format.precision - 1
    size = (regions % binades.fields << within) + search.rng.integers(0, 1 << within, count)
    drawn: Ints = np.where(regions >= binades.fields, -size, size)
    return drawn


def spend(search: Search, points: int, draw: Draw | None) -> None:
    """Evaluate ``points`` inputs: guided without ``draw``."""
    if draw is None:
        search.begin(points)
        return
    while search.used < points:
        at = draw(search, min(BATCH, points - search.used))
        origin = np.zeros(at.size, np.int64)
        batch = search.measure(at, origin)
        search.climber.add(batch.at, batch.error, origin)


METHODS: dict[str, Draw | None] = {"guided": None, "uniform": uniform, "stratified": stratified}


def measured(
    implementation: Implementation, backend: str, fmt: str, order: int, arguments: argparse.Namespace
) -> dict[str, list[tuple[float, float]]]:
    """Per method the certified error and the seconds of each seed."""
    function = get_function(implementation.function, implementation.params)
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds):
        for name, draw in METHODS.items():
            probe = subject(
                function, backend, implementation, get_format(fmt), order, "eager", arguments.points, arguments.metric
            )
            search = Search(probe, order, arguments.metric, seed)
            began = time.perf_counter()
            points = arguments.points * (arguments.advantage if draw else 1)
            spend(search, points, draw)
            found = search.found(points, seed)
            rows[name].append((found.error, time.perf_counter() - began))
    return rows


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """The table's rows."""
    known = json.loads(arguments.known.read_text()) if arguments.known else {}
    for fmt in arguments.format:
        for backend in arguments.backend:
            for name in arguments.function:
                offered = [i for i in get_backend(backend).catalogue() if i.function == name]
                for implementation, order in ((i, o) for i in offered[:1] for o in arguments.order):
                    rows = measured(implementation, backend, fmt, order, arguments)
                    yield line(f"{backend} {name} {fmt} {order}", rows, known)


def line(subject_: str, rows: dict[str, list[tuple[float, float]]], known: dict[str, float]) -> str:
    """One row of the table; medians over the seeds."""
    medians = {name: statistics.median(error for error, _ in found) for name, found in rows.items()}
    seconds = {name: statistics.median(taken for _, taken in found) for name, found in rows.items()}
    wins = sum(
        g[0] >= max(u[0], s[0]) for g, u, s in zip(rows["guided"], rows["uniform"], rows["stratified"], strict=True)
    )
    largest = known.get(subject_)
    share = "-" if not largest else f"{medians['guided'] / largest:.1%} of {largest:.4g}"
    return (
        f"| {subject_} | {medians['guided']:.4g} | {medians['uniform']:.4g} | {medians['stratified']:.4g} | "
        f"{wins}/{len(rows['guided'])} | {seconds['guided']:.1f} / {seconds['uniform']:.1f} | {share} |"
    )


def environment() -> str:
    """Processor and versions, for the record."""
    info = Path("/proc/cpuinfo")
    models = [text for text in info.read_text().splitlines() if text.startswith("model name")] if info.exists() else []
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    packages = ", ".join(f"{package} {version(package)}" for package in ("numpy", "python-flint", "mpmath"))
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--function", nargs="*", default=list(FUNCTIONS))
    parser.add_argument("--backend", nargs="*", default=["torch:cpu", "numpy:cpu"])
    parser.add_argument("--format", nargs="*", default=["float64"])
    parser.add_argument("--order", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--points", type=int, default=1 << 16, help="inputs evaluated by each search")
    parser.add_argument("--advantage", type=int, default=1, help="times as many for the random searches")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--metric", choices=list(METRICS), default="u")
    parser.add_argument("--known", type=Path, help="JSON file of true maxima")
    arguments = parser.parse_args()
    print(environment())
    for backend in arguments.backend:
        print(backend, ", ".join(f"{k} {v}" for k, v in get_backend(backend).versions().items()))
    more = f", {arguments.advantage} times as many for the random searches" if arguments.advantage > 1 else ""
    print(f"{arguments.points:,} inputs each{more}; {arguments.seeds} seeds; metric {arguments.metric}\n")
    print("| subject | guided | uniform | stratified | guided >= both | seconds (guided / uniform) | of the maximum |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for text in lines(arguments):
        print(text, flush=True)


if __name__ == "__main__":
    main()
