"""One input evaluated and judged again: which implementation, what it returns, what was due."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradproof.backends import get_backend
from gradproof.config import check_known
from gradproof.engine.declared.userfiles import load
from gradproof.engine.judging.certificates import enclosure, number
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.properties.installed import ledger_directories, properties
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.engine.surroundings.environment import surroundings
from gradproof.errors import UsageError
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.functions import all_functions, get_function
from gradproof.functions.function import exact
from gradproof.oracle import Certified
from gradproof.results.model import Cell, Enclosure, Number
from gradproof.spelling import FUNCTION_NAMES, spelled

if TYPE_CHECKING:
    from gradproof.backends.base import Implementation
    from gradproof.functions import Function

POINTWISE = ("accuracy", "conversion", "special-values", "saturation")
"""Claims about single inputs: one input that fails the contract shows them broken."""


@dataclass(frozen=True)
class EvaluatedInput:
    """One input with what came back and what was due (None at a convention)."""

    input: Number
    got: Number
    expected: Number | None


@dataclass(frozen=True)
class Point:
    """One input, judged. ``u``, ``m``, ``absolute`` are inf for a wrong class, NaN where nothing is due."""

    row: EvaluatedInput
    enclosure: Enclosure | None
    convention: str | None
    """What is right where no single number is due; empty where nothing is judged."""
    decided: bool
    """Whether the oracle could certify what is due."""
    u: float
    m: float
    absolute: float
    magnitude: float
    failing: bool
    felt: bool
    excused: bool
    cause: str
    neighbours: list[EvaluatedInput]


def subject(
    name: str,
    params: Mapping[str, str],
    backend: str,
    *,
    files: Sequence[str] = (),
    implementation: str | None = None,
) -> tuple[Function, Implementation]:
    """The function with its parameters bound, and the implementation to call.

    ``params`` are texts as a reproduction command shows them. Raises UsageError that lists what there is when
    the description fits no implementation or several, BackendUnavailable where the backend is missing.
    """
    offered = [i for file in files for i in load(file)]
    known = [*all_functions(), *(i.function for i in offered)]
    name = spelled(name, known, FUNCTION_NAMES)
    check_known(name, known, "function")
    framework = get_backend(backend)
    if not files:
        offered = [*framework.catalogue(), *framework.formulations(name, get_function(name).params)]
    fitting = [i for i in offered if i.function == name and i.backend == framework.name]
    for key in params:
        takes = {k for i in fitting for k in i.specification.params} or get_function(name).params
        check_known(key, takes, "parameter", f" of {name}")
    if implementation:
        check_known(
            implementation,
            dict.fromkeys(i.name for i in fitting),
            "implementation",
            f" of {name} on {framework.name}",
        )
        fitting = [i for i in fitting if i.name == implementation]
    wanted = _with(params, fitting)
    if len(wanted) > 1:
        # Formulations follow the catalogue: without a name, the framework's own function is meant.
        plain = [i for i in wanted if _has_defaults(i.specification, params)]
        wanted = (plain if files else plain[:1]) or wanted
    if len(wanted) != 1:
        text = "; ".join(dict.fromkeys(f"{i.name} ({_params_text(i.specification.params)})" for i in wanted or fitting))
        where = ", ".join(files) or framework.id
        hint = " (name one with --implementation)" if wanted else ""
        asked = ", ".join(f"{k}={v}" for k, v in params.items()) or "no parameters"
        raise UsageError(
            f"expected one implementation of {name} ({asked}) in {where}, found {len(wanted)}{hint}; "
            f"there is: {text or 'nothing'}"
        )
    return wanted[0].specification, wanted[0]


def _with(params: Mapping[str, str], fitting: Sequence[Implementation]) -> list[Implementation]:
    """The implementations with these parameters: with exactly these, or else with what a person writes so."""
    for same in (_is, _is_written):
        found = [
            i
            for i in fitting
            if params.keys() <= i.specification.params.keys()
            and all(same(i.specification.params[k], v) for k, v in params.items())
        ]
        if found:
            return found
    return []


def _is(value: Any, given: str) -> bool:
    """Whether a parameter is the real number of a command's text: a float64, or in quotes exactly what it says."""
    try:
        quoted = len(given) > 1 and given[0] == given[-1] and given[0] in "'\""
        return exact(value) == exact(given[1:-1] if quoted else float(given))
    except (UsageError, ValueError):
        return False


