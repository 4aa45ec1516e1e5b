"""What gradproof finds of the corpus of faults: caught or missed, how it is told, and false alarms.

    python -m benchmarks.faults [--profile quick|default] [--only WORD]... [--results FOLDER] [--document]

Each file of ``corpus/`` is one `gradproof check`, in a process of its own, on its own backend and in the formats that
its implementations name. The first finding about each implementation is held against ``expected``: its kind, its
inputs, its explanation. ``--only`` keeps the implementations whose ``file:callable`` contains one of the words.
``--results`` keeps the results files there, and reads those that are there already. ``--document`` keeps the answers
in docs/evidence/detection.json and writes docs/detection.md from it.
Exits with 1 if a fault was missed or a right implementation was flagged.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.expected import FAULTS, ORDERS, RIGHT
from benchmarks.faults.judging import Answer, answer, flagged
from benchmarks.faults.record import HERE, chosen, record
from benchmarks.faults.report import printed


@dataclass(frozen=True)
class Checked:
    """The results file of one file of the corpus, and what it cost; CPU seconds are the process tree's."""

    file: str
    result: dict[str, Any]
    wall: float
    cpu: float


def check(file: str, profile: str, folder: Path, functions: Sequence[str] = ()) -> Checked:
    """`gradproof check` of one file; FileNotFoundError with its output if it wrote no results."""
    target = folder / f"{file}-{profile}.json"
    cost = target.with_suffix(".cost")
    if not target.exists():
        orders = (arg for order in ORDERS.get(file, (0, 1)) for arg in ("--order", str(order)))
        command = [sys.executable, "-m", "gradproof", "check", str(HERE / "corpus" / f"{file}.py"), *orders]
        began, before = time.monotonic(), os.times()
        done = subprocess.run(
            [*command, "--profile", profile, "--jobs", "1", "--quiet", "--json", str(target)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not target.exists():
            raise FileNotFoundError(f"expected {target} of {' '.join(command)}, got:\n{done.stdout}{done.stderr}")
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        cost.write_text(json.dumps([time.monotonic() - began, spent]), encoding="utf-8")
    wall, cpu = json.loads(cost.read_text(encoding="utf-8"))
    return Checked(file, json.loads(target.read_text(encoding="utf-8")), wall, cpu)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print the report, and say whether all was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("quick", "default", "deep"), default="quick")
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--results", type=Path, metavar="FOLDER")
    parser.add_argument("--document", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.document and (asked.only or asked.profile != "quick"):
        parser.error("--document keeps the whole corpus in the profile quick; expected it without --only and --profile")
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.results or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        answers: list[Answer] = []
        alarms: dict[str, list[str]] = {}
        runs: list[Checked] = []
        for file in (*FAULTS, *RIGHT):
            cases = {f"{file}:{name}": case for name, case in FAULTS.get(file, {}).items()}
            wanted = {name: case for name, case in cases.items() if chosen(asked.only, name)}
            if not wanted and (cases or not chosen(asked.only, f"{file}:")):
                continue
            runs.append(check(file, asked.profile, folder))
            answers += [answer(name, case, runs[-1].result) for name, case in wanted.items()]
            if file in RIGHT:
                alarms |= flagged(runs[-1].result)
    wall, cpu = sum(r.wall for r in runs), sum(r.cpu for r in runs)
    print(printed(answers, alarms, wall, cpu))
    if asked.document:
        rows = [asdict(a) for a in answers]
        record("gradproof", {"answers": rows, "alarms": alarms, "files": len(runs), "wall": wall, "cpu": cpu})
    return int(not all(a.caught for a in answers) or any(alarms.values()))


if __name__ == "__main__":
    sys.exit(main())
