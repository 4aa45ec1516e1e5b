"""From a selection to the cells of a run: what will be judged, and what cannot be and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gradproof.backends import availability, backend_ids, get_backend, is_known
from gradproof.backends.base import Backend, Implementation
from gradproof.backends.registry import split_id
from gradproof.engine.properties.installed import properties
from gradproof.engine.properties.property import Property
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.errors import BackendUnavailable, UsageError
from gradproof.formats import DEFAULT_FORMATS, FORMATS, get_format, wider_formats
from gradproof.functions import CATALOGUE, Function, all_functions
from gradproof.results.model import Cell, Evidence
from gradproof.results.not_run import NotRun, worded
from gradproof.spelling import FUNCTION_NAMES, spelled, suggestion

ORDERS = (0, 1, 2)


@dataclass
class Group:
    """Tasks that share oracle values: one function in one format, over all backends and modes."""

    function: Function
    format: str
    tasks: list[Task] = field(default_factory=list)


@dataclass
class Plan:
    """Groups to judge, and the cells already decided: not-run or unsupported, each with its reason."""

    groups: list[Group]
    settled: list[Cell]
    unavailable: dict[str, str]
    """Backend id -> reason."""

    @property
    def tasks(self) -> int:
        """Number of cells to judge."""
        return sum(len(g.tasks) for g in self.groups)


JUDGED_AT_BOTH_ENDS: Final = ("accuracy", "special-values")
"""The claims about single results, which hold of all that are possible where they hold of the farthest."""


def plan(selection: Selection, implementations: Sequence[Implementation] | None = None) -> Plan:
    """Lay out the cells of ``selection``.

    ``implementations`` are the user's; without them the catalogue of every backend is planned. Raises
    UsageError for names that exist nowhere.
    """
    functions = [*all_functions(), *(i.function for i in implementations or ())]
    selection = replace(
        selection,
        functions=tuple(spelled(name, functions, FUNCTION_NAMES) for name in selection.functions),
        properties=tuple(spelled(name, properties()) for name in selection.properties),
        modes=tuple(map(str.lower, selection.modes)),
    )
    chosen = _properties(selection)
    ids, missing = _backends(selection, implementations)
    for name in selection.functions:
        _known(name, functions, "function")
    _check_offered(selection, implementations)
    check_distinct(implementations or ())
    for claim in chosen:
        for name in claim.functions or ():
            _known(name, functions, "function", f" in the property {claim.id!r}")
    for implementation in implementations or ():
        for declared in implementation.known:
            _known(declared.property, properties(), "property", f" in known= of {implementation.name}")
    if selection.modes:
        _check_modes(selection, [get_backend(i) for i in ids])
    groups: dict[tuple[str, str, str], Group] = {}
    settled: list[Cell] = []
    for task in _tasks(selection, chosen, ids, implementations):
        backend = get_backend(task.backend)
        if implementations is None and _left_to_default(task, selection, backend):
            settled.append(task.not_run(NotRun.LEFT_TO_DEFAULT))
            continue
        if not (state := backend.mode_availability(task.mode)).available:
            settled.append(task.not_run(NotRun.MISSING_COMPILER, state.reason))
            continue
        open_to = backend.open_to(task.implementation, get_format(task.format))
        if open_to and task.property not in JUDGED_AT_BOTH_ENDS:
            why = f"the result depends on {open_to}: results that are possible one by one need not be so together"
            settled.append(task.cell("unsupported", why, evidence=Evidence("none", 0)))
            continue
        if task.order and "given" in backend.paths(task.implementation):
            have = len(task.implementation.derivatives)
            if task.order > have:
                why = f"the backend has no AD and {have or 'no'} derivative= was handed in"
                settled.append(task.cell("unsupported", why, evidence=Evidence("none", 0)))
                continue
        key = (task.function.identity, task.function.label, task.format)
        groups.setdefault(key, Group(task.function, task.format)).tasks.append(task)
    settled += _absent(selection, chosen, missing, implementations)
    return Plan(list(groups.values()), settled, missing)


def _check_offered(selection: Selection, implementations: Sequence[Implementation] | None) -> None:
    """UsageError where the user's files register nothing of the functions that are asked for."""
    offered = list(dict.fromkeys(i.function for i in implementations or ()))
    if not offered or not selection.files or not selection.functions or set(selection.functions) & set(offered):
        return
    raise UsageError(
        f"expected --function to name what {', '.join(selection.files)} registers, which is {', '.join(offered)}; got "
        f"{', '.join(selection.functions)}. Leave --function out to check all of it, or register a callable with "
        f'@gradproof.implements("{selection.functions[0]}", ...)'
    )


def _left_to_default(task: Task, selection: Selection, backend: Backend) -> bool:
    """Whether the quick profile leaves out a cell of the catalogue that takes its backend long to compile."""
    only = properties()[task.property].quick_compiled_formats
    return (
        selection.profile == "quick"
        and backend.compiles_each_shape
        and not selection.properties
        and not selection.formats
        and only is not None
        and task.format not in only
    )


def check_distinct(implementations: Sequence[Implementation]) -> None:
    """UsageError for two implementations that nobody could tell apart in the results."""
    seen: dict[tuple[object, ...], Implementation] = {}
    for i in implementations:
        key = (i.function, tuple(sorted(i.specification.exact_params.items())), i.name, i.backend, i.device)
        other = seen.setdefault(key, i)
        if other is i:
            continue
        files = "" if i.file == other.file else f", from {other.file} and {i.file}, which results call by one name"
        raise UsageError(
            f"expected one implementation of {i.function} called {i.name!r} on {i.backend}, got two{files}; tell "
            "them apart by name="
        )


