"""Draft ledger entries from what fails here: ``python -m gradproof_properties.ledger.draft --backend torch:cpu``.

Judges the catalogue without a ledger and writes one ``[[entry]]`` per failing cell, with the deviations that
``reasons`` assigns. A draft is for a maintainer to read before it is kept: an entry says *known*, not *right*. What
the losses of the ledger explain (``losses-*.toml``) is left to them, since its inputs are luck of sample and processor.

Regions are the spans of all failing inputs. Where a claim is sampled they are padded at both ends, because another
seed meets other inputs at the edge, and mirrored for odd and even functions; ceilings are the worst error seen,
doubled and rounded up to two digits, for the same reason. Where it is exhaustive regions are exact and ceilings
rounded up only.
An entry already in the file for the same cell is merged when its SIMD level differs, replaced when it does not.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradproof.extend import (
    PROFILES,
    Budget,
    Deviation,
    Entry,
    Format,
    ImplementationFault,
    Ledger,
    Loss,
    Outcome,
    Probe,
    Selection,
    Task,
    Unsupported,
    Violations,
    WorkerState,
    explain_outcome,
    failing_spans,
    get_format,
    hardware,
    installed_properties,
    prepare_worker,
    probable_cause,
    split_id,
    write_text,
)
from gradproof.extend import arrays as fa
from gradproof_properties.ledger import directory
from gradproof_properties.ledger.reasons import deviation_for
from gradproof_properties.ledger.toml import document

WITNESSES = 3
SURVEY = replace(PROFILES["default"], base_32=1 << 17, base_64=1 << 12, examples=24, batch_64=48, pairs=1024)
SURVEY_SEEDS = (1, 2)
SAMPLED_MARGIN = {"float64": 2.0}
"""Padding of a sampled region in binades, more than the distance of two samples; a quarter where none is named."""
SAMPLED_GAP = {"float64": 8, "float32": 1}
"""Binades of passing inputs between two sampled spans that do not part them: among noisy errors some pass."""
LARGE_CEILING = 1e6
"""A ceiling beyond this is written as ``inf``: all accuracy is lost, by how much depends on the input tried."""


def draft(
    selection: Selection, witnesses: tuple[int, ...] = (), losses: Iterable[Loss] = ()
) -> tuple[list[Entry], list[Deviation]]:
    """Entries and deviations for every cell of ``selection`` that fails here, unless ``losses`` explain it.

    ``witnesses`` are inputs to try beside the property's own, of the one format of ``selection``.
    """
    lossy = Ledger(losses=losses)
    state = prepare_worker(replace(selection, use_ledger=False, jobs=0))
    entries: list[Entry] = []
    deviations: dict[str, Deviation] = {}
    for group in state.plan.groups:
        for task in group.tasks:
            made = _draft_task(task, selection, state, lossy, witnesses)
            if made is not None:
                entries.append(made[0])
                deviations[made[1].id] = made[1]
    return entries, list(deviations.values())


def _draft_task(
    task: Task, selection: Selection, state: WorkerState, lossy: Ledger, witnesses: tuple[int, ...] = ()
) -> tuple[Entry, Deviation] | None:
    probe = Probe(task, selection, witnesses)
    try:
        outcome = installed_properties()[task.property].check(probe, task.order)
    except (Unsupported, ImplementationFault):
        return None
    found = [v for v in outcome.violations if len(v)]
    sampled = outcome.evidence.kind != "exhaustive"
    if sampled:  # the points of the quick profile, which everybody meets, and if anything fails many more
        found += _survey(task, replace(selection, profile="quick"), selection.seed, PROFILES["quick"])
        found += [v for seed in SURVEY_SEEDS if found for v in _survey(task, selection, seed, SURVEY)]
    if not found:
        return None
    known, _ = explain_outcome(
        Outcome(outcome.evidence, found), lossy.about(task, state.surroundings), task, state.surroundings
    )
    if known is not None:
        return None
    cause = _cause(task, probe, found)
    deviation = deviation_for(task, cause, found[0].explanation)
    bits = np.concatenate([v.bits for v in found])
    magnitude = np.concatenate([v.magnitude for v in found])
    version = state.surroundings.versions.get(task.backend, "")
    entry = Entry(
        deviation=deviation.id,
        backend=task.backend,
        versions=_range(version),
        recorded=version,
        hardware=(state.surroundings.hardware[task.backend],),
        function=task.function.name,
        params=dict(task.function.params),
        modes=(task.mode,),
        format=task.format,
        order=task.order,
        property=task.property,
        regions=_regions(bits, probe, sampled=sampled),
        ceiling=_ceiling(float(magnitude.max()), sampled=sampled),
        witnesses=_witnesses(bits, magnitude),
    )
    return entry, deviation


def _survey(task: Task, selection: Selection, seed: int, budget: Budget) -> list[Violations]:
    """What the same check finds on other inputs, for a region that does not depend on one sample."""
    probe = Probe(task, replace(selection, seed=seed))
    probe.budget = budget
    return [v for v in installed_properties()[task.property].check(probe, task.order).violations if len(v)]


def _cause(task: Task, probe: Probe, found: Sequence[Violations]) -> str:
    worst = found[0]
    if worst.cause:
        return worst.cause
    if not worst.pointwise:
        return "rounding"
    i = int(np.lexsort((-np.nan_to_num(worst.magnitude, posinf=1e308), worst.severity))[0])
    bits, got = int(worst.bits[i]), int(worst.got[i])
    expected = probe.oracle.certified(bits, probe.format, task.order)
    return probable_cause(probe.oracle, probe.format, task.order, bits, got, expected, float(worst.magnitude[i]))


def _range(version: str) -> Any:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    parsed = Version(version)
    return SpecifierSet(f">={parsed.major}.{parsed.minor},<{parsed.major}.{parsed.minor + 1}")


def _regions(bits: Any, probe: Probe, *, sampled: bool) -> tuple[tuple[int, int], ...]:
    fmt = probe.format
    nan = fa.is_nan(bits, fmt)
    regions: list[tuple[int, int]] = []
    if (~nan).any():
        failing = fa.ordinals(bits[~nan], fmt)
        base = probe.base_points
        tried = fa.ordinals(base[fa.is_finite(base, fmt)], fmt)
        for span in failing_spans(tried, failing):
            low, high = _padded(span.low, span.high, fmt) if sampled else (span.low, span.high)
            sides = [(low, high)]
            if sampled and (probe.function.odd or probe.function.even):  # the sample met one side by luck
                sides.append((-high, -low))
            regions += [(fmt.from_ordinal(a), fmt.from_ordinal(b)) for a, b in sides]
    if nan.any():
        regions.append((fmt.nan_bits, fmt.nan_bits))
    return tuple(_merged(regions, fmt, _gap(fmt) if sampled else 0))


def _gap(fmt: Format) -> int:
    """Passing stretches up to this long (in ordinals) between sampled spans are luck of the sample."""
    return SAMPLED_GAP.get(fmt.name, 0) << (fmt.precision - 1)


def _padded(low: int, high: int, fmt: Format) -> tuple[int, int]:
    """The span of a sampled claim widened, never past a zero or an infinity it does not contain already."""
    margin = int(SAMPLED_MARGIN.get(fmt.name, 0.25) * (1 << (fmt.precision - 1)))
    floor = -fmt.max_bits if low < 0 else min(low, 1)
    roof = fmt.max_bits if high > 0 else max(high, -1)
    return (low if low < floor else max(low - margin, floor)), (high if high > roof else min(high + margin, roof))


def _merged(regions: Iterable[tuple[int, int]], fmt: Format, gap: int = 0) -> list[tuple[int, int]]:
    """Regions that overlap or lie no more than ``gap`` apart joined, never across 0; in order, NaN regions last."""
    numeric = sorted((fmt.ordinal(a), fmt.ordinal(b)) for a, b in regions if not (fmt.is_nan(a) or fmt.is_nan(b)))
    joined: list[tuple[int, int]] = []
    for low, high in numeric:
        last = joined[-1][1] if joined else None
        if last is not None and low <= last + 1 + (gap if (low > 0) == (last > 0) else 0):
            joined[-1] = (joined[-1][0], max(last, high))
        else:
            joined.append((low, high))
    result = [(fmt.from_ordinal(a), fmt.from_ordinal(b)) for a, b in joined]
    return result + ([(fmt.nan_bits, fmt.nan_bits)] if any(fmt.is_nan(a) for a, _ in regions) else [])


def _ceiling(worst: float, *, sampled: bool) -> float:
    if not worst < LARGE_CEILING:
        return math.inf
    grown = worst * (2.0 if sampled else 1.0)
    digits = 10.0 ** (math.floor(math.log10(grown)) - 1)
    return round(math.ceil(grown / digits) * digits, 6)


def _witnesses(bits: Any, magnitude: Any) -> tuple[int, ...]:
    """The worst failing inputs, one per distinct pattern."""
    order = np.argsort(-np.nan_to_num(magnitude, posinf=1e308), kind="stable")
    return tuple(dict.fromkeys(int(bits[i]) for i in order[:WITNESSES]))


def merge(old: Iterable[Entry], new: Iterable[Entry]) -> list[Entry]:
    """``old`` with ``new`` laid over it: merged across SIMD levels, replaced on the same one."""
    rows: dict[tuple[Any, ...], Entry] = {}
    for entry in [*old, *new]:
        key = (
            entry.backend, entry.function, tuple(sorted(entry.params.items())), entry.modes, entry.format,
            entry.order, entry.property,
        )  # fmt: skip
        before = rows.get(key)
        if before is None or set(before.hardware) <= set(entry.hardware):
            rows[key] = entry
            continue
        fmt = get_format(entry.format)
        rows[key] = replace(
            entry,
            hardware=tuple(sorted({*before.hardware, *entry.hardware})),
            regions=tuple(_merged([*before.regions, *entry.regions], fmt)),
            ceiling=max(before.ceiling, entry.ceiling),
            witnesses=tuple(dict.fromkeys([*before.witnesses, *entry.witnesses])),
        )
    return list(rows.values())


def file_name(backend: str, modes: Iterable[str]) -> str:
    """``torch-cpu.toml``, and ``torch-cpu-compiled.toml`` for a mode that a run does not cover by default."""
    more = [mode for mode in modes if mode not in split_id(backend)[0].default_modes]
    return "-".join([backend.replace(":", "-"), *more]) + ".toml"


def _drafted_anew(entry: Entry, selection: Selection) -> bool:
    """Whether ``entry`` was recorded at this SIMD level only and lies within what is drafted now."""
    return (
        entry.hardware == (hardware(entry.backend),)
        and (not selection.functions or entry.function in selection.functions)
        and (not selection.properties or entry.property in selection.properties)
        and (not selection.formats or entry.format in selection.formats)
        and (not selection.orders or entry.order in selection.orders)
        and (not selection.modes or set(entry.modes) <= set(selection.modes))
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draft or refresh one backend's ledger file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", required=True, help="backend id, such as torch:cpu")
    parser.add_argument("--function", action="append", default=[], help="only these functions")
    parser.add_argument("--property", action="append", default=[], help="only these properties")
    parser.add_argument("--format", action="append", default=[], help="only these formats")
    parser.add_argument("--order", action="append", default=[], type=int, help="only these orders")
    parser.add_argument("--mode", help="this mode, by default those that a run covers; others have a file of their own")
    parser.add_argument("--profile", default="default")
    parser.add_argument(
        "--witness", action="append", default=[], help="bits to try beside the property's inputs; takes one --format"
    )
    parser.add_argument("--into", type=Path, default=directory(), help="folder of the ledger files")
    chosen = parser.parse_args(arguments)
    modes = (chosen.mode,) if chosen.mode else ()
    file = chosen.into / file_name(chosen.backend, modes)
    selection = Selection(
        backends=(chosen.backend,),
        functions=tuple(chosen.function),
        properties=tuple(chosen.property),
        formats=tuple(chosen.format),
        orders=tuple(chosen.order),
        modes=modes,
        profile=chosen.profile,
    )
    if chosen.witness and len(chosen.format) != 1:
        parser.error("--witness takes exactly one --format, whose bits they are")
    witnesses = tuple(get_format(chosen.format[0]).parse_bits(w) for w in chosen.witness)
    standing = Ledger.read([chosen.into])
    entries, deviations = draft(selection, witnesses, standing.losses)
    mine = [e for e in standing.entries if e.backend == chosen.backend and file_name(e.backend, e.modes) == file.name]
    kept = [e for e in mine if not _drafted_anew(e, selection)]
    merged = merge(kept, entries)
    known = {**standing.deviations, **{d.id: d for d in deviations}}
    lossy = [loss.deviation for loss in standing.losses if loss.backend == chosen.backend and not chosen.mode]
    used = [known[name] for name in dict.fromkeys([*(e.deviation for e in merged), *lossy])]
    write_text(document(used, merged), file, "ledger")
    sys.stdout.write(f"{file}: {len(merged)} entries, {len(used)} deviations\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
