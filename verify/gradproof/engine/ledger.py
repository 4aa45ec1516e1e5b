"""The ledger of known deviations: reading it, matching it, and noticing when it is out of date.

A ledger file is TOML: ``[deviation.<id>]`` tables (title, reason, upstream), ``[[entry]]`` rows, one per cell they
explain, and ``[[loss]]`` rows, one per formula that loses digits (``losses``; ``backend`` and ``versions`` may stand at
the head of the file for all of them). Witnesses are tried in every run, so a sampled run cannot miss a deviation by
luck.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from gradproof.backends.base import Implementation
from gradproof.cache import toml
from gradproof.config import check_known
from gradproof.engine.installed import properties
from gradproof.engine.known import Known
from gradproof.engine.losses import Loss
from gradproof.engine.property import Outcome, Violations
from gradproof.engine.task import Task
from gradproof.errors import UsageError
from gradproof.files.reading import read_text
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.functions import CATALOGUE
from gradproof.functions.function import exact
from gradproof.results.formatting import digits, figure
from gradproof.results.model import LedgerState

Mask = npt.NDArray[np.bool_]

SAME_KERNELS: Final = {"autocast": "eager"}
"""Modes that mostly call the kernels of another: its entries explain what they show too, within region and ceiling.
Autocast runs some operations in a wider format, where a deviation may not show; so no entry of eager is ``gone`` in it.
"""


@dataclass(frozen=True)
class Deviation:
    """What is known about one deviation of a framework: a line, the reason, where it was reported."""

    id: str
    title: str
    reason: str
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One cell that a deviation explains.

    ``regions`` are pairs of bit patterns, both ends included, along the number line (one pattern twice for a
    NaN). ``ceiling`` bounds the error over the cell's bound (inf where a class is wrong). ``witnesses`` are
    inputs that fail. ``versions`` is a PEP 440 range of the framework, ``recorded`` the exact version and
    ``hardware`` the vendors and SIMD levels it was seen on (``AMD AVX2``).
    """

    deviation: str
    backend: str
    versions: SpecifierSet
    recorded: str
    hardware: tuple[str, ...]
    function: str
    params: dict[str, Any]
    modes: tuple[str, ...]
    format: str
    order: int
    property: str
    regions: tuple[tuple[int, int], ...]
    ceiling: float
    witnesses: tuple[int, ...]
    loss: Loss | None = None
    """What it is derived from, if so: it explains on any hardware whatever is within, and nothing must show."""

    @builtins.property  # the field of that name hides the decorator
    def id(self) -> str:
        """Readable identifier, unique within a ledger."""
        params = "".join(f",{k}={v}" for k, v in sorted(self.params.items()))
        return (
            f"{self.deviation}: {self.function}{params} {self.backend} {'/'.join(self.modes)} {self.format} "
            f"order{self.order} {self.property}"
        )

    @builtins.property
    def derived(self) -> bool:
        """Whether it comes from a loss, and not from what some processor showed."""
        return self.loss is not None

    def admits(self, found: Failures) -> Mask:
        """Which of the failures, all within the regions, are no worse than it says: by ``ceiling``, or by its loss.

        A loss knows the error of a result. What a relation between several results comes to it knows less well.
        """
        within: Mask = found.magnitude <= self.ceiling
        if self.loss is None:
            return within
        room = self.loss.room(found.size, get_format(self.format), self.params)
        return np.where(np.isnan(found.absolute), within, found.absolute <= room)


