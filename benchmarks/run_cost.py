"""What a run costs in processor time, by phase and backend; two checkouts beside each other.

``python benchmarks/run_cost.py [CASE ...] [--against PATH] [--cold] [--warm] [--jobs N] [--all-functions]``

A case is a name of CASES: slices of the default and the quick profile (three functions that differ in nature: an exact
piecewise linear one, one by exponentials, one by erf), ``check`` of one function of one's own, ``doctor``. Each runs
cold, in an empty cache folder, and warm, in the one that the cold run left. Processor seconds are user and system time
of the command and of all its processes, from getrusage: they hold on a machine that others use, where wall time does
not. Of two checkouts the ratio counts.

The phases come from run_cost_phases.py, which every Python process of the command imports and which wraps a few
functions with timers; it costs a few percent, and is left out with ``--plain``. XLA compiles on threads of its own,
whose time is counted to the phase that waits for them. ``first`` is the wall time to the first finding on the screen.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOTS: Final = ("verify", "properties", "reports")
SLICE: Final = ("relu", "silu", "gelu")
OWN: Final = {
    "numpy": "import numpy as np\nimport gradproof as gp\n\n\n"
    "def first(x):\n    s = 1 / (1 + np.exp(-x))\n    return s * (1 - s)\n\n\n"
    "@gp.implements('sigmoid', backend='numpy', derivative=first)\ndef own(x):\n    return 1 / (1 + np.exp(-x))\n",
    "torch": "import torch\nimport gradproof as gp\n\n\n"
    "@gp.implements('sigmoid', backend='torch:cpu')\ndef own(x):\n    return 1 / (1 + torch.exp(-x))\n",
    "jax": "import jax.numpy as jnp\nimport gradproof as gp\n\n\n"
    "@gp.implements('sigmoid', backend='jax:cpu')\ndef own(x):\n    return 1 / (1 + jnp.exp(-x))\n",
}
"""A function of one's own on each backend, with failures to show: 1 - s cancels."""


def _slice(profile: str, *backends: str) -> tuple[str, ...]:
    words = ["run", "--profile", profile]
    for backend in backends:
        words += ["--backend", f"{backend}:cpu"]
    return tuple(words)


CASES: Final[dict[str, tuple[str, ...]]] = {
    "default": _slice("default", "numpy", "torch", "jax"),
    "quick": _slice("quick", "numpy", "torch", "jax"),
    **{f"{profile}-{name}": _slice(profile, name) for profile in ("default", "quick") for name in OWN},
    **{f"check-{name}": ("check", f"own_{name}.py") for name in OWN},
    "doctor": ("doctor",),
}


@dataclass
class Cost:
    """What one command took: processor and wall seconds, seconds to the first finding, and seconds by phase."""

    processor: float
    wall: float
    first: float | None
    code: int
    phases: dict[tuple[str, str], float] = field(default_factory=dict)
    """(phase, backend) -> processor seconds."""