def _is_written(value: Any, given: str) -> bool:
    """Whether somebody may call a parameter so: 0.1 for one tenth."""
    try:
        return str(value) == given or float(exact(value)) == float(given)
    except (ValueError, OverflowError):
        return False


def _has_defaults(function: Function, named: Mapping[str, str]) -> bool:
    """Whether the parameters that are not ``named`` are the function's defaults."""
    return all(exact(v) == function.exact_params[k] for k, v in function.defaults.items() if k not in named)


def _params_text(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in params.items()) or "no parameters"


def check_claim(task: Task, mode: str) -> None:
    """UsageError when the property, its order or the mode does not exist for the task."""
    check_known(task.property, properties(), "property")
    check_known(mode, get_backend(task.backend).modes, "mode", f" of {task.backend}")
    claim = properties()[task.property]
    if task.order not in claim.orders or not claim.concerns(task.function, task.order):
        orders = [str(o) for o in claim.orders if claim.concerns(task.function, o)]
        raise UsageError(
            f"{task.property} says nothing about {task.function.label} at order {task.order}; "
            f"its orders there: {', '.join(orders) or 'none'}"
        )


def judged(task: Task, selection: Selection, source: str | None, bits: Sequence[int] = ()) -> Cell:
    """The whole cell, judged as in a run; what the ledger knows about counts as failing still.

    A property that tries witnesses tries ``bits`` too.
    """
    replay = tuple(bits) if properties()[task.property].tries_witnesses else ()
    ledger = Ledger.read(ledger_directories())
    cell, _ = decide(task, selection, ledger, surroundings([task.backend]), source, replay)
    return cell


def evaluate(probe: Probe, bits: int, order: int, path: str | None) -> Point:
    """``bits`` through the implementation and the oracle.

    The call holds copies of this one input only, so that nothing but its bits matters. Raises Unsupported and
    ImplementationFault as the backend does, UsageError for a path there is not.
    """
    if path is not None:
        check_known(path, probe.paths, "path", f" of {probe.implementation.name}")
    fmt = probe.format
    inputs = np.array([bits], dtype=fa.storage(fmt))
    got = probe.evaluate(inputs, order, path)
    due = probe.certified(bits, order)
    judgement = probe.judge(inputs, got, order)
    failing = bool(judgement.failing[0])
    u = float(judgement.u[0])
    return Point(
        row=EvaluatedInput(number(bits, fmt), number(int(got[0]), fmt), _expected(due, fmt)),
        enclosure=enclosure(due) if due.kind == "finite" else None,
        convention=_convention(due),
        decided=due.kind != "undecided",
        u=u,
        m=float(judgement.m[0]),
        absolute=float(judgement.absolute[0]),
        magnitude=float(judgement.magnitude[0]),
        failing=failing,
        felt=bool(judgement.felt[0]),
        excused=bool(judgement.excused[0]),
        cause=probe.cause(bits, int(got[0]), order, due, u) if failing else "",
        neighbours=_neighbours(probe, bits, order, path),
    )


def _expected(due: Certified, fmt: Format) -> Number | None:
    return number(due.bits, fmt) if due.kind in ("finite", "infinite", "nan") else None


def _convention(due: Certified) -> str | None:
    if due.kind == "pole":
        return "an infinity of either sign"
    if due.kind != "undefined":
        return None
    if due.lower is None or due.upper is None:
        return ""
    return f"any value from {due.lower.decimal()} to {due.upper.decimal()}"


def _neighbours(probe: Probe, bits: int, order: int, path: str | None) -> list[EvaluatedInput]:
    """Two inputs on either side, each in a call of its own."""
    fmt = probe.format
    if fmt.is_nan(bits):
        return []
    rows = []
    for step in (-2, -1, 1, 2):
        ordinal = fmt.ordinal(bits) + step
        if abs(ordinal) > fmt.last_bits:
            continue
        near = fmt.from_ordinal(ordinal)
        got = probe.evaluate(np.array([near], dtype=fa.storage(fmt)), order, path)
        rows.append(
            EvaluatedInput(
                number(near, fmt),
                number(int(got[0]), fmt),
                _expected(probe.certified(near, order), fmt),
            )
        )
    return rows


def parse_bits(texts: Sequence[str], format: str) -> list[int]:
    """Bit patterns of a format; UsageError for text that is none."""
    fmt = get_format(format)
    return [fmt.parse_bits(text) for text in texts]


def finite(value: float) -> float | None:
    """None for an infinite error or none at all."""
    return value if math.isfinite(value) else None
