"""Results from a file (`gradproof judge`) against a sweep that calls the implementation: inputs a second, and memory.

    python benchmarks/judge_stream.py [--backend torch:cpu] [--function silu]... [--order 0]... [--log2 28]
                                      [--workers 2] [--rounds 3]

2^LOG2 float32 bit patterns about that of 1.0 (2^32 is all: 16 GiB of results in a temporary folder) are computed by
the backend and written to a file, which is not timed. Then, by turns and from empty run folders, a sweep of the
backend's implementation, and the judging of the file, each in a process of its own with so many workers; the better of
the rounds. What is timed is the whole command. Memory is that of all processes of a command together, looked at every
50 ms: the proportional set size, in which a page that several processes share (libraries, cached files) is divided
among them. Goals: half of the sweep's speed, less than 1 GiB.

For fewer than 2^32 inputs the time of all of them is extrapolated, and said to be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradproof.backends import get_backend
from gradproof.backends.base import Call
from gradproof.engine.surroundings.environment import environment
from gradproof.formats import FLOAT32

MEMORY = 1 << 30
SHARE = 0.5
CHUNK = 1 << 20
ONE = 0x3F800000
LOOK = 0.05
"""Seconds between two looks at the memory."""


@dataclass(frozen=True)
class Taken:
    """One command. ``memory`` in bytes, the most that its processes held together."""

    seconds: float
    memory: int
    last: str


def results(backend_id: str, function: str, order: int, inputs: range, path: Path) -> None:
    """Write f^(order) at consecutive bit patterns."""
    backend = get_backend(backend_id)
    implementation = next(i for i in backend.catalogue() if i.function == function)
    with path.open("wb") as target:
        for start in range(inputs.start, inputs.stop, CHUNK):
            bits = np.arange(start, min(start + CHUNK, inputs.stop), dtype=np.uint32)
            backend.evaluate(implementation, bits, FLOAT32, Call(order=order)).astype("<u4").tofile(target)


def run(arguments: list[str], folder: Path) -> Taken:
    """One gradproof command in an empty folder."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        began = time.perf_counter()
        command = [sys.executable, "-m", "gradproof", *arguments]
        process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        most = 0
        while process.poll() is None:
            most = max(most, sum(map(resident, family(process.pid))))
            time.sleep(LOOK)
        seconds = time.perf_counter() - began
        said = process.stdout.read() if process.stdout else ""
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}:\n{said}")
    return Taken(seconds, most, said.strip().splitlines()[-1])


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for one in found:
        try:
            tasks = Path(f"/proc/{one}/task").iterdir()
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # it has ended
            continue
    return found


def resident(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 for one that has ended."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="torch:cpu")
    parser.add_argument("--function", action="append")
    parser.add_argument("--order", action="append", type=int)
    parser.add_argument("--log2", type=int, default=28)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the results are written meanwhile")
    options = parser.parse_args()
    count = 1 << options.log2
    whole = options.log2 == 32
    first = 0 if count > ONE else ONE - count // 2
    inputs = range(first, first + count)

    seen = environment()
    print(", ".join(f"{name} {seen[name]}" for name in seen if seen[name]))
    print(f"{options.backend}; 2^{options.log2} inputs; {options.workers} workers; better of {options.rounds} rounds\n")
    print("| function | order | sweep s | judge s | judge 10^6 inputs/s | speed over sweep's | memory, MiB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    met = True
    for function in options.function or ["silu", "tanh", "softplus"]:
        for order in options.order or [0, 1]:
            with tempfile.TemporaryDirectory(dir=options.folder) as name:
                folder = Path(name)
                file = folder / "results.bin"
                results(options.backend, function, order, inputs, file)
                common = ["--format", "float32", "--order", str(order), "--jobs", str(options.workers), "-q"]
                bits = f"{inputs.start:#x}..{inputs.stop - 1:#x}"
                swept, judged = [], []
                for _ in range(options.rounds):
                    sweep = ["sweep", function, "--backend", options.backend, "--bits", bits, *common]
                    swept.append(run(sweep, folder))
                    judged.append(run(["judge", function, str(file), "--inputs", bits, *common], folder))
            one, two = (min(taken.seconds for taken in some) for some in (swept, judged))
            memory = max(taken.memory for taken in judged)
            met &= one / two >= SHARE and memory < MEMORY
            print(
                f"| {function} | {order} | {one:.2f} | {two:.2f} | {count / two / 1e6:.1f} | {one / two:.2f} "
                f"| {memory / 2**20:.0f} |",
                flush=True,
            )
            if not whole:
                print(f"| {function} | {order} | | {two * 2**32 / count:.0f} (2^32, extrapolated) | | | |", flush=True)
    print(f"\nhalf of the sweep's speed or better, under 1 GiB: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
