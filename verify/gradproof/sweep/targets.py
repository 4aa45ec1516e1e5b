"""From what the user names to targets: which implementations, on which backends, in which formats and orders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradproof.backends import availability, backend_ids, get_backend
from gradproof.backends.base import Backend, Implementation
from gradproof.backends.registry import split_id
from gradproof.engine.declared.userfiles import try_apart
from gradproof.engine.planning.plan import check_distinct
from gradproof.errors import UsageError
from gradproof.external.description import is_description
from gradproof.formats import get_format
from gradproof.functions import Function, get_function
from gradproof.measure import get_contract
from gradproof.results.not_run import NotRun, worded
from gradproof.sweep.judging.implementations import registered
from gradproof.sweep.plan import PatternRange, Target, exhaustible, params, parse_numbers, parse_range, whole
from gradproof.sweep.running.campaign import Job

DEFAULT_FORMAT = "float32"
DEFAULT_CONTRACT = "stable"


@dataclass(frozen=True)
class Wanted:
    """What a sweep is asked for. ``names`` are functions, and Python files whose registered implementations count.

    Without ``backends``: those on the CPU that are installed, or the ones that a file's implementations are for.
    """

    names: tuple[str, ...]
    backends: tuple[str, ...] = ()
    formats: tuple[str, ...] = (DEFAULT_FORMAT,)
    orders: tuple[int, ...] = (0,)
    bits: str | None = None
    numbers: str | None = None
    """A range in numbers, ``-8..8``, in the place of one in bits."""
    modes: tuple[str, ...] = ("eager",)
    against: str | None = None
    """A mode whose results are compared with those of each of ``modes``."""
    contract: str | None = None
    implementation: str | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise UsageError("expected a function, such as silu, or a Python file with implementations of yours")
        for what, given in (("format", self.formats), ("order", self.orders), ("mode", self.modes)):
            if not given:
                raise UsageError(f"expected at least one {what}, got none")
        for order in self.orders:
            if order not in (0, 1, 2):
                raise UsageError(f"expected an order of 0, 1 or 2, got {order!r}")
        object.__setattr__(self, "formats", tuple(dict.fromkeys(get_format(name).name for name in self.formats)))
        if self.bits is not None and not isinstance(self.bits, str):
            raise UsageError(f'expected bits as text, such as "0x3f800000..0x40000000", got {self.bits!r}')
        if self.numbers is not None and not isinstance(self.numbers, str):
            raise UsageError(f'expected a range as text, such as "-8..8", got {self.numbers!r}')
        if self.bits is not None and self.numbers is not None:
            raise UsageError(f"expected --bits or --range, got both: {self.bits} and {self.numbers}")
        if self.against is not None and not isinstance(self.against, str):
            raise UsageError(f'expected the name of a mode for against, such as "eager", got {self.against!r}')
        if self.against in self.modes:
            raise UsageError(
                f"expected --against another mode than --mode, got {self.against} twice; name the mode to be judged, "
                f"such as --mode {'compiled' if self.against == 'eager' else 'eager'}"
            )
        if self.bits is not None and len(self.formats) != 1:
            raise UsageError(f"expected one --format with --bits {self.bits}, got {', '.join(self.formats)}")

    @property
    def files(self) -> tuple[str, ...]:
        """Those of the names that are Python files."""
        return tuple(name for name in self.names if _is_file(name))

    @property
    def functions(self) -> tuple[str, ...]:
        """Those of the names that are functions."""
        return tuple(name for name in self.names if not _is_file(name))


def _is_file(name: str) -> bool:
    return name.endswith(".py") or is_description(name)


@dataclass(frozen=True, eq=False)
class PlannedSearch:
    """A target in a format that is too wide for all its bit patterns: a guided search takes its place."""

    target: Target


@dataclass(frozen=True, eq=False)
class Absent:
    """A target that cannot be swept here, with the status (``not-run``, ``unsupported``) and the reason."""

    target: Target
    status: str
    reason: str
    why: NotRun | None = None
    """Of one that is ``not-run``."""


@dataclass
class SweepPlan:
    """What there is to do for what was asked."""

    jobs: list[Job] = field(default_factory=list)
    searches: list[PlannedSearch] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Offer:
    implementation: Implementation
    file: str | None


def plan(wanted: Wanted) -> SweepPlan:
    """Lay out the targets of ``wanted``, in the order they were named.

    Imports the backends, and the user's files. Raises UsageError for names that exist nowhere, a range that is none,
    and when nothing fits.
    """
    wanted, ids, offers = _offers(wanted)
    found = SweepPlan()
    count = 0
    for offer, backend_id in _fitting(wanted, ids, offers):
        function = offer.implementation.specification
        for mode in wanted.modes:
            for fmt in wanted.formats:
                for order in wanted.orders:
                    target = _target(offer, function, backend_id, mode, fmt, order, wanted)
                    _add(found, wanted, target, offer)
                    count += 1
    if not count:
        named = f" called {wanted.implementation!r}" if wanted.implementation else ""
        raise UsageError(
            f"expected an implementation{named} of {', '.join(wanted.functions) or 'a function'} on "
            f"{', '.join(ids) or 'a backend'}{' in ' + ', '.join(wanted.files) if wanted.files else ''}, found none; "
            "see `gradproof list implementations`"
        )
    return found


def _offers(wanted: Wanted) -> tuple[Wanted, list[str], list[_Offer]]:
    """What is wanted, by its own names; the ids of the backends, and the implementations offered there or by files."""
    for file in wanted.files:
        try_apart(file)  # what it may do to its process must not happen to the one that answers
    offers = [_Offer(i, str(Path(file).resolve())) for file in wanted.files for i in registered(file)]
    check_distinct([o.implementation for o in offers])
    offered = {o.implementation.function for o in offers}
    own = {name: name if name in offered else get_function(name).name for name in wanted.functions}
    wanted = replace(wanted, names=tuple(dict.fromkeys(own.get(name, name) for name in wanted.names)))
    ids = list(dict.fromkeys(_id(name) for name in wanted.backends)) or _default_ids(offers)
    if not wanted.files:
        offers = [_Offer(i, None) for backend_id in ids for i in _catalogue(backend_id, wanted)]
    return wanted, ids, offers


def _id(backend: str) -> str:
    kind, device = split_id(backend)
    return f"{kind.name}:{device}"


def _default_ids(offers: Sequence[_Offer]) -> list[str]:
    if offers:
        named = [o.implementation for o in offers]
        return list(dict.fromkeys(_id(f"{i.backend}:{i.device}" if i.device else i.backend) for i in named))
    return [name for name in backend_ids() if name.endswith(":cpu") and availability(name).available]


def _catalogue(backend_id: str, wanted: Wanted) -> Iterable[Implementation]:
    """A backend's own implementations; where it is not here, a stand-in for each function, to say so."""
    name = backend_id.partition(":")[0]
    if not availability(backend_id).available:
        return [
            Implementation(f, name, f"{name}.{f}", _missing, params=get_function(f).params) for f in wanted.functions
        ]
    return get_backend(backend_id).catalogue()