def measured(checkout: Path, words: tuple[str, ...], cache: Path, *, jobs: int | None, timed: bool) -> Cost:
    """Run ``gradproof`` of a checkout with ``cache`` as its cache folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backend, source in OWN.items():
            (folder / f"own_{backend}.py").write_text(source, "utf-8")
        notes = folder / "phases"
        notes.mkdir()
        paths = [str(checkout / root) for root in ROOTS]
        if timed:
            (folder / "site").mkdir()
            (folder / "site" / "sitecustomize.py").write_text("import run_cost_phases\n", "utf-8")
            paths += [str(folder / "site"), str(HERE)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= {
            "PYTHONPATH": os.pathsep.join(paths),
            "GRADPROOF_CACHE_DIR": str(cache),
            "GRADPROOF_RUN_COST": str(notes),
        }
        if words[0] in ("run", "check"):
            words = (*words, *(() if jobs is None else ("--jobs", str(jobs))))
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-c", "from gradproof.cli.app import program; program()", *words]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        first = _first_finding(process, started)
        code = process.wait()
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        phases: dict[tuple[str, str], float] = defaultdict(float)
        for file in notes.glob("*.json"):
            for phase, backend, seconds in json.loads(file.read_text("utf-8")):
                phases[phase, backend] += seconds
        return Cost(spent, wall, first[0] if first else None, code, dict(phases))


def _first_finding(process: subprocess.Popen[str], started: float) -> list[float]:
    """Filled, while the process runs, with the seconds until its output first speaks of a failure."""
    found: list[float] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not found and any(word in line for word in ("fail ", "New failures", "finding")):
                found.append(time.perf_counter() - started)

    reader = threading.Thread(target=read)
    reader.start()
    reader.join()
    return found


def table(costs: dict[str, Cost]) -> str:
    """Processor seconds by phase and backend, one column per measurement."""
    rows = sorted({key for cost in costs.values() for key in cost.phases})
    lines = [f"{'phase':<32}{'backend':<9}" + "".join(f"{name:>16}" for name in costs)]
    for phase, backend in rows:
        seconds = [cost.phases.get((phase, backend), 0.0) for cost in costs.values()]
        if max(seconds) >= 0.05:
            lines.append(f"{phase:<32}{backend:<9}" + "".join(f"{s:16.2f}" for s in seconds))
    rest = [cost.processor - sum(cost.phases.values()) for cost in costs.values()]
    if rows:
        lines.append(f"{'not in any phase':<41}" + "".join(f"{s:16.2f}" for s in rest))
    lines.append(f"{'all, processor seconds':<41}" + "".join(f"{c.processor:16.2f}" for c in costs.values()))
    lines.append(f"{'wall seconds':<41}" + "".join(f"{c.wall:16.2f}" for c in costs.values()))
    first = [f"{c.first:.2f}" if c.first is not None else "-" for c in costs.values()]
    lines.append(f"{'first finding, wall seconds':<41}" + "".join(f"{s:>16}" for s in first))
    lines.append(f"{'exit code':<41}" + "".join(f"{c.code:>16}" for c in costs.values()))
    return "\n".join(lines)


def main() -> int:
    """Print a table for each case, and of two checkouts the ratio of their processor seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"out of {', '.join(CASES)}; all without any")
    parser.add_argument("--against", type=Path, help="another checkout, measured in turn with this one")
    parser.add_argument("--function", action="append", help=f"of the slices; {', '.join(SLICE)} without any")
    parser.add_argument("--format", action="append", help="formats of the slices")
    parser.add_argument("--all-functions", action="store_true", help="whole runs instead of slices")
    parser.add_argument("--jobs", type=int, help="worker processes; as many as processors without it")
    parser.add_argument("--plain", action="store_true", help="totals alone, without timers in the processes")
    parser.add_argument("--cold", action="store_true", help="cold caches alone")
    parser.add_argument("--json", type=Path, help="write the figures to a file as well")
    given = parser.parse_args()
    if unknown := set(given.cases) - set(CASES):
        parser.error(f"expected cases out of {', '.join(CASES)}, got {', '.join(sorted(unknown))}")
    checkouts = {"here": HERE.parent} | ({"against": given.against.resolve()} if given.against else {})
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    figures: dict[str, dict[str, object]] = {}
    for case in given.cases or CASES:
        words = CASES[case]
        if words[0] == "run":
            for name in () if given.all_functions else given.function or SLICE:
                words += ("--function", name)
        if words[0] != "doctor":
            for name in given.format or ():
                words += ("--format", name)
        costs: dict[str, Cost] = {}
        with tempfile.TemporaryDirectory() as caches:
            for state in ("cold",) if given.cold else ("cold", "warm"):
                for name, checkout in checkouts.items():
                    cache = Path(caches) / name
                    costs[f"{name} {state}"] = measured(checkout, words, cache, jobs=given.jobs, timed=not given.plain)
        print(f"\n{case}: gradproof {' '.join(words)}\n{table(costs)}")
        if given.against:
            ratios = [
                f"{state} {costs[f'against {state}'].processor / costs[f'here {state}'].processor:.2f}"
                for state in ("cold", "warm")
                if f"here {state}" in costs
            ]
            print(f"{'times cheaper':<41} {', '.join(ratios)}")
        figures[case] = {
            name: {**vars(cost), "phases": [[*key, s] for key, s in cost.phases.items()]}
            for name, cost in costs.items()
        }
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
