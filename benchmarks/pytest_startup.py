"""What the pytest plugin costs a session that does not use it.

Runs pytest on a file with one empty test, with the plugin and with ``-p no:gradproof``, in pairs whose order
alternates, and prints the medians of the wall time of the whole process, their ratio and their difference, and the
processor time beside them: on a machine that others use it says what the plugin costs, and wall time what it and they
cost. The goal is a difference of at most 30 ms. Usage: ``python benchmarks/pytest_startup.py [PAIRS]`` on a POSIX
system, in an environment that has gradproof installed.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

PAIRS = 20
GOAL = 0.030
"""Seconds."""


class Taken(NamedTuple):
    """What a process took, in seconds."""

    wall: float
    processor: float


def taken(folder: Path, *options: str) -> Taken:
    """Wall and processor time of one pytest process in ``folder``; RuntimeError when its test does not pass."""
    # Hypothesis' own plugin imports all of Hypothesis at the end of a session; on both sides it would only
    # add noise a hundred times what is measured.
    plain = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", *plain, *options]
    # Byte code is kept between starts, as it is for every installed package.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"pytest failed:\n{done.stdout}{done.stderr}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(wall, spent)


def measure(pairs: int) -> tuple[list[Taken], list[Taken]]:
    """Times with and without the plugin, ``pairs`` of each, after one discarded pair."""
    sides: dict[tuple[str, ...], list[Taken]] = {(): [], ("-p", "no:gradproof"): []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        (folder / "test_empty.py").write_text("def test_nothing(): pass\n", "utf-8")
        for pair in range(pairs + 1):
            order = list(sides) if pair % 2 else list(reversed(sides))
            for options in order:
                one = taken(folder, *options)
                if pair:  # the first one warms the file cache and writes the byte code
                    sides[options].append(one)
    with_plugin, without = sides.values()
    return with_plugin, without


def main() -> int:
    """Print the medians, their ratios and their differences; 1 when the goal is missed."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    if not any(point.name == "gradproof" for point in entry_points(group="pytest11")):
        print("expected gradproof to be installed here (pip install -e .); its pytest plugin is not")
        return 4
    with_plugin, without = measure(pairs)
    print(f"pytest, whole process, medians of {pairs}     wall         processor")
    rows = [[statistics.median(side) for side in zip(*times, strict=True)] for times in (with_plugin, without)]
    for name, row in zip(("with the plugin", "-p no:gradproof"), rows, strict=True):
        print(f"{name:<38}{row[0] * 1e3:8.1f} ms  {row[1] * 1e3:8.1f} ms")
    ratios = [a / b for a, b in zip(*rows, strict=True)]
    print(f"{'ratio':<38}{ratios[0]:8.3f}     {ratios[1]:8.3f}")
    differences = [a - b for a, b in zip(*rows, strict=True)]
    print(f"{'difference of the medians':<38}{differences[0] * 1e3:+8.1f} ms  {differences[1] * 1e3:+8.1f} ms")
    pairwise = [statistics.median(a[n] - b[n] for a, b in zip(with_plugin, without, strict=True)) for n in (0, 1)]
    print(f"{'median of the differences':<38}{pairwise[0] * 1e3:+8.1f} ms  {pairwise[1] * 1e3:+8.1f} ms")
    print(f"goal: a median difference in wall time of at most {GOAL * 1e3:.0f} ms")
    return 0 if pairwise[0] <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
