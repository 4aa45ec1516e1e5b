"""From a declared implementation and the options to its cells, in the order of their items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gradproof.backends.registry import split_id
from gradproof.engine.declared.markers import Declared
from gradproof.engine.planning.plan import plan
from gradproof.engine.request.selection import DEFAULT_SEED, Selection
from gradproof.engine.request.task import Task
from gradproof.errors import UsageError
from gradproof.plugin.context import PluginContext
from gradproof.results.model import Cell

T = TypeVar("T", str, int)


@dataclass(frozen=True)
class PlannedItem:
    """One item: a task to judge, or a cell that is settled before anything ran.

    ``absent`` is the reason why its backend, or the compiler of its mode, is missing.
    """

    cell: Cell
    selection: Selection
    task: Task | None = None
    absent: str = ""


def planned_items(declared: Declared, context: PluginContext) -> list[PlannedItem]:
    """The cells of ``declared`` that the options keep.

    Raises UsageError for unknown names in the mark, and when the mark alone leaves no cell.
    """
    ids = _backend_ids(declared, context)
    formats = _kept(declared.implementation.formats or (), context.formats)
    orders = _kept(declared.orders, context.orders)
    claims = _kept(declared.properties, context.filters["property"])
    modes = _kept(declared.modes, context.filters["mode"])
    if not ids or formats is None or orders is None or claims is None or modes is None:
        return []
    implementation = declared.implementation
    held_to = declared.contract
    contract = _choice("contract", None if held_to is None else held_to.name, context)
    if held_to is not None and contract == held_to.name:
        implementation = replace(implementation, terms=held_to)
    selection = Selection(
        backends=ids,
        formats=formats,
        orders=orders,
        properties=claims,
        modes=modes,
        contract=contract,
        profile=_choice("profile", declared.profile, context),
        seed=int(_number(context, "seed", DEFAULT_SEED)),
        jobs=0,
        time_limit=_number(context, "time-limit", Selection.time_limit),
    )
    made = plan(selection, [implementation])
    context.backends.update({name: made.unavailable.get(name, "") for name in ids})
    found = [PlannedItem(task.cell("not-run"), selection, task) for g in made.groups for task in g.tasks]
    found += [
        PlannedItem(cell, selection, absent=cell.reason if cell.status == "not-run" else "") for cell in made.settled
    ]
    if not found and not context.options.filtering:
        raise UsageError(
            f"expected at least one cell of {declared.implementation.function!r} on {', '.join(ids)}, got "
            "none: no property applies in the formats, orders and modes that the marker names"
        )
    return found


def _backend_ids(declared: Declared, context: PluginContext) -> tuple[str, ...]:
    """Ids of the devices to check on: the one the mark names, or every device of its backend."""
    kind, device = split_id(declared.backend)
    devices = (device,) if ":" in declared.backend else kind.devices
    named = [f"{kind.name}:{device}" for device in devices]
    backends, kept = context.filters["backend"], context.filters["device"]
    return tuple(
        i
        for i in named
        if (not backends or i in backends or kind.name in backends) and (not kept or i.partition(":")[2] in kept)
    )


def _kept(declared: Sequence[T], wanted: Sequence[T]) -> tuple[T, ...] | None:
    """What both sides ask for; an empty side asks for everything. None when they have nothing in common."""
    if not declared or not wanted:
        return tuple(declared or wanted)
    return tuple(v for v in declared if v in wanted) or None


def _choice(name: str, declared: str | None, context: PluginContext) -> str:
    """The command line before the mark before the configuration file."""
    given = context.options.single(name)
    return given.value if given.explicit or declared is None else declared


def _number(context: PluginContext, name: str, default: float) -> float:
    try:
        given = context.options.number(name)
    except ValueError as fault:
        raise UsageError(str(fault)) from None
    return default if given is None else given
