"""Results that were made elsewhere, judged: as a run judges single inputs, or as a sweep all of a range.

Consecutive float32 inputs go the way of a sweep, its shards read from the file in place of calls, so that 2^32 results
take no more memory than one. Other inputs are judged one by one, each with its certified value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gradproof.backends.base import Implementation, Traits
from gradproof.engine.declared.userfiles import load
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.running.run import Listener, run
from gradproof.engine.subject.probe import Probe
from gradproof.errors import UsageError
from gradproof.external.description import Elsewhere
from gradproof.external.inputs import MOST_LISTED, Inputs, RangeInputs
from gradproof.external.recorded import NotRecorded
from gradproof.formats import get_format
from gradproof.formats.arrays import Bits
from gradproof.functions import Function
from gradproof.measure import Judgement
from gradproof.results.findings import findings
from gradproof.results.model import RunResult
from gradproof.sweep.api import Means, TargetResult, conduct
from gradproof.sweep.judging.subject import LOOKED_AT
from gradproof.sweep.plan import Target, params
from gradproof.sweep.results.outcome import clustered
from gradproof.sweep.running.campaign import Job, Observer, SilentObserver
from gradproof.sweep.targets import SweepPlan, Wanted

FOLDER: Final = Path(".gradproof") / "judged"
"""Where descriptions lie, and the finished shards of what is being judged."""
SWEPT: Final = 1 << 18
"""Consecutive float32 inputs from which on they are swept."""
CLAIMS: Final = ("accuracy", "special-values")
MORE_CLAIMS: Final = ("saturation", "shape", "kink-convention")
"""Those that every bit pattern of a format of 16 bits or fewer allows too."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """Results on their way to a verdict. ``flushing`` says what their device flushes, and how that is known."""

    made: Elsewhere
    path: str
    inputs: Inputs
    flushing: str

    @property
    def swept(self) -> bool:
        """Whether a sweep judges them."""
        narrow = self.made.specification.rounds_to is not None
        ranged = isinstance(self.inputs, RangeInputs) and self.inputs.count >= SWEPT
        return ranged and self.inputs.format.width == 32 and not narrow


def prepared(made: Elsewhere, contract: str, folder: Path | None = None) -> Recorded:
    """What is to be judged, checked as far as it can be before: the files, their types and lengths.

    ``made.traits`` of None are inferred from the results. Raises UsageError for files that do not fit.
    """
    root = FOLDER if folder is None else folder
    how = "declared"
    inputs = made.recorded().inputs
    if isinstance(inputs, RangeInputs):  # whoever reads the description need not go through a file of them again
        made = replace(made, inputs=(inputs.first, inputs.last))
    _check_number(made, inputs)
    path = made.write(root)
    (implementation,) = load(path)
    if made.traits is None:
        task = Task(
            made.specification, implementation, "bits:file", "eager", made.format, made.order,
            "accuracy" if made.specification.rounds_to is None else "conversion",
        )  # fmt: skip
        seen = Probe(task, Selection(contract=contract), most=LOOKED_AT).seen_flushing
        made, how = replace(made, traits=Traits(seen.results, seen.inputs)), f"inferred from the results: {seen}"
        Path(path).unlink()
        path = made.write(root)
    return Recorded(made, path, inputs, how)


def _check_number(made: Elsewhere, inputs: Inputs) -> None:
    one_by_one = made.specification.rounds_to is None and inputs.format.width != 32
    if one_by_one and inputs.count > MOST_LISTED:
        raise UsageError(
            f"expected at most {MOST_LISTED:,} inputs of {made.format}, each of which the oracle looks at, got "
            f"{inputs.count:,}; judge them in parts"
        )


def judge_swept(
    found: Recorded, contract: str, workers: int | None = None, observer: Observer | None = None, *, fresh: bool = False
) -> tuple[RunResult, list[TargetResult]]:
    """The verdict of a sweep on consecutive float32 results; what is finished is kept until all is. Errors as
    ``gradproof.run_sweep``.
    """
    inputs, function = found.inputs, found.made.specification
    assert isinstance(inputs, RangeInputs)
    target = Target(
        function.name, params(function.params), found.made.name, "bits:file", "eager", found.made.format,
        found.made.order, contract, str(Path(found.path).absolute()), function.digest,
    )  # fmt: skip
    wanted = Wanted(
        (function.name,), ("bits:file",), (target.format,), (target.order,), contract=contract,
        bits=None if inputs.complete else f"{inputs.first:#x}..{inputs.last:#x}",
    )  # fmt: skip
    planned = SweepPlan([Job(target, inputs.first, inputs.last)])
    means = Means(workers=workers, folder=Path(found.path).parent / "shards", fresh=fresh)
    result, rows = conduct(wanted, planned, means, observer or SilentObserver())
    rows = [
        replace(row, cell=clustered(row.target, row.swept.result, row.cell))
        if row.swept is not None and row.swept.result is not None
        else row
        for row in rows
    ]
    cells = [row.cell for row in rows]
    return _told(replace(result, cells=cells, findings=findings(cells)), found), rows


def judge_listed(
    found: Recorded, contract: str, listener: Listener | None = None, claims: Sequence[str] = ()
) -> RunResult:
    """The verdict of a run on results that are judged one by one. Errors as ``gradproof.run``."""
    made = found.made
    if made.specification.rounds_to is not None:
        usual: tuple[str, ...] = ("conversion",)
    else:
        every = found.inputs.complete and get_format(made.format).is_16_bit
        usual = (*CLAIMS, *(MORE_CLAIMS if every else ()))
    selection = Selection(
        files=(found.path,), formats=(made.format,), orders=(made.order,), properties=tuple(claims) or usual,
        contract=contract, jobs=1,
    )  # fmt: skip
    return _told(run(selection, listener), found)


def judged_rows(
    function: Function, fmt: str, order: int, rows: tuple[Bits, Bits], contract: str, traits: Traits | None = None
) -> tuple[Judgement, list[str]]:
    """The judgement of each of ``rows``, inputs and results of shape (n,), by itself; and what is due at those that
    fail, as decimal text (``a convention`` where no number is; empty at the others).
    """
    bits, got = rows
    silent = Implementation(
        function.name, "bits", "rows", NotRecorded(order), function.params, user=True, declared=function,
        traits=traits or Traits(flushes_results=False, zeros_inputs=False), narrows_to=function.rounds_to,
    )  # fmt: skip
    probe = Probe(Task(function, silent, "bits:file", "eager", fmt, order, CLAIMS[0]), Selection(contract=contract))
    judgement = probe.judge(bits, got, order)
    due = []
    for pattern, bad in zip(bits, judgement.failing, strict=True):
        right = probe.certified(int(pattern), order) if bad else None
        known = right is not None and right.kind in ("finite", "infinite", "nan")
        due.append("" if right is None else probe.format.decimal(right.bits) if known else "a convention")
    return judgement, due


def _told(result: RunResult, found: Recorded) -> RunResult:
    """The result with what was judged among its settings."""
    settings: dict[str, Any] = {**result.run.settings}
    traits = found.made.traits
    assert traits is not None
    settings["judged"] = {
        "results": found.made.name,
        "inputs": found.inputs.count,
        "flushing": {
            "flushes_results": traits.flushes_results,
            "zeros_inputs": traits.zeros_inputs,
            "known": found.flushing,
        },
    }
    return replace(result, run=replace(result.run, settings=settings))