def _missing(array: Any) -> Any:
    raise NotImplementedError("the backend is not installed")


def _fitting(wanted: Wanted, ids: Sequence[str], offers: Sequence[_Offer]) -> Iterable[tuple[_Offer, str]]:
    """The implementations that were asked for, each with a backend it runs on, function by function as named."""
    seen = set()
    for function in wanted.functions or dict.fromkeys(o.implementation.function for o in offers):
        for backend_id in ids:
            name, _, device = backend_id.partition(":")
            for offer in offers:
                i = offer.implementation
                if (i.function, i.backend) != (function, name) or i.device not in (None, device):
                    continue
                if wanted.implementation not in (None, i.name):
                    continue
                key = (backend_id, i.function, i.name, params(i.specification.params), offer.file)
                if key not in seen:  # two devices of one framework share a catalogue
                    seen.add(key)
                    yield offer, backend_id


def _target(
    offer: _Offer, function: Function, backend_id: str, mode: str, fmt: str, order: int, wanted: Wanted
) -> Target:
    held_to = offer.implementation.contract or wanted.contract or DEFAULT_CONTRACT
    get_contract(held_to)
    return Target(
        function=function.name,
        params=params(function.params),
        implementation=offer.implementation.name,
        backend=backend_id,
        mode=mode,
        format=fmt,
        order=order,
        contract=held_to,
        file=offer.file,
        definition=function.digest,
        against=wanted.against,
    )


def _add(found: SweepPlan, wanted: Wanted, target: Target, offer: _Offer) -> None:
    fmt = get_format(target.format)
    span = None
    if wanted.bits is not None:
        span = PatternRange(*parse_range(wanted.bits, fmt))
    elif wanted.numbers is not None:
        span = parse_numbers(wanted.numbers, fmt)
    if absent := _absent(target, offer.implementation):
        found.absent.append(absent)
    elif span is None and not exhaustible(fmt):
        if target.against is not None:
            raise UsageError(
                f"expected --bits or --range with --against {target.against}: {fmt.name} has too many bit patterns to "
                "compare two modes on all, and a guided search compares none"
            )
        found.searches.append(PlannedSearch(target))
    else:
        span = span or PatternRange(*whole(fmt))
        found.jobs.append(Job(target, span.first, span.last, span.gap))


def _absent(target: Target, implementation: Implementation) -> Absent | None:
    """A target that cannot be swept here; None for one that can."""
    state = availability(target.backend)
    if not state.available:
        return Absent(target, "not-run", worded(NotRun.MISSING_BACKEND, state.reason), NotRun.MISSING_BACKEND)
    backend = get_backend(target.backend)
    for mode in target.modes:
        _check_mode(mode, backend)
    if target.format not in backend.formats:
        return Absent(target, "unsupported", f"{backend.id} has no type for {target.format}")
    if implementation.formats is not None and target.format not in implementation.formats:
        return Absent(target, "unsupported", f"{implementation.name} claims {', '.join(implementation.formats)} only")
    for mode in target.modes:
        if not (state := backend.mode_availability(mode)).available:
            return Absent(target, "not-run", worded(NotRun.MISSING_COMPILER, state.reason), NotRun.MISSING_COMPILER)
    return None


def _check_mode(mode: str, backend: Backend) -> None:
    if mode not in backend.modes:
        raise UsageError(f"unknown mode {mode!r} of {backend.id}; known: {', '.join(backend.modes)}")
