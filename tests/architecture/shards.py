"""The results files that the tox environments leave in ``.gradproof/tox``, and what becomes of them.

    python -m tests.architecture.shards clear NAME     before an environment runs: what its last run left goes away
    python -m tests.architecture.shards absent NAME    without a device: NAME's cells, not-run, each with the reason
    python -m tests.architecture.shards combine        all of them in .gradproof/results.json and report.html

NAME is a tox environment: ``torch`` stands for the backend torch:cpu, ``torch-cuda`` for torch:cuda.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.architecture.cuda_env import ROOT, SHARDS, backend_of, call, command, device

EXPECTED = ("numpy", "torch", "jax", "torch-cuda", "jax-cuda")
NOTHING_RAN = 5
"""Exit status of ``gradproof run`` when every cell is not-run."""

Runner = Callable[[Sequence[str]], int]


def gradproof(arguments: Sequence[str]) -> int:
    """Exit status of the installed command line."""
    return call(command("gradproof"), *arguments)


def quick_run(name: str, shards: Path) -> list[str]:
    """Arguments of the run that an environment's results file comes from."""
    return [
        "run",
        "--backend",
        backend_of(name),
        "--profile",
        "quick",
        "--json",
        str(shards / f"{name}.json"),
        "--html",
        "none",
    ]


def clear(name: str, shards: Path = SHARDS) -> int:
    """Make the folder, and remove what the environment's last run left."""
    shards.mkdir(parents=True, exist_ok=True)
    for left in (shards / f"{name}.json", shards / f"{name}-pytest.xml"):
        left.unlink(missing_ok=True)
    return 0


def absent(name: str, run: Runner = gradproof, shards: Path = SHARDS) -> int:
    """Write the cells of a backend whose device is not here; with a device, they are its environment's work.

    Called in the environment that has the framework installed: the reason is then the framework's own.
    """
    clear(name, shards)
    _, reason = device()
    if not reason:
        print(f"{name}: a device is present; tox -e {name} checks it")
        return 0
    status = run(quick_run(name, shards))
    return 0 if status == NOTHING_RAN else status


def combine(run: Runner = gradproof, shards: Path = SHARDS, out: Path = ROOT / ".gradproof") -> int:
    """One results file and one page from every shard; a framework that left none is recorded as not-run."""
    shards.mkdir(parents=True, exist_ok=True)
    found = []
    for name in EXPECTED:
        shard = shards / f"{name}.json"
        if not shard.exists() and name != "numpy":
            print(f"{name}: no results file; its cells are recorded as seen from here, without the framework")
            run(quick_run(name, shards))
        if shard.exists():
            found.append(str(shard))
        else:
            print(f"{name}: no results file in {shards}; run tox -e {name} first")
    if len(found) < len(EXPECTED):
        return 1
    results, page = str(out / "results.json"), str(out / "report.html")
    return run(["combine", *found, "--json", results]) or run(["report", results, "--html", page])


def main(arguments: Sequence[str]) -> int:
    """Dispatch; exit status 4 for a wrong call."""
    match arguments:
        case ["clear", name]:
            return clear(name)
        case ["absent", name]:
            return absent(name)
        case ["combine"]:
            return combine()
    print(__doc__, file=sys.stderr)
    return 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
