"""The report on the corpus: for the terminal, and as docs/detection.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.faults.expected import FAULTS
from benchmarks.faults.judging import Answer
from benchmarks.faults.matrix import matrix, per_fault
from benchmarks.faults.record import HERE

HISTORY = (
    "The corpus was written before its author saw the library of formulas. Its first run caught 127 of 128, named kind "
    "and inputs rightly for 97, and explained 32 of 60 rightly and 10 wrongly. What that showed was mended, and eleven "
    "ways to write functions were added to the library, so the corpus is no blind test any more. It showed a dozen "
    "stated intervals to be wrong, and three implementations not to be what they were taken for; these were put right "
    "by hand."
)
MADE = (
    "Made by `python -m benchmarks.faults --document` and `python -m benchmarks.faults.neighbours --document` from "
    "`docs/evidence/detection.json`; not written by hand."
)
MISSED = {
    "torch_custom:silu_zero_at_root": (
        "The window holds 16,777 floats. How many inputs an implementation of the user's gets depends on the time "
        "that its calls take: the run above met a busy machine, took every 65,279th float, and stepped over the "
        "window. In a later run quick took every 16,319th, and caught it. No input is placed about a root of f' for "
        "its own sake, so a busy machine decides."
    ),
    "jax_formulas:relu_raises_under_jit": (
        "It raises only for an array without dimensions under `jax.jit`; every array with dimensions is traced and "
        "right. That call is tried, but what cannot be traced counts as a way that is not offered, not as a fault: "
        "the results file names it under `not_offered`."
    ),
}
"""Why, where it was looked into."""
LACKING = (
    "The corpus holds no kernels in Triton and no results handed over as files of bits (`gradproof judge`), and one "
    "implementation each that is wrong in forward mode alone, under `vmap` alone and by cutting: nothing is known "
    "about the former, little about the latter."
)

Alarms = Mapping[str, Sequence[str]]


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


def document(kept: Mapping[str, Any]) -> str:
    """docs/detection.md, of what ``record`` keeps."""
    quick = kept["gradproof"]
    answers = [Answer(**row) for row in quick["answers"]]
    alarms: Alarms = quick["alarms"]
    missed = [a for a in answers if not a.caught]
    odd = [(a, trouble(a)) for a in answers if a.caught and trouble(a)]
    flagged = [(name, texts) for name, texts in alarms.items() if texts]
    corpus = (
        f"The corpus, `benchmarks/faults/corpus`, holds {len(answers)} implementations with one fault each and "
        f"{len(alarms)} right ones; what the first finding should say (kind, inputs, explanation) is stated beside it "
        f"from mathematics (`benchmarks/faults/expected.py`). gradproof was measured at {quick['commit']} with the "
        f"profile quick, one process per file ({quick['files']}), on {quick['environment']}."
    )
    parts = [
        "# What is detected",
        "",
        MADE,
        "",
        corpus,
        "",
        HISTORY,
        "",
        "## What is missed",
        "",
        *([f"- {line(a)} {MISSED.get(a.name, '')}".rstrip() for a in missed] or ["Nothing of the corpus."]),
        "",
        LACKING,
        "",
        "## False alarms",
        "",
        *([f"- `{name}`: {'; '.join(texts)}" for name, texts in flagged] or ["None."]),
        "",
        "## Told wrongly, or not explained",
        "",
        *([f"- {line(a)} {why[0].upper()}{why[1:]}." for a, why in odd] or ["Nothing."]),
        "",
        *matrix(kept, answers),
        "## Figures of gradproof",
        "",
        "| what | how many |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in counts(answers, alarms)),
        f"| seconds, of CPU | {quick['wall']:.0f}, {quick['cpu']:.0f} |",
        "",
        "## Every fault",
        "",
        "| implementation | fault | kind | inputs | explained by | findings |",
        "|---|---|---|---|---|---|",
        *(row(a) for a in answers),
        "",
        *per_fault(kept, answers),
    ]
    return "\n".join(parts).rstrip() + "\n"


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

    folder = HERE / "corpus"
    found: dict[str, str] = {}
    for file in FAULTS:
        tree = ast.parse((folder / f"{file}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in FAULTS[file]:
                found[f"{file}:{node.name}"] = " ".join((ast.get_docstring(node) or "").split())
    return found
