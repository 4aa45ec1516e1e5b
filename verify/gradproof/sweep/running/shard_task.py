"""One shard worked on, wherever that is: what came out, or why nothing did, and under which versions."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from gradproof.errors import SPOILING, ImplementationFault
from gradproof.execution.timelimit import ending_after
from gradproof.execution.work import retire
from gradproof.sweep.plan import Shard

WORK: Final = "gradproof.sweep.judging.work:work"
"""Where the work on a shard is found, by name: the executors' processes import it when they need it."""

_alone = threading.Lock()


def run_shard(shard: Shard, work: str = WORK, limit: float | None = None) -> dict[str, Any]:
    """``result``, or ``fault`` with its type, kind and message; ``environment``, and ``seconds`` the work took.

    Never raises what the work raises: not every exception survives the way between processes. One shard at a time in
    each process, since frameworks' settings belong to the process. After ``limit`` seconds the process ends itself, for
    executors that do not end it.
    """
    answer: dict[str, Any] = {}
    with _alone, ending_after(limit):
        begun = time.perf_counter()
        try:
            from gradproof.sweep.running.environment import environment

            answer["environment"] = environment(shard.target)
            begun = time.perf_counter()
            module, _, name = work.partition(":")
            answer["result"] = getattr(import_module(module), name)(shard)
        except Exception as fault:
            answer["fault"] = fault_record(fault)
            if answer["fault"]["kind"] in SPOILING:
                retire()
        answer["seconds"] = time.perf_counter() - begun
    return answer


def fault_record(fault: BaseException) -> dict[str, Any]:
    """An error as plain data: the name of its type, the kind of an ImplementationFault, and its message."""
    return {
        "type": type(fault).__name__,
        "kind": fault.kind if isinstance(fault, ImplementationFault) else "",
        "message": str(fault),
    }


def fault_status(fault: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Status, reason, and whether it is gradproof's own fault, of an error as ``fault_record`` puts it."""
    kind, text = fault["type"], fault["message"]
    status = {"Unsupported": "unsupported", "BackendUnavailable": "not-run"}.get(kind, "error")
    internal = status == "error" and kind not in ("ImplementationFault", "UsageError")
    return status, f"{kind}: {text}" if internal else text, internal