def _properties(selection: Selection) -> list[Property]:
    known = properties()
    for name in selection.properties:
        _known(name, known, "property")
    return [p for p in known.values() if not selection.properties or p.id in selection.properties]


def _known(name: str, known: Iterable[str], what: str, where: str = "") -> None:
    known = list(known)
    if name not in known:
        near = suggestion(name, known, FUNCTION_NAMES if what == "function" else None)
        hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}"
        raise UsageError(f"unknown {what} {name!r}{where}{hint}")


def _check_modes(selection: Selection, backends: Sequence[object]) -> None:
    offered = {"eager", "compiled", "autocast"} | {m for b in backends for m in getattr(b, "modes", ())}
    for mode in selection.modes:
        _known(mode, sorted(offered), "mode")


def _backends(
    selection: Selection, implementations: Sequence[Implementation] | None
) -> tuple[list[str], dict[str, str]]:
    """Ids that can run, and the reasons of those that cannot."""
    wanted = [b if ":" in b else f"{b}:cpu" for b in selection.backends]
    for name in wanted:
        if not is_known(name):
            _known(name, backend_ids(), "backend")
    if not wanted:
        wanted = [name for name in backend_ids() if split_id(name)[0].by_default]
        if implementations is not None:
            used = {i.backend for i in implementations}
            for name in used:
                if not is_known(name):
                    _known(f"{name}:cpu", backend_ids(), "backend")
            wanted = [w for w in wanted if w.partition(":")[0] in used]
            # Devices beyond those, as of an accelerator's own package.
            named = (f"{i.backend}:{i.device or split_id(i.backend)[1]}" for i in implementations)
            wanted = list(dict.fromkeys([*wanted, *filter(is_known, named)]))
    ready, missing = [], {}
    for name in wanted:
        state = availability(name)
        if not state.available:
            missing[name] = state.reason
            continue
        try:
            get_backend(name)
        except BackendUnavailable as why:  # it is installed, and does not start
            missing[name] = str(why)
        else:
            ready.append(name)
    return ready, missing


def _modes(selection: Selection, backend_id: str) -> tuple[str, ...]:
    backend = get_backend(backend_id)
    if selection.modes:
        return tuple(m for m in backend.modes if m in selection.modes)
    return (backend.deep_modes or backend.modes) if selection.profile == "deep" else backend.default_modes


def _tasks(
    selection: Selection,
    chosen: Sequence[Property],
    ids: Sequence[str],
    implementations: Sequence[Implementation] | None,
) -> Iterable[Task]:
    for backend_id in ids:
        backend = get_backend(backend_id)
        offered = backend.catalogue() if implementations is None else implementations
        for implementation in offered:
            if implementation.backend != backend.name or implementation.device not in (None, backend.device):
                continue
            if selection.functions and implementation.function not in selection.functions:
                continue
            function = implementation.specification
            claimed = _claimed(function, implementation.formats)
            for mode in _modes(selection, backend_id):
                for fmt in FORMATS:
                    if fmt not in backend.formats or not _wants(fmt, selection, claimed):
                        continue
                    for claim in chosen:
                        if claim.modes is not None and mode not in claim.modes:
                            continue
                        for order in claim.orders:
                            if (not selection.orders or order in selection.orders) and claim.concerns(function, order):
                                yield Task(function, implementation, backend_id, mode, fmt, order, claim.id)


def _claimed(function: Function, formats: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The formats an implementation claims; of a conversion those that are wider than its target."""
    if function.rounds_to is None:
        return formats
    return tuple(f for f in wider_formats(get_format(function.rounds_to)) if formats is None or f in formats)


def _wants(fmt: str, selection: Selection, claimed: Sequence[str] | None) -> bool:
    """Whether a format is asked for: by the selection, else by the implementation, else by default."""
    return fmt in (selection.formats or claimed or DEFAULT_FORMATS) and (claimed is None or fmt in claimed)


def _absent(
    selection: Selection,
    chosen: Sequence[Property],
    missing: dict[str, str],
    implementations: Sequence[Implementation] | None,
) -> Iterable[Cell]:
    """The cells an absent backend would have had, so that its absence shows cell by cell."""
    for backend_id, reason in missing.items():
        name, _, device = backend_id.partition(":")
        if implementations is None:
            rows: list[tuple[Function, str, tuple[str, ...] | None]]
            rows = [(f, f"{name}.{f.name}", None) for f in CATALOGUE]
        else:
            mine = [i for i in implementations if i.backend == name and i.device in (None, device)]
            rows = [(i.specification, i.name, i.formats) for i in mine]
        for function, implementation, formats in rows:
            if selection.functions and function.name not in selection.functions:
                continue
            for fmt in FORMATS:
                if not _wants(fmt, selection, _claimed(function, formats)):
                    continue
                for claim in chosen:
                    for order in claim.orders:
                        if (not selection.orders or order in selection.orders) and claim.concerns(function, order):
                            yield Cell(
                                function.name, dict(function.params), implementation, name, device, "eager",
                                fmt, order, claim.id, "not-run", worded(NotRun.MISSING_BACKEND, reason),
                                why=NotRun.MISSING_BACKEND,
                            )  # fmt: skip
