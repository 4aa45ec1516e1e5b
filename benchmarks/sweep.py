"""Every float32 input of a function and its derivative: seconds, memory, and what other ways would take.

    python benchmarks/sweep.py [--backend torch:cpu]... [--function silu]... [--order 0]... [--mode eager]
                               [--workers 2] [--bits LO..HI] [--catalogue]

For each function and order one complete sweep on so many worker processes, from an empty run folder: wall time, inputs
a second, the largest memory of one process. Goals on 2 cores: 60 s for order 0 and 150 s for order 1 on torch:cpu, and
less than 2 GiB. In the same run, on one core, what others do with the same outputs, in inputs a second on a sample:

- a loop over mpmath that computes the exact value alone, at 85 bits;
- NumPy: the value by the float64 formula, and the error in ulps, in blocks; no bound on what float64 gets wrong.

With ``--catalogue`` instead: nanoseconds of one core for an input, for every function and orders 0 to 2, from the
shards SOME, in this process; and what all of float32 would take.

A ratio is inputs a second of the sweep, divided by its workers, over those of the other way.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

import gradproof as gp
from gradproof.backends import get_backend
from gradproof.backends.base import Call
from gradproof.engine.surroundings.environment import environment
from gradproof.formats import FLOAT32
from gradproof.formats import arrays as fa
from gradproof.sweep.plan import shards

GOALS = {0: 60.0, 1: 150.0, 2: None}
"""Seconds for all of float32 on torch:cpu and 2 cores."""
MEMORY = 2 << 30
BLOCK = 1 << 16

NAIVE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "exp": np.exp,
    "relu": lambda x: np.maximum(x, 0),
}
"""What anybody would write in float64; NumPy has no erf, so GELU has only the mpmath loop."""
SOME = (0, 20, 50, 60, 61, 62, 63, 64, 65, 66, 67, 90, 120)
"""Shards of two binades each, of both signs, for ``--catalogue``: the busy ones and a few of the quiet others."""
LOOP_BITS = 85
LOOPS: dict[str, Callable[[Any, Any], Any]] = {
    "silu": lambda m, x: x / (1 + m.exp(-x)),
    "tanh": lambda m, x: m.tanh(x),
    "softplus": lambda m, x: m.log1p(m.exp(x)),
    "gelu": lambda m, x: x / 2 * m.erfc(-x / m.sqrt(2)),
}
"""The same in mpmath."""


@dataclass(frozen=True)
class Measured:
    """One sweep. ``rate`` is in inputs a second, ``memory`` the largest resident set of one process, in bytes."""

    backend: str
    function: str
    order: int
    seconds: float
    inputs: int
    memory: int
    status: str
    u: float | None

    @property
    def rate(self) -> float:
        """Inputs a second, all workers together."""
        return self.inputs / self.seconds


def sweep(backend: str, function: str, order: int, mode: str, workers: int, bits: str | None) -> Measured:
    """One sweep from an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = gp.run_sweep(
            function, backend=backend, order=order, mode=mode, workers=workers, bits=bits, folder=folder, fresh=True
        )
        seconds = time.perf_counter() - began
    (cell,) = result.cells
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024
    lo, hi = (int(end, 0) for end in bits.split("..")) if bits else (0, (1 << 32) - 1)
    return Measured(backend, function, order, seconds, hi - lo + 1, memory, cell.status, cell.u_max)


def rate(action: Callable[[], object], inputs: int) -> float:
    """Inputs a second, the better of two calls."""
    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - began)
    return inputs / best


def sampled(count: int) -> fa.Bits:
    """Random finite float32."""
    bits = np.random.default_rng(0).integers(0, 1 << 32, 2 * count, dtype=np.uint32)
    return bits[fa.is_finite(bits, FLOAT32)][:count]


def mpmath_loop(function: str, bits: fa.Bits) -> Callable[[], None]:
    """The value of every input at 85 bits, one after the other: no certificate, no error measured."""
    context = mpmath.mp.clone()
    context.prec = LOOP_BITS
    formula = LOOPS[function]
    inputs = [float(FLOAT32.value(int(pattern))) for pattern in bits]

    def loop() -> None:
        for x in inputs:
            formula(context, context.mpf(x))

    return loop


