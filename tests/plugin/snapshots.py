"""Whole outputs compared with text files: ``tests/plugin/snapshots/<name>.txt``.

``GRADPROOF_SNAPSHOTS=write pytest tests/plugin`` writes them anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"
VARIABLE = "GRADPROOF_SNAPSHOTS"

CHANGING = (
    (re.compile(r"([=_!])\1{2,}"), r"\1\1\1"),  # the terminal's rules, as wide as the title leaves them
    (re.compile(r"\d+\.\d+s\b( \(\d+:\d\d:\d\d\))?"), "0.00s"),
    (re.compile(r"gradproof \d\S*:"), "gradproof 0.0.0:"),
    # How many inputs a sampled check tries follows Hypothesis' draws, which its versions change.
    (re.compile(r"\d+ inputs tried"), "N inputs tried"),
    (re.compile(r"\d+ of \d+ tried inputs"), "N of N tried inputs"),
    # So do the ends of a finding's intervals, the share that most are off by, and the one shown of equally bad inputs.
    (re.compile(r"^(    what .* wrong by) \S+ % and more on .* \(", re.MULTILINE), r"\1 N % and more on [N, N] ("),
    (re.compile(r"^(    worst +)x .*;", re.MULTILINE), r"\1x N, got N, expected N;"),
)
"""What differs from run to run or from version to version, and what stands in its place."""


def normalised(lines: list[str]) -> str:
    """Output from the failures to the end, without what changes from run to run."""
    text = "\n".join(line.rstrip() for line in lines)
    start = re.search(r"^=+ (FAILURES|gradproof) =+$", text, re.MULTILINE)
    assert start is not None, text
    text = text[start.start() :]
    for pattern, instead in CHANGING:
        text = pattern.sub(instead, text)
    return text + "\n"


def compare(name: str, lines: list[str]) -> None:
    """Assert that a session's output is the snapshot ``name``."""
    path, now = FOLDER / f"{name}.txt", normalised(lines)
    if os.environ.get(VARIABLE) == "write":
        path.write_text(now, "utf-8")
    assert path.is_file(), f"no snapshot {path.name}; {VARIABLE}=write makes it"
    assert now == path.read_text("utf-8")
