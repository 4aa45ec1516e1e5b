"""An implementation with the true values where it is wrong by itself: the experiment that tells causes from effects.

A claim that relates several results fails as well where a single result is wrong. Whether that is all there is to it
is tried, not guessed: the claim is checked again on results that are right wherever the pointwise judgement found them
wrong. What then holds was accounted for; what still fails is a fault of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradproof.backends.base import Backend, Call, Implementation
from gradproof.engine.ledger.explained import Explainer
from gradproof.engine.properties.installed import properties
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.errors import OracleDisagreement
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats

ORDERS = (0, 1, 2)
TWIN = "numpy:cpu"


def accounted_for(task: Task, selection: Selection, by: Explainer | None = None) -> bool | None:
    """Whether the claim of ``task`` holds on the healed implementation; None where that cannot be tried.

    With ``by`` those results alone are healed that the ledger explains, and with them what keeps the contract where a
    deviation says that it breaks the relation.

    Claims about ways of calling are checked on the backend itself, with each way's results healed. All others are
    checked on a twin on NumPy whose f, f' and f'' are the implementation's own results, healed: the arithmetic around
    them is then NumPy's.
    """
    claim = properties()[task.property]
    if claim.about != "value":  # of conversions each result, or all of them together, is the claim's own matter
        return None
    try:
        if claim.about_calls:
            probe: Probe = Probe(task, selection)
            probe.backend = _Healing(probe, by)  # type: ignore[assignment]
        else:
            probe = _twin(task, selection, by)
        outcome = claim.check(probe, task.order)
    except OracleDisagreement:
        raise
    except Exception:  # whatever it is that the experiment meets, the verdict stands
        return None
    return not any(len(v) for v in outcome.violations) and outcome.evidence.n > 0


def healed(
    probe: Probe,
    bits: Bits,
    got: Bits,
    order: int,
    suspects: Bits | None = None,
    cotangent: float | Floats = 1.0,
    by: Explainer | None = None,
    *,
    unflushed: bool = False,
) -> Bits:
    """``got`` with the correctly rounded f^(order) at the inputs where ``suspects`` break the contract.

    ``suspects`` are the results that decide, ``got`` itself by default; all of shape (n,). ``cotangent`` is what the
    reverse pass of ``got`` starts from, at all inputs or at each: the true value is multiplied by it. ``by`` as for
    ``accounted_for``. ``unflushed``: also where the backend's flushing excuses a result, for arithmetic that does not
    flush.
    """
    reference = probe.references(bits)[order]
    decisive = got if suspects is None else suspects
    judged = probe.judge(bits, decisive, order, reference)
    wrong = judged.failing.copy()
    if by is not None:
        rows = np.flatnonzero(wrong)
        wrong[rows] = by.results(probe, order, bits[rows], decisive[rows])
        if suspects is not None and np.all(cotangent == 1.0):  # another way may have the same fault at other inputs
            rows = np.flatnonzero(probe.judge(bits, got, order, reference).failing & ~wrong)
            wrong[rows] = by.results(probe, order, bits[rows], got[rows])
        if by.related:
            rows = np.flatnonzero(~wrong)
            wrong[rows] = by.unrelated(probe, order, bits[rows], got[rows])
    if unflushed:
        wrong |= judged.excused
    true = reference.rounded
    if np.any(cotangent != 1.0):
        with np.errstate(all="ignore"):
            true = fa.round_values(reference.values * cotangent, probe.format)
    return np.where(wrong, true, got).astype(got.dtype)


class _Healing:
    """A backend whose every answer is healed where the usual call's answer is wrong."""

    def __init__(self, probe: Probe, by: Explainer | None) -> None:
        self._probe = probe
        self._by = by
        self._backend: Backend = probe.backend
        self.id = f"{probe.backend.id} healed"  # what is kept by a backend's id is not this one's
        self._usual = Call(mode=probe.mode, path=probe.paths[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """As ``Backend.evaluate``, healed."""
        got = self._backend.evaluate(implementation, bits, fmt, call)
        if implementation is not self._probe.implementation or not bits.size:
            return got
        usual = replace(self._usual, order=call.order)
        suspects = got if call == usual else self._backend.evaluate(implementation, bits, fmt, usual)
        cotangent = call.cotangent * np.where(call.unequal & (np.arange(bits.size) % 2 == 1), 2.0, 1.0)
        answer = healed(self._probe, bits.ravel(), got.ravel(), call.order, suspects.ravel(), cotangent, self._by)
        return answer.reshape(bits.shape)


def _twin(task: Task, selection: Selection, by: Explainer | None) -> Probe:
    """The probe of the healed implementation on NumPy."""
    subject = Probe(task, selection)
    fmt = subject.format
    known = [order for order in ORDERS if subject.has_derivative(order)]

    def at(order: int) -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            bits = np.ascontiguousarray(x).view(fa.storage(fmt)).ravel()
            answer = healed(subject, bits, subject.evaluate(bits, order), order, by=by, unflushed=True)
            return answer.view(x.dtype).reshape(x.shape)

        return call

    twin = Implementation(
        function=task.implementation.function,
        backend=TWIN.partition(":")[0],
        name=task.implementation.name,
        call=at(0),
        params=task.implementation.params,
        derivatives=tuple(at(order) for order in known[1:]),
        formats=(task.format,),
        contract=task.implementation.contract,
        terms=task.implementation.terms,
        declared=task.function,
    )
    return Probe(replace(task, implementation=twin, backend=TWIN, mode="eager"), selection)