def naive_numpy(backend: str, function: str, bits: fa.Bits) -> Callable[[], None] | None:
    """The framework's value, the float64 formula, and the error in ulps of float32, block by block."""
    if function not in NAIVE:
        return None
    chosen = get_backend(backend)
    row = next(i for i in chosen.catalogue() if i.function == function)

    def loop() -> None:
        for start in range(0, bits.size, BLOCK):
            part = bits[start : start + BLOCK]
            got = chosen.evaluate(row, part, FLOAT32, Call())
            with np.errstate(all="ignore"):
                exact = NAIVE[function](part.view(np.float32).astype(np.float64))
                exponent = np.maximum(np.frexp(exact)[1] - 1, FLOAT32.e_min)
                error = np.abs(got.view(np.float32) - exact) / np.ldexp(1.0, exponent - FLOAT32.precision + 1)
                np.nanmax(error)

    return loop


def catalogue(backend: str, mode: str) -> None:
    """The cost of each function and order on one core."""
    from gradproof.errors import Unsupported
    from gradproof.sweep.judging.work import work
    from gradproof.sweep.targets import Wanted, plan

    names = dict.fromkeys(i.function for i in get_backend(backend).catalogue() if "convert" not in i.function)
    print("\n| function | order | ns for an input | core-seconds for all of float32 |\n|---|---:|---:|---:|")
    total = 0.0
    for name in names:
        try:
            jobs = plan(Wanted((name,), backends=(backend,), orders=(0, 1, 2), modes=(mode,))).jobs
        except gp.UsageError:
            continue
        for job in jobs:
            chosen = [s for s in shards(job.target, job.first, job.last) if (s.lo >> 24) % 128 in SOME]
            try:
                work(chosen[0])
            except Unsupported as gap:
                print(f"| {job.target.id} | {job.target.order} | unsupported: {gap} | |")
                continue
            began = time.process_time()
            for shard in chosen:
                work(shard)
            each = (time.process_time() - began) / sum(s.points for s in chosen)
            total += each * 2**32
            print(f"| {job.target.id} | {job.target.order} | {each * 1e9:.1f} | {each * 2**32:.0f} |", flush=True)
    print(f"\nall together: {total:,.0f} core-seconds ({total / 3600:.1f} core-hours)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append")
    parser.add_argument("--function", action="append")
    parser.add_argument("--order", action="append", type=int)
    parser.add_argument("--mode", default="eager")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bits")
    parser.add_argument("--catalogue", action="store_true")
    options = parser.parse_args()
    backends = options.backend or ["torch:cpu"]
    functions = options.function or ["silu", "tanh", "softplus", "gelu"]
    orders = options.order or [0, 1]

    seen = environment()
    print(", ".join(f"{name} {seen[name]}" for name in seen if seen[name]))
    for backend in backends:
        print(f"{backend}: {', '.join(f'{k} {v}' for k, v in get_backend(backend).versions().items())}")
    print(f"{options.workers} worker processes, mode {options.mode}, {options.bits or 'every bit pattern of float32'}")

    if options.catalogue:
        for backend in backends:
            catalogue(backend, options.mode)
        return
    found = []
    print(
        "\n| backend | function | order | seconds | goal | 10^6 inputs/s | memory of a process | largest u | status |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for backend in backends:
        for function in functions:
            for order in orders:
                m = sweep(backend, function, order, options.mode, options.workers, options.bits)
                found.append(m)
                goal = GOALS[order] if backend == "torch:cpu" and not options.bits else None
                verdict = "" if goal is None else f"{goal:.0f} {'met' if m.seconds <= goal else 'MISSED'}"
                print(
                    f"| {backend} | {function} | {order} | {m.seconds:.1f} | {verdict} | {m.rate / 1e6:.1f} "
                    f"| {m.memory / 2**20:.0f} MiB | {'infinite' if m.u is None else f'{m.u:.4g}'} | {m.status} |",
                    flush=True,
                )
    most = max(m.memory for m in found)
    print(f"\nlargest process: {most / 2**20:.0f} MiB, goal 2048 MiB {'met' if most < MEMORY else 'MISSED'}")

    print("\n| inputs/s | mpmath loop | naive NumPy | sweep, each worker | over mpmath | over NumPy |")
    print("|---|---:|---:|---:|---:|---:|")
    bits = sampled(20_000)
    for m in (m for m in found if m.order == 0 and m.function in LOOPS):
        each = m.rate / options.workers
        slow = rate(mpmath_loop(m.function, bits[:2000]), 2000)
        loop = naive_numpy(m.backend, m.function, np.resize(bits, 1 << 20))
        naive = rate(loop, 1 << 20) if loop else None
        told = ("-", "-") if naive is None else (f"{naive:,.0f}", f"{each / naive:.2g}x")
        print(
            f"| {m.function} ({m.backend}) | {slow:,.0f} | {told[0]} | {each:,.0f} | {each / slow:,.0f}x | {told[1]} |"
        )


if __name__ == "__main__":
    main()
