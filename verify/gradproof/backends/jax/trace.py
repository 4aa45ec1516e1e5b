"""What JAX does in one call: the equations of the jaxpr, one by one. Imports jax; only ``JaxBackend`` imports it, late.

Inner jaxprs (jit, custom derivatives, the branch of a cond) are entered. All elements of the input are the same, and an
array's first element stands for it. Compiled as a whole the same equations may be fused, and round less often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import numpy as np
from jax.extend.core import Literal

from gradproof.backends.base import Call, Implementation
from gradproof.backends.contract import differentiated, handed_in
from gradproof.backends.jax import calls
from gradproof.backends.jax.calls import DTYPES, _derivative, array, bits_of, lacks
from gradproof.formats import FORMATS, Format
from gradproof.formats.arrays import Bits
from gradproof.tracing.recording import (
    PHASES,
    SAME,
    Datum,
    Kind,
    Recording,
    SourceLine,
    Step,
    constant,
    datum,
    source_file,
    source_line,
)
from gradproof.tracing.shadow import RULES, fitting

_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}

RENAMED: Final[Mapping[str, str]] = {
    "add_any": "add", "logistic": "sigmoid", "integer_pow": "pow", "select_n": "where", "is_finite": "isfinite",
    "convert_element_type": SAME, "reduce_precision": SAME,
}  # fmt: skip
"""The rules of primitives whose name is another."""
PASSED_ON: Final = ("broadcast_in_dim", "copy", "copy_p", "reshape", "squeeze", "stop_gradient", "transpose")
"""Primitives that hand on the number they are given."""
OUTSIDE: Final = ("pure_callback", "io_callback", "ffi_call", "pallas_call")
"""Primitives that call what JAX knows nothing of."""
INNER: Final = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""The parameters in which primitives keep the jaxpr that they stand for."""


def traced(implementation: Implementation, lanes: Bits, fmt: Format, device: Any, order: int) -> Recording:
    """The operations of f^(order) at ``lanes``, all the same number, by reverse AD; the faults are ``evaluate``'s."""
    subject = handed_in(implementation, order) if implementation.derivatives else implementation
    file = source_file(subject.call, subject.file) if implementation.user else None
    x = array(lanes, fmt, device)
    function = _derivative(implementation, Call(order=order))
    closed = differentiated(implementation, order, lambda: jax.make_jaxpr(function)(x), lacks)
    reading = _Reading(file)
    start = reading.recording.add(Step("input", None, PHASES[0], (), _datum(x)))
    differentiated(implementation, order, lambda: reading.finish(closed, x, start), lacks)
    return reading.recording


_Known = tuple[Any, int]
"""An array and the step that made it."""


