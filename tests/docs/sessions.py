"""Pages whose blocks of code are a session: files are written, commands run, and their output is the page's.

    python -m tests.docs.sessions docs/tour.md          run the page and write what the commands say now into it
    python -m tests.docs.sessions README.md explain     the same of its files and of the commands of that name

A block of Python that begins with ``# NAME.py`` is that file. In a block ``console`` what follows ``$ `` is a command
(``gradproof``, ``pytest`` and ``python`` are run, ``pip install`` is looked up in pyproject.toml); the other lines are
its output, in which ``...`` stands for lines left out. A comment before the block says what to expect:

    <!-- exit 1 -->                             the exit status, 0 otherwise
    <!-- exit 1; from: bulk; to: repeat -->     show the lines from the first with "bulk" to the next with "repeat"
    <!-- columns: 120 -->                       the width of the terminal, 80 otherwise
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.imports import ROOT

BLOCK = re.compile(
    r"(?:^<!-- (?P<wanted>(?:exit|from|to|columns)\b[^>]*?) -->\n\n?)?^```(?P<language>\w+)\n(?P<body>.*?)^```$",
    re.M | re.S,
)
LEFT_OUT = "..."
CHANGING = (
    (re.compile(r"\b(\d+ h )?(\d+ min )?\d+(\.\d+)? ?s\b( \(\d+:\d\d:\d\d\))?"), "N s"),
    (re.compile(r"\b\d+\.\d+\.\d+\w*(\+\w+)?"), "VERSION"),
)
"""What differs from run to run, and what stands in its place when outputs are compared."""
HEARTBEAT = re.compile(r"^( *\d+% +\d+ of \d+ cells? after .*\n( {5,}\S*-order\d.*\n)?|starting, .*\n)", re.M)
"""What a command says on a machine so slow that nobody hears of it for half a minute."""


@dataclass(frozen=True)
class Block:
    """One block of a page: its language and text, the exit status due, and which of its output is shown."""

    language: str
    body: str
    exit: int
    first: str
    last: str
    columns: int
    """The width of the terminal."""
    span: tuple[int, int]
    """Where in the page the text stands."""

    @property
    def file(self) -> str | None:
        """The name of the file that the block is; None for another."""
        found = re.match(r"# (\S+\.(?:py|toml))\n", self.body)
        return found[1] if found else None

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Commands of a session, each with the output that the page shows."""
        found: list[tuple[str, list[str]]] = []
        for line in self.body.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and found[-1][0].endswith("\\"):
                found[-1] = (found[-1][0].rstrip("\\ ") + " " + line.strip(), [])
            else:
                found[-1][1].append(line)
        return found


def blocks(page: str) -> list[Block]:
    """All blocks of a page."""
    made = []
    for found in BLOCK.finditer(page):
        wanted = dict(re.findall(r"(exit|from|to|columns):? ([^;]+)", found["wanted"] or ""))
        made.append(
            Block(
                found["language"],
                found["body"],
                int(wanted.get("exit", 0)),
                wanted.get("from", "").strip(),
                wanted.get("to", "").strip(),
                int(wanted.get("columns", 80)),
                found.span("body"),
            )
        )
    return made


def run(command: str, folder: Path, columns: int = 80) -> tuple[int, list[str]]:
    """Exit status and output of a command of a page, run in a folder."""
    program, *arguments = shlex.split(command, comments=True)
    if program == "pip":
        return _installable(arguments), []
    words = {"gradproof": ["-m", "gradproof"], "pytest": ["-m", "pytest"], "python": []}[program]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GRADPROOF_", "PYTEST_")) and k != "CI"}
    environment |= {"COLUMNS": str(columns), "NO_COLOR": "1", "PYTHONWARNINGS": "default"}
    environment |= {k: v for k, v in os.environ.items() if k == "GRADPROOF_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, *words, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, [line.rstrip() for line in HEARTBEAT.sub("", done.stdout).rstrip().splitlines()]


def _installable(arguments: list[str]) -> int:
    """0 where every file and extra exists that ``pip install`` is given; nothing is installed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (what,) = (a for a in arguments if a.startswith(("gradproof", ".")))
    named = re.search(r"\[(.*)\]", what)
    known = all(extra in extras for extra in named[1].split(",")) if named else True
    files = [b for a, b in itertools.pairwise(arguments) if a == "-c"]
    return 0 if known and all((ROOT / file).is_file() for file in files) else 1


def shown(output: list[str], block: Block) -> list[str]:
    """What a page shows of an output."""
    start = next((n for n, line in enumerate(output) if block.first in line), None)
    if not block.first or start is None:  # a text that is not there leaves all of it to be looked at
        return output
    rest = range(start, len(output))
    end = next((n for n in rest if block.last and block.last in output[n]), len(output) - 1)
    while end + 1 < len(output) and output[end + 1].startswith("            "):  # the rest of a folded line
        end += 1
    before, after = [LEFT_OUT] * (start > 0), [LEFT_OUT] * (end + 1 < len(output))
    return [*before, *output[start : end + 1], *after]


def normalised(lines: list[str]) -> list[str]:
    """Lines without what changes from run to run."""
    text = "\n".join(lines)
    for pattern, instead in CHANGING:
        text = pattern.sub(instead, text)
    return [re.sub(r"={3,}|-{3,}", "===", line) for line in text.splitlines()]


def play(page: str, folder: Path, only: str = "") -> tuple[str, list[str]]:
    """Run a page in an empty folder: the page with the output of now, and what is wrong with the one given.

    ``only`` is the gradproof command that is run, where a page shows others that take too long.
    """
    faults: list[str] = []
    pieces, at = [], 0
    for block in blocks(page):
        body = block.body
        if block.language == "console" and body.startswith(f"$ gradproof {only}" if only else ""):
            lines = []
            for command, due in block.commands:
                status, output = run(command, folder, block.columns)
                now = shown(output, block)
                if status != block.exit:
                    faults.append(f"$ {command}\nexit status {status}, expected {block.exit}:\n" + "\n".join(output))
                if normalised(due) != normalised(now):
                    faults.append(f"$ {command}\nsays now:\n" + "\n".join(now) + "\nand the page:\n" + "\n".join(due))
                same = normalised(due) == normalised(now)
                lines += [*_typed(command), *(due if same else now)]
            body = "\n".join(lines) + "\n"
        elif block.file:
            (folder / block.file).write_text(body, encoding="utf-8")
        pieces += [page[at : block.span[0]], body]
        at = block.span[1]
    return "".join([*pieces, page[at:]]), faults


def _typed(command: str, width: int = 100) -> list[str]:
    """A command as one types it, folded at options."""
    lines = ["$"]
    for word in re.split(r" (?=--)", command):
        if len(lines[-1]) + len(word) > width and lines[-1] != "$":
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}"
    return lines


if __name__ == "__main__":
    import tempfile

    name = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as empty:
        written, _ = play(name.read_text("utf-8"), Path(empty), *sys.argv[2:])
    name.write_text(written, encoding="utf-8")