@dataclass(frozen=True)
class Failures:
    """The failing inputs of an outcome, one row each: ordinals, |x|, error over bound, and the error where known."""

    bits: Bits
    ordinals: Ints
    size: Floats
    magnitude: Floats
    absolute: Floats

    @classmethod
    def of(cls, violations: Iterable[Violations], fmt: Format) -> Failures:
        """All of them; ``absolute`` is NaN where the claim is not about the error of one result.

        It is inf where no number came back: an infinity in place of one is no loss of digits, however near.
        """
        rows = list(violations)
        bits = np.concatenate([v.bits for v in rows])
        absolute = [
            np.full(len(v), np.nan) if v.absolute is None else np.where(fa.is_finite(v.got, fmt), v.absolute, np.inf)
            for v in rows
        ]
        magnitude = np.concatenate([v.magnitude for v in rows])
        return cls(bits, fa.ordinals(bits, fmt), np.abs(fa.values(bits, fmt)), magnitude, np.concatenate(absolute))

    def __getitem__(self, rows: Mask) -> Failures:
        return Failures(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Surroundings:
    """What an entry's environment is compared with, by backend id: framework version, vendor and SIMD level."""

    versions: dict[str, str]
    hardware: dict[str, str]


class Ledger:
    """All entries, deviations and losses in force."""

    def __init__(
        self, entries: Iterable[Entry] = (), deviations: Iterable[Deviation] = (), losses: Iterable[Loss] = ()
    ) -> None:
        self.entries = list(entries)
        self.deviations = {d.id: d for d in deviations}
        self.losses = list(losses)

    @classmethod
    def read(cls, directories: Iterable[Path]) -> Ledger:
        """Every ``*.toml`` of the directories; UsageError naming file and entry for a malformed one."""
        entries: list[Entry] = []
        deviations: list[Deviation] = []
        losses: list[Loss] = []
        for file in sorted(f for d in directories for f in Path(d).glob("*.toml")):
            try:
                document = toml.loads(read_text(file, "a ledger"))
            except (ValueError, RecursionError) as fault:  # also of what is too long or too deep to be read
                raise UsageError(f"ledger file {file} is not valid TOML: {fault}") from None
            for key, table in document.get("deviation", {}).items():
                deviations.append(_deviation(key, table, file))
            for number, table in enumerate(document.get("entry", []), 1):
                entries.append(_entry(table, f"{file}, entry {number}"))
            shared = {key: document[key] for key in ("backend", "versions") if key in document}
            for number, table in enumerate(document.get("loss", []), 1):
                losses.append(_loss(shared | table, f"{file}, loss {number}"))
        ledger = cls(entries, deviations, losses)
        for entry in entries:
            if entry.deviation not in ledger.deviations:
                raise UsageError(f"ledger entry {entry.id!r} names no deviation of the ledger")
        for loss in losses:
            if loss.deviation not in ledger.deviations:
                about = ", ".join(loss.functions)
                raise UsageError(f"a loss of {about} names no deviation of the ledger: {loss.deviation!r}")
        return ledger

    def declare(self, implementations: Iterable[Implementation]) -> None:
        """Add the deviations that the authors of ``implementations`` declare, so that reports can name them."""
        for implementation in implementations:
            for known in implementation.known:
                key = _reference(implementation, known)
                title = f"{implementation.name} ({known.property}): {known.reason}"
                self.deviations[key] = Deviation(
                    key, title, "Declared by the author of the implementation.", known.upstream
                )

    def about(self, task: Task, surroundings: Surroundings) -> list[Entry]:
        """Entries for the cell of ``task`` whose version range holds here, those that its losses make last.

        For a user's code its own declarations alone.
        """
        version = surroundings.versions.get(task.backend, "")
        if task.implementation.user:
            self.declare([task.implementation])
            return _declared(task, version, surroundings.hardware.get(task.backend, ""))
        return [
            e
            for e in self.entries
            if (e.backend, e.function, e.format, e.order, e.property)
            == (task.backend, task.function.name, task.format, task.order, task.property)
            and (task.mode in e.modes or SAME_KERNELS.get(task.mode) in e.modes)
            and {k: exact(v) for k, v in e.params.items()} == task.function.exact_params
            and _covers(e.versions, version)
        ] + [_derived(loss, task, version) for loss in self.losses if _concerns(loss, task, version)]


def _concerns(loss: Loss, task: Task, version: str) -> bool:
    """Whether a loss is about the results that the cell of ``task`` rests on, or about the cell by name."""
    orders = (task.order,) if loss.properties else properties()[task.property].rests_on(task.order)
    return (
        loss.backend == task.backend
        and task.function.name in loss.functions
        and not set(loss.orders).isdisjoint(orders)
        and (not loss.properties or task.property in loss.properties)
        and (not loss.formats or task.format in loss.formats)
        and (not loss.modes or task.mode in loss.modes or SAME_KERNELS.get(task.mode) in loss.modes)
        and _covers(loss.versions, version)
    )


def _derived(loss: Loss, task: Task, version: str) -> Entry:
    """What a loss says of one cell."""
    fmt, params = get_format(task.format), task.function.exact_params
    return Entry(
        deviation=loss.deviation, backend=task.backend, versions=loss.versions, recorded=version, hardware=(),
        function=task.function.name, params=dict(task.function.params), modes=(task.mode,), format=task.format,
        order=task.order, property=task.property, regions=loss.regions(fmt, params),
        ceiling=loss.ceiling(fmt, params), witnesses=(), loss=loss,
    )  # fmt: skip


def _declared(task: Task, version: str, hardware: str) -> list[Entry]:
    """The deviations that the author of the task's implementation declares, as entries that are at home here."""
    fmt, implementation = get_format(task.format), task.implementation
    return [
        Entry(
            deviation=_reference(implementation, known), backend=task.backend, versions=SpecifierSet(""),
            recorded=version, hardware=(hardware,), function=task.function.name, params=dict(task.function.params),
            modes=(task.mode,), format=task.format, order=task.order, property=task.property, regions=known.bits(fmt),
            ceiling=known.ceiling, witnesses=(),
        )
        for known in implementation.known
        if known.covers(task.property, task.format, task.order)
    ]  # fmt: skip


def _reference(implementation: Implementation, known: Known) -> str:
    return f"{implementation.name}: {known.property}: {known.reason}"


def _covers(versions: SpecifierSet, version: str) -> bool:
    try:
        # A local build tag (2.13.0+cpu) does not leave the range its release is in.
        return versions.contains(Version(version).public, prereleases=True)
    except ValueError:
        return False


def explain(
    outcome: Outcome, entries: list[Entry], task: Task, surroundings: Surroundings
) -> tuple[str | None, list[LedgerState]]:
    """The deviation that explains every violation of ``outcome`` (None when one does not), and entry states."""
    failing = [v for v in outcome.violations if len(v)]
    if not entries:
        return None, []
    fmt = get_format(task.format)
    if not failing:
        return None, [_vanished(e, task, surroundings) for e in entries if not e.derived]
    found = Failures.of(failing, fmt)
    bits, magnitude = found.bits, found.magnitude
    inside = [_inside(found.ordinals, entry, fmt) for entry in entries]
    within = [rows.copy() for rows in inside]
    for rows, entry in zip(within, entries, strict=True):
        rows[rows] = entry.admits(found[rows])
    explained = np.logical_or.reduce(within)
    states = []
    for entry, rows in zip(entries, inside, strict=True):
        above = rows & ~explained
        if above.any():
            worst = float(magnitude[above].max())
            detail = f"error over bound {figure(worst, digits(worst, entry.ceiling))} above {figure(entry.ceiling)}"
            states.append(LedgerState(entry.id, entry.deviation, "grown", detail))
        elif entry.derived:
            continue
        elif rows.any():
            states.append(LedgerState(entry.id, entry.deviation, "seen"))
        else:
            states.append(_vanished(entry, task, surroundings))
    if explained.all():
        worst = magnitude == magnitude.max()  # an entry with a higher ceiling may be the only one that covers these
        return next(e.deviation for e, rows in zip(entries, within, strict=True) if (rows & worst).any()), states
    stray = int(bits[int(np.argmax(~explained))])
    states = [
        LedgerState(s.entry, s.deviation, "grown", f"fails outside the region, at {fmt.bits_text(stray)}")
        if s.state == "seen"
        else s
        for s in states
    ]
    return None, states


def _inside(ordinals: Any, entry: Entry, fmt: Format) -> Any:
    inside = np.zeros(ordinals.size, bool)
    for low, high in entry.regions:
        ends = fa.ordinals(np.array([low, high], dtype=fa.storage(fmt)), fmt)
        if max(abs(int(e)) for e in ends) > fmt.last_bits:  # NaN inputs: any payload
            inside |= np.abs(ordinals) > fmt.last_bits
        else:
            inside |= (ordinals >= ends[0]) & (ordinals <= ends[1])
    return inside


def _vanished(entry: Entry, task: Task, surroundings: Surroundings) -> LedgerState:
    if task.mode not in entry.modes:
        detail = f"recorded in mode {', '.join(entry.modes)}; does not show in {task.mode}"
        return LedgerState(entry.id, entry.deviation, "not-checked", detail)
    version = surroundings.versions.get(task.backend, "")
    here = surroundings.hardware.get(task.backend, "")
    at_home = version == entry.recorded and here in entry.hardware
    detail = (
        "no longer shows where it was recorded; remove the entry"
        if at_home
        else f"does not show here ({version}, {here}); recorded on {entry.recorded}, {', '.join(entry.hardware)}"
    )
    return LedgerState(entry.id, entry.deviation, "gone" if at_home else "stale", detail)


def _deviation(key: str, table: Any, file: Path) -> Deviation:
    try:
        return Deviation(key, str(table["title"]), str(table["reason"]), _texts(table, "upstream", ()))
    except KeyError as missing:
        raise UsageError(f"ledger file {file}: deviation {key!r} lacks {missing}") from None
    except (TypeError, ValueError) as fault:
        raise UsageError(f"ledger file {file}: deviation {key!r}: {fault}") from None


def _entry(table: dict[str, Any], where: str) -> Entry:
    try:
        fmt = get_format(table["format"])
        params = dict(table.get("params", {}))
        for value in params.values():
            exact(value)
        return Entry(
            deviation=table["deviation"],
            backend=table["backend"],
            versions=SpecifierSet(table["versions"]),
            recorded=table["recorded"],
            hardware=_texts(table, "hardware"),
            function=table["function"],
            params=params,
            modes=_texts(table, "modes", ("eager",)),
            format=fmt.name,
            order=int(table["order"]),
            property=table["property"],
            regions=tuple((fmt.parse_bits(a), fmt.parse_bits(b)) for a, b in table["regions"]),
            ceiling=math.inf if table["ceiling"] == "inf" else float(table["ceiling"]),
            witnesses=tuple(fmt.parse_bits(w) for w in table.get("witnesses", ())),
        )
    except KeyError as missing:
        raise UsageError(f"ledger file {where} lacks {missing}") from None
    except (InvalidSpecifier, TypeError, ValueError, UsageError) as fault:
        raise UsageError(f"ledger file {where}: {fault}") from None


def _loss(table: dict[str, Any], where: str) -> Loss:
    try:
        for key in table:
            check_known(key, [f.name for f in fields(Loss)], "key")
        made = Loss(
            deviation=table["deviation"],
            backend=table["backend"],
            versions=SpecifierSet(table["versions"]),
            functions=_texts(table, "functions"),
            orders=tuple(int(n) for n in table["orders"]),
            where=tuple((low, high) for low, high in table["where"]),
            error=table["error"],
            **{key: _texts(table, key, ()) for key in ("modes", "formats", "properties")},
        )
        for function in (f for f in CATALOGUE if f.name in made.functions):  # found here, not in some run
            fmt = get_format(made.formats[0] if made.formats else "float32")
            made.regions(fmt, function.exact_params)
            made.ceiling(fmt, function.exact_params)
    except KeyError as missing:
        raise UsageError(f"ledger file {where} lacks {missing}") from None
    except (InvalidSpecifier, TypeError, ValueError, UsageError) as fault:
        raise UsageError(f"ledger file {where}: {fault}") from None
    return made


def _texts(table: dict[str, Any], key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of text; KeyError where it is missing, ValueError for anything else (text alone is not a list)."""
    value = table[key] if default is None else table.get(key, default)
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"expected {key} as a list of text, got {value!r}")
    return tuple(value)
