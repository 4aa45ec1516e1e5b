"""Timers for run_cost.py: imported by every process of the command that is measured, before anything else.

Each wrapped function is a phase; the processor time of the process while it is the innermost one counts to it, under
the backend of the cell that is judged. Names that a checkout does not have are left out, so that old and new ones can
be measured alike. Written to a file of the process now and then, since workers are killed at the end of a run.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PHASES: Final[dict[str, dict[str, str]]] = {
    "gradproof.engine.planning.plan": {"plan": "planning"},
    "gradproof.engine.ledger.ledger": {"Ledger.read": "reading the ledger", "Ledger.about": "asking the ledger"},
    "gradproof.engine.judging.certificates": {"certify_failure": "certificates"},
    "gradproof.engine.surroundings.environment": {
        "environment": "environment and traits",
        "backend_table": "environment and traits",
        "surroundings": "environment and traits",
    },
    "gradproof.oracle.oracle": {
        "Oracle.references": "oracle references",
        "Oracle.certified": "oracle values",
        "Oracle.piece_value": "oracle values",
        "Oracle.supremum": "oracle suprema",
        "Oracle.suprema": "oracle suprema",
    },
    "gradproof.measure.judge": {"judge": "judging"},
    "gradproof.backends.numpy.backend": {
        "NumpyBackend.evaluate": "evaluation",
        "NumpyBackend.chain": "evaluation",
        "NumpyBackend.traits": "environment and traits",
    },
    "gradproof.backends.torch.backend": {
        "TorchBackend.evaluate": "evaluation",
        "TorchBackend.chain": "evaluation",
        "TorchBackend.traits": "environment and traits",
    },
    "gradproof.backends.jax.backend": {
        "JaxBackend.evaluate": "evaluation",
        "JaxBackend.chain": "evaluation",
        "JaxBackend.traits": "environment and traits",
        "JaxBackend.release": "releasing compiled code",
    },
    "jax._src.compiler": {"compile_or_get_cached": "compiling"},
    "jax._src.interpreters.mlir": {"lower_jaxpr_to_module": "lowering"},
    "jax._src.interpreters.partial_eval": {"trace_to_jaxpr_dynamic": "tracing"},
    "gradproof.cli.outputs": {"write": "reports and results"},
    "gradproof.cli.summary": {"summarise": "reports and results"},
    "gradproof.results.claims": {"judge": "reports and results"},
}
"""Module -> function -> phase. A property's own work is what is left of its cell."""
CELL: Final = ("gradproof.engine.judging.verdict", "decide")
BEFORE: Final = {
    "gradproof.engine.planning.plan": "gradproof.engine.plan",
    "gradproof.engine.ledger.ledger": "gradproof.engine.ledger",
    "gradproof.engine.judging.certificates": "gradproof.engine.certificates",
    "gradproof.engine.judging.verdict": "gradproof.engine.verdict",
    "gradproof.engine.surroundings.environment": "gradproof.engine.environment",
}
"""Where checkouts from before have what now lies elsewhere."""
EVERY: Final = 0.25
"""Processor seconds after which the figures are written again."""

_spent: dict[tuple[str, str], float] = defaultdict(float)
_stack: list[str] = []
_since = time.process_time()
_written = 0.0
_backend = ""
_file = Path(os.environ["GRADPROOF_RUN_COST"]) / f"{os.getpid()}.json" if "GRADPROOF_RUN_COST" in os.environ else None


def _charge() -> None:
    """Charge what was spent since the last call to the innermost phase."""
    global _since, _written
    now = time.process_time()
    if _stack:
        _spent[_stack[-1], _backend] += now - _since
    _since = now
    if now - _written > EVERY:
        _written = now
        _write()


def _write() -> None:
    if _file is not None:
        part = _file.with_suffix(".part")
        part.write_text(json.dumps([[*key, seconds] for key, seconds in _spent.items()]), "utf-8")
        part.replace(_file)


@contextlib.contextmanager
def _phase(name: str) -> Any:
    _charge()
    _stack.append(name)
    try:
        yield
    finally:
        _charge()
        _stack.pop()


def _timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        with _phase(name):
            return function(*given, **named)

    return call


def _cell(decide: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(decide)
    def call(task: Any, *given: Any, **named: Any) -> Any:
        global _backend
        _charge()
        before, _backend = _backend, task.backend.partition(":")[0]
        try:
            with _phase(f"property {task.property}"):
                return decide(task, *given, **named)
        finally:
            _charge()
            _backend = before

    return call


def _wrap(module: Any, path: str, make: Callable[[Any], Any]) -> None:
    """Replace ``path`` (``function`` or ``Class.method``) of a module, and what other modules imported of it."""
    *owners, name = path.split(".")
    owner = module
    for part in owners:
        owner = getattr(owner, part, None)
    original = vars(owner).get(name) if owner is not None else None
    if original is None:
        return
    if isinstance(original, classmethod | staticmethod):
        setattr(owner, name, type(original)(make(original.__func__)))
        return
    made = make(original)
    setattr(owner, name, made)
    for other in [m for n, m in sys.modules.items() if n.startswith(("gradproof", "jax"))]:
        for key, value in list(vars(other).items()) if hasattr(other, "__dict__") else ():
            if value is original:
                setattr(other, key, made)


_waiting = {**PHASES, CELL[0]: {CELL[1]: ""}}
_waiting |= {before: _waiting[now] for now, before in BEFORE.items()}
_importing = importlib._bootstrap._find_and_load  # type: ignore[attr-defined]
_depth = 0


def _find_and_load(name: str, import_: Any) -> Any:
    """An import that happens: its time is a phase, and what it brings is wrapped once it is complete."""
    global _depth
    _depth += 1
    try:
        with _phase("imports"):
            module = _importing(name, import_)
    finally:
        _depth -= 1
    if _depth == 0:
        for waiting in [n for n in _waiting if n in sys.modules]:
            for path, phase in _waiting.pop(waiting).items():
                make = (
                    _cell
                    if (waiting, path) in (CELL, (BEFORE[CELL[0]], CELL[1]))
                    else functools.partial(_timed, name=phase)
                )
                _wrap(sys.modules[waiting], path, make)
    return module


if _file is not None:
    import atexit

    atexit.register(lambda: (_charge(), _write()))
    importlib._bootstrap._find_and_load = _find_and_load  # type: ignore[attr-defined]
