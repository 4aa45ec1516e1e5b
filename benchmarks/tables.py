"""How long the cached tables of all 16-bit inputs take: cold (computed and stored) and warm (read and checked).

    python benchmarks/tables.py [--jobs N] [--function NAME ...]

Every catalogued function with its default parameters, orders 0 to 2, float16 and bfloat16; goals for two processes:
cold 60 s, warm 2 s. The processes are started and have imported the oracle before the clock runs. A temporary
folder takes the tables, so that nothing cached before helps and the user's own cache is left alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from gradproof.formats import BFLOAT16, FLOAT16, get_format
from gradproof.formats.arrays import all_bits
from gradproof.functions import CATALOGUE, get_function
from gradproof.oracle import Oracle, store
from gradproof.oracle.reference import BY_FILTER, UNDECIDED

GOALS = {"cold": 60.0, "warm": 2.0}
FORMATS = (FLOAT16, BFLOAT16)
Job = tuple[str, str]


def judged(job: Job) -> tuple[Job, float, int, int]:
    """Seconds for one table, and how many of its values are undecided and how many the filter left to others."""
    name, fmt = job[0], get_format(job[1])
    began = time.perf_counter()
    references = Oracle(get_function(name)).references(all_bits(fmt), fmt)
    taken = time.perf_counter() - began
    undecided = sum(int(np.count_nonzero(r.kind == UNDECIDED)) for r in references)
    return job, taken, undecided, int(np.count_nonzero(references[0].how != BY_FILTER))


def ready(_: int) -> None:
    """Wait a little, so that every process of the pool gets to import this module."""
    time.sleep(0.5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes (2, as the goals say)")
    parser.add_argument("--function", action="append", help="only these functions")
    arguments = parser.parse_args()
    names = arguments.function or [function.name for function in CATALOGUE]
    jobs = [(name, fmt.name) for name in names for fmt in FORMATS]
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="gradproof-tables-") as folder:
        os.environ[store.VARIABLE] = folder
        print(f"| {len(jobs)} tables, {arguments.jobs} processes | seconds | goal |\n|---|---:|---:|")
        for state, goal in GOALS.items():
            with ProcessPoolExecutor(arguments.jobs, spawn) as pool:
                list(pool.map(ready, range(arguments.jobs)))
                began = time.perf_counter()
                rows = list(pool.map(judged, jobs))
                print(f"| {state} | {time.perf_counter() - began:.2f} | {goal:.0f} |", flush=True)
            if state == "cold":
                cold = rows
        tables, size = store.usage(Path(folder) / "tables")
    print(f"\n{tables} tables on disk, {size / 1e6:.1f} MB; goal {len(jobs)} tables")
    print(f"undecided values: {sum(row[2] for row in cold):,} of {len(jobs) * 3 * 65_536:,}")
    for (name, fmt), _, undecided, _ in cold:
        if undecided:
            print(f"  {name} {fmt}: {undecided}")
    print("slowest cold: ", end="")
    slowest = sorted(cold, key=lambda row: -row[1])[:5]
    print("; ".join(f"{' '.join(job)} {taken:.2f} s ({left:,} past the filter)" for job, taken, _, left in slowest))


if __name__ == "__main__":
    main()
