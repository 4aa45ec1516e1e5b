"""The worst inputs of two results files evaluated once more, here, before a change is called a regression."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gradproof.backends import get_backend
from gradproof.cli.single_input import POINTWISE, evaluate
from gradproof.engine.surroundings.environment import environment
from gradproof.errors import GradproofError
from gradproof.results.cell_changes import FACTOR, NOT_SEEN, REGRESSIONS, Change
from gradproof.results.formatting import figure

if TYPE_CHECKING:
    from gradproof.results.model import Cell, RunRecord, RunResult

MOST: Final = 100
"""Changes whose inputs are evaluated; of those beyond it is said that they were not."""
SAME_HERE: Final = ("processor", "simd", "platform")
"""What of an environment decides about results, beside the versions of the backend."""


@dataclass(frozen=True)
class Again:
    """What one change came to. ``confirmed`` is None where nothing was evaluated, for the reason in ``text``."""

    confirmed: bool | None
    text: str


def reevaluated(changes: Iterable[Change], head: RunResult, *, wanted: bool | None) -> list[Change]:
    """The changes, those that look like regressions with what their worst inputs give here.

    A new failure is confirmed where its input fails here, a larger error where its input gives what HEAD recorded, but
    for FACTOR. What is not is of the class NOT_SEEN. ``wanted``: False evaluates nothing; None only functions of the
    frameworks', and only where this is the machine of HEAD with its versions, else nobody could say whom the answer is
    about; True also files of a user's, which are imported, and on any machine.
    """
    made, tried = [], 0
    for change in changes:
        if wanted is False or change.kind not in REGRESSIONS or change.head is None:
            made.append(change)
            continue
        tried += 1
        told = _again(change, head, anyway=bool(wanted)) if tried <= MOST else Again(None, "too many to evaluate again")
        kind = NOT_SEEN if told.confirmed is False else change.kind
        made.append(replace(change, kind=kind, again=told.text))
    return made


def _again(change: Change, head: RunResult, *, anyway: bool) -> Again:
    cell = change.head
    assert cell is not None
    found = cell.certificate
    if found is None or found.input is None or cell.property not in POINTWISE:
        return Again(None, "not evaluated again: no single input shows it")
    words = _words(found.reproduce)
    if "--file" in words and not anyway:
        return Again(None, "not evaluated again: it is in a file, which --again imports")
    if not anyway and (why := elsewhere(cell, head.shards or [head.run])):
        return Again(None, f"not evaluated again: {why}; --again does it here")
    earlier = _bits(change.base)
    try:
        sizes = _magnitudes(words, [found.input.bits, *([earlier] if earlier else [])])
    except (GradproofError, ValueError) as fault:
        return Again(None, f"not evaluated again: {fault}")
    recorded = math.inf if found.magnitude is None else found.magnitude
    confirmed = sizes[0] >= recorded / FACTOR if change.kind == "worse" else sizes[0] > 1
    said = f"again here, at {found.input.decimal} ({found.input.bits}): {_size(sizes[0])}"
    if earlier:
        said += f"; at BASE's worst input ({earlier}): {_size(sizes[1])}"
    return Again(confirmed, said)


def elsewhere(cell: Cell, runs: Sequence[RunRecord]) -> str:
    """Why what a backend gives here says nothing of the runs; empty where it does."""
    place = f"{cell.backend}:{cell.device}"
    mine = environment()
    run = next((r for r in runs if place in r.backends), None)
    if run is None:
        return f"the file does not say what {place} was"
    try:
        versions: Mapping[str, Any] = get_backend(place).versions()
    except GradproofError as fault:
        return str(fault)
    there = run.backends[place].get("versions", {})
    for name in there:
        if versions.get(name) != there[name]:
            return f"HEAD is of {name} {there[name]}, here is {versions.get(name, 'none')}"
    if any(mine.get(name) != run.environment.get(name) for name in SAME_HERE):
        return "HEAD is of another machine"
    return ""


def _words(command: str) -> list[str]:
    """The arguments of a ``gradproof repro`` command, without its inputs."""
    try:
        words = shlex.split(command)[2:]
    except ValueError:
        return []
    while "--bits" in words:
        at = words.index("--bits")
        del words[at : at + 2]
    return words


def _bits(cell: Cell | None) -> str:
    """The worst input of a cell, where it has one."""
    if cell is None:
        return ""
    if cell.certificate is not None and cell.certificate.input is not None:
        return cell.certificate.input.bits
    return cell.worst_bits or ""


def _magnitudes(words: list[str], bits: list[str]) -> list[float]:
    """The error over the bound at each input; inf for a wrong class, 0 where nothing is due. Errors as ``repro``."""
    from gradproof.cli.repro import endings_told, probed, repro_command

    with repro_command.make_context("repro", [*words, *(w for b in bits for w in ("--bits", b))]) as context:
        options = context.params
    with endings_told():
        asked = probed(options)
        points = [evaluate(asked.probe, pattern, asked.task.order, options["path"]) for pattern in asked.bits]
    return [p.magnitude if p.magnitude == p.magnitude else 0.0 for p in points]


def _size(magnitude: float) -> str:
    return f"{figure(magnitude)} times the bound"