class _Reading:
    """Goes through jaxprs on concrete arrays and notes each equation."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.recording = Recording()

    def finish(self, closed: Any, x: Any, start: int) -> None:
        """Read the whole calculation and say which step's result comes out."""
        ((_, output),) = self.read(closed.jaxpr, closed.consts, [(x, start)], None, 0)
        self.recording.output = output

    def read(
        self, jaxpr: Any, consts: Sequence[Any], given: Sequence[_Known], line: SourceLine | None, depth: int
    ) -> list[_Known]:
        """The results of a jaxpr; ``line`` and ``depth`` (how often it was derived) are the calling equation's."""
        known: dict[Any, _Known] = dict(zip(jaxpr.invars, given, strict=True))
        known |= {var: self._constant(value) for var, value in zip(jaxpr.constvars, consts, strict=True)}

        def read(var: Any) -> _Known:
            return self._constant(var.val) if isinstance(var, Literal) else known[var]

        for eqn in jaxpr.eqns:
            operands = [read(var) for var in eqn.invars]
            results = self._equation(eqn, operands, line, depth)
            known |= dict(zip(eqn.outvars, results, strict=True))
        return [read(var) for var in jaxpr.outvars]

    def _constant(self, value: Any) -> _Known:
        return value, self.recording.add(Step("constant", None, PHASES[0], (), _datum(value)))

    def _equation(self, eqn: Any, operands: list[_Known], line: SourceLine | None, depth: int) -> list[_Known]:
        name = eqn.primitive.name
        stack = str(eqn.source_info.name_stack)
        depth = max(depth, stack.count("transpose("))
        line = line or source_line(_frames(eqn), self.file)
        inner = self._inner(eqn, operands)
        if inner is not None:
            return self.read(inner[0].jaxpr, inner[0].consts, inner[1], line, depth)
        answer = _bound(eqn, [value for value, _ in operands])
        results = list(answer) if eqn.primitive.multiple_results else [answer]
        first = _datum(results[0])
        if name in PASSED_ON and len(operands) == 1:
            source = operands[0][1]
            before = self.recording.steps[source].result
            if (before.format, before.bits, before.text) == (first.format, first.bits, first.text):
                return [(results[0], source)]
        rule, taken = _rule(name, eqn.params, [step for _, step in operands])
        kind: Kind = "operation"
        rule = fitting(rule, floating=results[0].dtype in _NAMES, truth=results[0].dtype == bool)
        if rule is None:
            kind = "custom kernel" if name in OUTSIDE else "framework function"
        node = stack if depth else None
        index = self.recording.add(Step(name, rule, PHASES[min(depth, 2)], taken, first, line, node, kind))
        rest = [
            (r, self.recording.add(Step(name, None, PHASES[min(depth, 2)], taken, _datum(r), line, node, kind)))
            for r in results[1:]
        ]
        return [(results[0], index), *rest]

    def _inner(self, eqn: Any, operands: list[_Known]) -> tuple[Any, list[_Known]] | None:
        """The jaxpr that an equation stands for, with its operands; None for one that calculates itself."""
        if eqn.primitive.name == "cond":
            chosen = int(np.asarray(operands[0][0]))
            branches = eqn.params["branches"]
            return branches[min(max(chosen, 0), len(branches) - 1)], operands[1:]
        if eqn.primitive.name in ("while", "scan", "pallas_call"):
            return None
        for key in INNER:
            found = eqn.params.get(key)
            if found is not None:
                return (found if hasattr(found, "consts") else jax.extend.core.ClosedJaxpr(found, ())), operands
        return None


def _bound(eqn: Any, operands: list[Any]) -> Any:
    """The primitive on concrete arrays."""
    made = eqn.primitive.get_bind_params(eqn.params)
    subfuns, params = made if isinstance(made, tuple) else ((), made)  # a pair in older releases
    return eqn.primitive.bind(*subfuns, *operands, **params)


def _rule(name: str, params: Mapping[str, Any], steps: list[int]) -> tuple[str | None, tuple[int | Datum, ...]]:
    rule = RENAMED.get(name) or (name if name in RULES else None)
    if name == "integer_pow":
        return rule, (*steps, constant(params["y"]))
    if name == "select_n":
        # The first case is the one for false.
        return (rule, (steps[0], steps[2], steps[1])) if len(steps) == 3 else (None, tuple(steps))
    if name == "clamp":
        return rule, (steps[1], steps[0], steps[2])
    return rule, tuple(steps)


def _frames(eqn: Any) -> list[tuple[str, int]]:
    traceback = eqn.source_info.traceback
    found = [] if traceback is None else [(f.file_name, f.line_num) for f in traceback.frames]
    # Who called us is not of interest.
    ours = [i for i, (name, _) in enumerate(found) if name == calls.__file__]
    return found[: ours[0]] if ours else found


def _datum(value: Any) -> Datum:
    """The number that all elements of an array are; no number where they differ."""
    held = np.asarray(value).reshape(-1)
    if not held.size or held.dtype.kind == "c":
        return constant(None)
    name = _NAMES.get(held.dtype)
    if name is None:
        same = held.dtype.kind in "biu" and bool((held == held[0]).all())
        return constant(held[0].item()) if same else constant(None)
    bits = bits_of(held, FORMATS[name])
    return datum(int(bits[0]), name) if (bits == bits[0]).all() else constant(None)
