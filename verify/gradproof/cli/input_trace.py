"""The operations of a file's implementations at one input, for ``gradproof explain --bits``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradproof.backends import get_backend
from gradproof.backends.base import Backend
from gradproof.cli.console import text
from gradproof.cli.failures import print_row
from gradproof.cli.operations import show_trace
from gradproof.cli.options import given_options, selection
from gradproof.config import effective
from gradproof.engine.declared.userfiles import exits_raised, load
from gradproof.engine.judging.certificates import usual_claim
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.engine.subject.traces import trace
from gradproof.errors import BackendUnavailable, ImplementationFault
from gradproof.formats import get_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from gradproof.engine.request.selection import Selection


def show_input(out: Console, file: str, bits: str, options: dict[str, Any]) -> None:
    """The trace at one input, of every implementation and order that the options leave.

    Calls what the file registers in this process, as ``gradproof repro`` does. Raises UsageError for bits that are
    none of the format.
    """
    chosen = selection(effective(given_options(options)), (file,))
    fmt = get_format(chosen.formats[0])
    pattern = fmt.parse_bits(bits)
    with exits_raised():
        for task in _tasks(file, fmt.name, chosen):
            title = f"{task.implementation.name}, f{chr(39) * task.order} on {task.backend} in {fmt.name}"
            out.print(text((f"{title} at {fmt.decimal(pattern)} ({fmt.bits_text(pattern)})", "bold")))
            try:
                rows = trace(Probe(task, chosen), task.order, pattern)
            except (BackendUnavailable, ImplementationFault) as why:
                print_row(out, "where", str(why))
                continue
            if rows:
                show_trace(out, rows)
            else:
                print_row(out, "where", _why_not(task))
            out.print()


def _why_not(task: Task) -> str:
    backend = get_backend(task.backend)
    if type(backend).trace is Backend.trace:
        return f"no trace on {backend.name}"
    return "no trace: it cannot be called so, its result comes from none of its operations, or they are too many"


def _tasks(file: str, fmt: str, chosen: Selection) -> Iterator[Task]:
    for one in load(file):
        if chosen.functions and one.function not in chosen.functions:
            continue
        ids = [b for b in chosen.backends if b.partition(":")[0] == one.backend]
        if chosen.backends and not ids:
            continue
        backend = get_backend(ids[0] if ids else f"{one.backend}:{one.device or 'cpu'}").id
        for order in chosen.orders or (0, 1, 2):
            function = one.specification
            yield Task(function, one, backend, "eager", fmt, order, usual_claim(function))
