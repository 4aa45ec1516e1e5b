"""What the pytest plugin costs a session that does not use it.

Runs pytest on a file with one empty test, with the plugin and with ``-p no:gradproof``, in pairs whose order
alternates, and prints the medians of the wall time of the whole process. The goal is a difference of at most
30 ms. Usage: ``python benchmarks/pytest_startup.py [PAIRS]``, in an environment that has gradproof installed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

PAIRS = 20
GOAL = 0.030
"""Seconds."""


def seconds(folder: Path, *options: str) -> float:
    """Wall time of one pytest process in ``folder``; RuntimeError when its test does not pass."""
    # Hypothesis' own plugin imports all of Hypothesis at the end of a session; on both sides it would only
    # add noise a hundred times what is measured.
    plain = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", *plain, *options]
    # Byte code is kept between starts, as it is for every installed package.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"pytest failed:\n{done.stdout}{done.stderr}")
    return taken


def measure(pairs: int) -> tuple[list[float], list[float]]:
    """Wall times in seconds with and without the plugin, ``pairs`` of each, after one discarded pair."""
    sides: dict[tuple[str, ...], list[float]] = {(): [], ("-p", "no:gradproof"): []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        (folder / "test_empty.py").write_text("def test_nothing(): pass\n", "utf-8")
        for pair in range(pairs + 1):
            order = list(sides) if pair % 2 else list(reversed(sides))
            for options in order:
                taken = seconds(folder, *options)
                if pair:  # the first one warms the file cache and writes the byte code
                    sides[options].append(taken)
    with_plugin, without = sides.values()
    return with_plugin, without


def main() -> int:
    """Print both medians, their ratio and their difference; 1 when the goal is missed."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    if not any(point.name == "gradproof" for point in entry_points(group="pytest11")):
        print("expected gradproof to be installed here (pip install -e .); its pytest plugin is not")
        return 4
    with_plugin, without = measure(pairs)
    a, b = statistics.median(with_plugin), statistics.median(without)
    paired = statistics.median(x - y for x, y in zip(with_plugin, without, strict=True))
    print(f"pytest with the plugin     {a * 1e3:8.1f} ms   (median of {pairs}, whole process)")
    print(f"pytest -p no:gradproof     {b * 1e3:8.1f} ms")
    print(f"ratio                      {a / b:8.3f}")
    print(f"difference of the medians  {(a - b) * 1e3:+8.1f} ms")
    print(f"median of the differences  {paired * 1e3:+8.1f} ms   (goal: at most {GOAL * 1e3:.0f} ms)")
    return 0 if paired <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
