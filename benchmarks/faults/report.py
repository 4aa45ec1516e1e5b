"""The report on the corpus: for the terminal, and as docs/detection.md."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Protocol

from benchmarks.faults.expected import FAULTS
from benchmarks.faults.judging import Answer

HISTORY = (
    "The corpus was written before its author saw the library of formulas. Its first run caught 127 of 128, named kind "
    "and inputs rightly for 97, and explained 32 of 60 rightly and 10 wrongly. What that showed was mended, and eleven "
    "ways to write functions were added to the library, so the corpus is no blind test any more. It showed a dozen "
    "stated intervals to be wrong, and three implementations not to be what they were taken for; these were put right "
    "by hand."
)
LIBRARIES = ("gradproof", "numpy", "torch", "jax", "python-flint", "mpmath", "hypothesis")

Alarms = Mapping[str, Sequence[str]]


class Run(Protocol):
    """What one process cost, in seconds."""

    file: str
    wall: float
    cpu: float


def counts(answers: Sequence[Answer], alarms: Alarms) -> list[tuple[str, str]]:
    """The figures: name, value."""
    told = Counter(a.explanation for a in answers if a.caught)
    explained = sum(told[word] for word in ("right", "none", "wrong"))
    caught = [a for a in answers if a.caught]
    return [
        ("faults caught", f"{len(caught)} of {len(answers)}"),
        ("first finding: kind right", f"{sum(a.kind_right for a in caught)} of {len(caught)}"),
        ("first finding: inputs right", f"{sum(a.interval_right for a in caught)} of {len(caught)}"),
        ("first finding: both right", f"{sum(a.right for a in caught)} of {len(caught)}"),
        ("explained rightly", f"{told['right']} of {explained} that have, or were given, an explanation"),
        ("not explained", f"{told['none']}"),
        ("explained wrongly", f"{told['wrong']}"),
        ("no formula is known, and none was named", f"{told['-']}"),
        ("findings per fault", f"{sum(a.findings for a in caught) / max(len(caught), 1):.2f}"),
        ("right implementations flagged", f"{sum(map(bool, alarms.values()))} of {len(alarms)}"),
    ]


def printed(answers: Sequence[Answer], alarms: Alarms, wall: float, cpu: float) -> str:
    """The report for the terminal: what is not as it should be, then the figures."""
    lines = [f"{a.name}: {trouble(a)}" for a in answers if trouble(a)]
    lines += [f"{name}: flagged: {text}" for name, texts in alarms.items() for text in texts]
    lines += [f"{name:<42} {value}" for name, value in counts(answers, alarms)]
    return "\n".join([*lines, f"{'seconds':<42} {wall:.0f}, of CPU {cpu:.0f}"])


def trouble(answer: Answer) -> str:
    """What is not as it should be, in a clause; nothing if all is."""
    if not answer.caught:
        return "missed"
    wrong = [] if answer.kind_right else [f"the kind {answer.kind}"]
    wrong += [] if answer.interval_right else ["other inputs"]
    wrong += [f"explained as {answer.explained}"] if answer.explanation == "wrong" else []
    wrong += ["not explained"] if answer.explanation == "none" else []
    return f"{', '.join(wrong)} ({answer.text})" if wrong else ""


def document(answers: Sequence[Answer], alarms: Alarms, runs: Sequence[Run], profile: str) -> str:
    """docs/detection.md."""
    missed = [a for a in answers if not a.caught]
    odd = [(a, trouble(a)) for a in answers if a.caught and trouble(a)]
    flagged = [(name, texts) for name, texts in alarms.items() if texts]
    parts = [
        "# What is detected",
        "",
        "Made by `python -m benchmarks.faults --document`; not written by hand. The corpus, "
        f"`benchmarks/faults/corpus`, holds {len(answers)} implementations with one fault each and {len(alarms)} right "
        "ones; what the first finding should say (kind, inputs, explanation) is stated beside it from mathematics "
        "(`benchmarks/faults/expected.py`). " + environment(profile, runs),
        "",
        HISTORY,
        "",
        "## What is missed",
        "",
        *([f"- {line(a)}" for a in missed] or ["Nothing of the corpus."]),
        "",
        "## False alarms",
        "",
        *([f"- `{name}`: {'; '.join(texts)}" for name, texts in flagged] or ["None."]),
        "",
        "## Told wrongly, or not explained",
        "",
        *([f"- {line(a)} {why[0].upper()}{why[1:]}." for a, why in odd] or ["Nothing."]),
        "",
        "## Figures",
        "",
        "| what | how many |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in counts(answers, alarms)),
        f"| seconds, of CPU | {sum(r.wall for r in runs):.0f}, {sum(r.cpu for r in runs):.0f} |",
        "",
        "## Every fault",
        "",
        "| implementation | fault | kind | inputs | explained by | findings |",
        "|---|---|---|---|---|---|",
        *(row(a) for a in answers),
    ]
    return "\n".join(parts) + "\n"


def line(answer: Answer) -> str:
    """An implementation with its sentence."""
    return f"`{answer.name}`: {sentences().get(answer.name, '')}"


def row(answer: Answer) -> str:
    """One row of the table of all faults; what is wrong in bold."""
    if not answer.caught:
        return f"| `{answer.name}` | {sentences()[answer.name]} | **missed** | | | |"
    kind = answer.kind if answer.kind_right else f"**{answer.kind}**"
    inputs = "right" if answer.interval_right else "**others**"
    explained = {"-": "", "none": "**nothing**", "wrong": f"**{answer.explained}**"}.get(
        answer.explanation, answer.explained
    )
    text = sentences()[answer.name].replace("|", "\\|")
    return f"| `{answer.name}` | {text} | {kind} | {inputs} | {explained} | {answer.findings} |"


def sentences() -> dict[str, str]:
    """The first sentence of every faulty callable of the corpus, read without importing a framework."""
    import ast

    folder = Path(__file__).parent / "corpus"
    found: dict[str, str] = {}
    for file in FAULTS:
        tree = ast.parse((folder / f"{file}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in FAULTS[file]:
                found[f"{file}:{node.name}"] = " ".join((ast.get_docstring(node) or "").split())
    return found


def environment(profile: str, runs: Sequence[Run]) -> str:
    """The profile, the processor and the versions, in a sentence."""
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return (
        f"Measured with the profile {profile}, one process per file ({len(runs)}), on {processor()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def processor() -> str:
    """The processor's own name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((row.partition(":")[2].strip() for row in lines if row.startswith("model name")), platform.machine())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
