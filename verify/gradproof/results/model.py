"""The results file: one frozen shape per thing it holds, nothing else.

``RunResult.to_json`` writes what the JSON Schema beside this file describes; the report, the plugin and
outside tools read only that. No import of NumPy here: a report can be made anywhere.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

from gradproof.results.not_run import NotRun

SCHEMA: Final = "gradproof-results/1"

Status = Literal["pass", "fail", "known", "undecided", "unsupported", "not-run", "error"]
STATUSES: Final[tuple[Status, ...]] = (
    "fail",
    "error",
    "undecided",
    "known",
    "unsupported",
    "not-run",
    "pass",
)
"""Every status, the one that needs attention first."""

SEVERITIES: Final = ("wrong-class", "lost-signal", "wrong-branch", "large-error", "small-error", "fault")
"""Kinds of failure, worst first; a ``fault`` is one of a way of calling (it raises, or answers in another shape) in
which no number is wrong."""

CAUSES: Final = (
    "flush",
    "cancellation",
    "intermediate-overflow",
    "early-saturation",
    "wrong-branch",
    "convention",
    "class-mismatch",
    "rounding",
    "wrong-value",
    "fault",
    "statistics",
)
"""Probable causes a certificate can name; ``measure.causes`` says how each is recognised."""


_LONG_EXPONENT: Final = re.compile(r"[eE][-+]?[\d_]{5,}")


@dataclass(frozen=True)
class Number:
    """One floating-point datum three times over: ``bits`` (0x...), ``hex`` (C99) and ``decimal``."""

    bits: str
    hex: str
    decimal: str


@dataclass(frozen=True)
class Enclosure:
    """A rigorous interval around the exact real: decimal text, and how it was certified.

    ``certified`` is ``exact``, ``arb`` or ``uncertified``; ``bits`` is the working precision.
    """

    lower: str
    upper: str
    certified: str
    precision: int


@dataclass(frozen=True)
class Interval:
    """Consecutive inputs that fail: both ends included, in order along the number line.

    ``failing`` of ``tried`` points in it fail; ``exhaustive`` when every pattern was tried. ``tried`` is 0 where the
    property says which inputs fail and nothing about those between.
    """

    lo: Number
    hi: Number
    tried: int
    failing: int
    exhaustive: bool


@dataclass(frozen=True)
class Certificate:
    """What a failure carries, enough for somebody else to check it again.

    ``magnitude`` is the error over the bound of the cell (above 1 is a failure; None for infinite).
    ``u``, ``m`` are the errors in ulps and mixed (docs/glossary.md), None where infinite or meaningless. ``region``
    begins with the interval that holds the input; see ``results.formatting`` for the rest.
    """

    input: Number | None
    got: Number | None
    expected: Number | None
    enclosure: Enclosure | None
    neighbours: list[dict[str, Number]]
    u: float | None
    m: float | None
    abs_error: float | None
    magnitude: float | None
    simplest: Number | None
    region: list[Interval]
    cause: str
    explanation: str
    reproduce: str


@dataclass(frozen=True)
class Evidence:
    """How much a verdict rests on, and the number of points (``n``).

    ``exhaustive``: every bit pattern of the format; ``range``: every one of a range, and of no other; ``sampled``.
    """

    kind: Literal["exhaustive", "range", "sampled", "none"]
    n: int


@dataclass(frozen=True)
class Graph:
    """f^(n) as it was computed and as it is, at the worst input of each of some intervals, from left to right.

    ``inputs`` and ``got`` are base64 of little-endian bit patterns of the format's size. ``due`` says by how many
    floats the correctly rounded value lies above what was got, ``own`` the same of what the framework's own function
    gives where a user's was judged: whole numbers between blanks; where one of the two is a NaN the bits of the other
    value instead, as ``0x8285``, and ``?`` where both are. ``errors`` is base64 of a byte each: 255 for a wrong
    class, otherwise ``min(254, round(4 * log2(1 + 256 e)))`` of the error ``e`` over the contract's bound, 0 where
    flushing excuses it.
    """

    inputs: str
    got: str
    due: str
    errors: str
    own: str | None = None


@dataclass(frozen=True)
class Curve:
    """The error envelope over ordinals: ``log2(1 + u)`` by maximum per bin, quantised to 1/8 bit.

    ``lo`` and ``hi`` are ordinals as decimal strings (float64 ordinals exceed 2**53). ``bins`` is base64 of
    one byte per bin: 255 for a class mismatch (NaN or infinity), 254 for no point in the bin, otherwise
    ``min(253, round(8 * log2(1 + u)))``. ``histogram`` counts u in [0, .5], (.5, 1], (1, 2], (2, 4], ...,
    doubling, the last entry holding all above and the mismatches. ``quantiles`` of u: 0.5, 0.9, 0.99, 1.
    """

    lo: str
    hi: str
    bins: str
    histogram: list[int]
    quantiles: list[float | None]
    graph: Graph | None = None


FINDING_KINDS: Final = ("bulk", "tail", "root", "kink", "special", "path", "behaviour")
"""Where a finding shows, in the order in which findings are read."""


@dataclass(frozen=True)
class WorstInput:
    """The gravest of some failing inputs; ``expected`` is None where no single number is due."""

    format: str
    order: int
    bits: str
    got: str
    expected: str | None
    u: float | None
    m: float | None


@dataclass(frozen=True)
class Explanation:
    """What computes every result that fails: a formula of gradproof's, or another catalogued function by its name.

    ``encloses`` is the share of the failing results that it encloses, from 0 to 1.
    """

    id: str
    text: str
    encloses: float


@dataclass(frozen=True)
class Advice:
    """What keeps the contract where the implementation does not, and its worst error over the bound.

    That is a formula, the same code in a wider format, or what to return at the infinities. Of which derivative, and in
    which formats; unknown in files of an older version.
    """

    formula: str
    bound: float
    order: int | None = None
    formats: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SourceLine:
    """A line of a user's file: the file's name without the folder, the number from 1 on, and the text."""

    file: str
    number: int
    text: str


@dataclass(frozen=True)
class Operand:
    """A number of a call: in a format with its bits, or a constant of the code's, for which both are None."""

    decimal: str
    bits: str | None
    format: str | None


@dataclass(frozen=True)
class Traced:
    """One operation of a call at one input. Errors are in ulps, None where infinite or unknown.

    ``part_of`` is the node of autograd that calls it, or JAX's name stack. ``exact`` is the result in exact arithmetic
    from the input on, None behind an operation of unknown mathematics. ``local`` is the error against the exact
    operation on the computed operands, ``accumulated`` that against ``exact``, both as if exponents had no end;
    ``amplification`` by how much an operand's relative error is magnified at most; ``adds`` what the operation's own
    error adds to that of the whole result. The operation that matters is ``marked``.
    """

    operation: str
    phase: Literal["forward", "backward", "second backward"]
    part_of: str | None
    kind: Literal["operation", "framework function", "custom kernel"]
    line: SourceLine | None
    operands: list[Operand]
    result: Operand
    exact: str | None
    local: float | None
    amplification: float | None
    accumulated: float | None
    adds: float | None
    marked: bool


@dataclass(frozen=True)
class FailingInputs:
    """Failing inputs of one cell that are of one kind (``FINDING_KINDS``).

    ``regions`` are intervals of bit patterns, both ends included, from left to right; ``inputs`` of those tried fail.
    ``magnitude`` is their worst error over the contract's bound, None for an infinite one, ``share`` the median of
    |got - due| / |due|, None where that is infinite; ``systematic`` if it is nearly the same at all of them.
    ``baseline`` says how the framework's own function does at the same inputs; None where it has none, or is the one
    that is judged.
    """

    kind: str
    regions: list[list[str]]
    inputs: int
    worst: WorstInput
    magnitude: float | None
    share: float | None
    systematic: bool
    felt: bool
    baseline: Literal["same", "worse", "better"] | None = None
    explanations: list[Explanation] = field(default_factory=list)
    """All that hold nearly all of these results, the narrowest first."""
    advice: Advice | None = None
    trace: list[Traced] | None = None
    """The operations at the worst input of a user's implementation, in the order of the calls."""


@dataclass(frozen=True)
class Finding:
    """One fault of one implementation in one mode: where it shows, how badly, and the cells that it accounts for."""

    function: str
    params: dict[str, Any]
    implementation: str
    backend: str
    device: str
    mode: str
    kind: str
    text: str
    """The finding in one sentence."""
    orders: list[int]
    formats: list[str]
    regions: dict[str, dict[str, list[list[str]]]]
    """Format -> order -> intervals of bit patterns; empty where no single input is wrong."""
    worst: WorstInput | None
    magnitude: float | None
    felt: bool | None
    explanation: Explanation | None
    baseline: Literal["same", "worse", "better"] | None
    advice: Advice | None
    trace: list[Traced] | None
    known_ref: str | None
    cells: list[str]
    instead: list[Advice] = field(default_factory=list)
    """One piece of advice for each order of which there is one; ``advice`` is that of the worst input's."""


def exact_params(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Parameters by the real numbers they stand for, in the order of their names, for comparing.

    JSON knows one kind of number: what other programs write back as 4 was 4.0. The text "0.1" is one tenth, and 0.1 the
    float64 nearest to it. What is no real number stands for itself.
    """
    return tuple((name, _exact(params[name])) for name in sorted(params))


def _exact(value: Any) -> Any:
    try:
        if isinstance(value, str):
            # A file from elsewhere may say 1e999999999, which is a number of as many digits.
            return value if _LONG_EXPONENT.search(value) else Fraction(value)
        return repr(value) if isinstance(value, bool) else Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return repr(value)


def shown(name: str, params: Mapping[str, Any]) -> str:
    """A function with its parameters for people: ``elu(alpha=1.0)``; text is quoted, since ``"0.1"`` is not 0.1."""
    bound = ", ".join(f"{k}={v!r}" for k, v in sorted(params.items()))
    return f"{name}({bound})" if bound else name


@dataclass(frozen=True)
class Cell:
    """One verdict, with everything that fixes what was judged."""

    function: str
    params: dict[str, Any]
    implementation: str
    backend: str
    device: str
    mode: str
    format: str
    order: int
    property: str
    status: Status
    reason: str = ""
    evidence: Evidence = Evidence("none", 0)
    contract: str = "stable"
    u_max: float | None = None
    m_max: float | None = None
    abs_max: float | None = None
    worst_bits: str | None = None
    magnitude: float | None = None
    """WorstInput error over the bound; None when nothing was measured or the error is infinite."""
    felt: bool | None = None
    """Whether the failure breaks the ``training`` contract as well; None where nothing failed."""
    severity: str | None = None
    certificate: Certificate | None = None
    known_ref: str | None = None
    """Identifier of the ledger's deviation that explains a ``known`` cell."""
    excused: int = 0
    """Points whose error is the backend's flush-to-zero trait (the second column)."""
    u_max_flushed: float | None = None
    """Largest u when subnormal results may be 0 and subnormal inputs may be read as 0."""
    measured: dict[str, Any] = field(default_factory=dict)
    """What the property found besides its verdict: the chosen subgradient, a depth, a probability."""
    curve: Curve | None = None
    seconds: float = 0.0
    clusters: list[FailingInputs] = field(default_factory=list)
    """Of a failing claim about single inputs: the inputs that fail, by kind."""
    attributed: bool | None = None
    """Of a failing claim that relates several results: whether it holds once those that are wrong by themselves are
    replaced by the true values. None where that was not tried."""
    why: NotRun | None = None
    """Of a cell that is ``not-run``: why, for programs; None where nobody said, as in files of older versions."""

    @builtins.property  # the field of that name hides the decorator
    def key(self) -> tuple[Any, ...]:
        """What identifies a cell across runs; ``combine`` refuses two different cells of one key."""
        return (
            self.function, exact_params(self.params), self.implementation, self.backend, self.device,
            self.mode, self.format, self.order, self.property,
        )  # fmt: skip

    @builtins.property  # the field of that name hides the decorator
    def id(self) -> str:
        """Stable identifier for people and for pytest: ``silu-torch-cpu-bfloat16-order1-accuracy``.

        Parameters that differ from the function's defaults and modes other than eager are added in words.
        """
        parts = [self.function, *(f"{k}={v!r}" for k, v in sorted(self.params.items()))]
        parts += [self.backend, self.device]
        if self.mode != "eager":
            parts.append(self.mode)
        parts += [self.format, f"order{self.order}", self.property]
        return "-".join(parts)


@dataclass(frozen=True)
class RunRecord:
    """Where some cells of a results file were run: one per run that went into it."""

    environment: dict[str, Any]
    """Python, platform, processor, versions of gradproof, NumPy, mpmath, python-flint, Hypothesis."""
    backends: dict[str, dict[str, Any]]
    """By ``name:device``: ``available``, ``reason``, ``versions``, ``traits`` by format."""
    settings: dict[str, Any]
    seed: int
    started: str
    seconds: float
    complete: bool


@dataclass(frozen=True)
class LedgerState:
    """What became of a deviation of the ledger in this run.

    ``state``: ``seen``, ``grown``, ``gone`` (fails the run), ``stale`` (no longer shows, on other hardware or
    versions than it was recorded on), ``not-checked``.
    """

    entry: str
    deviation: str
    state: Literal["seen", "grown", "gone", "stale", "not-checked"]
    detail: str = ""


@dataclass(frozen=True)
class Basis:
    """The cells that a claim rests on: one property, for some functions and orders only where any are named."""

    property: str
    functions: list[str] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """What a property measured that is worth showing beside the verdicts of a claim.

    It stands at ``path`` in ``measured`` of the cell of this property, function and order.
    """

    label: str
    property: str
    function: str
    order: int
    path: list[str]


ClaimVerdict = Literal["holds", "holds except", "does not hold", "partly checked", "not checked"]
"""What a claim can be told; ``results.claims`` has the rules."""


@dataclass(frozen=True)
class ClaimException:
    """Cells of one place and format that speak against a claim for one reason.

    Exactly the cells of the claim there whose status, property and ``known_ref`` are these, in these modes.
    """

    status: Literal["fail", "error", "known"]
    property: str
    deviation: str
    """Identifier of the ledger's deviation; empty for a new failure."""
    cases: dict[str, list[int]]
    """Function -> orders of derivative."""
    modes: list[str]
    cells: int
    magnitude: float | None = None
    """WorstInput error over the bound; None where it is infinite or was not measured."""


@dataclass(frozen=True)
class Unjudged:
    """Cells of a claim without a verdict: how many of one property and status, and the commonest reason.

    ``cells`` is 0 where the results hold no cell of that property at all, or none of ``functions``.
    """

    property: str
    status: Literal["undecided", "unsupported", "not-run"]
    reason: str
    cells: int
    functions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PlaceVerdict:
    """What became of a claim on one backend and device in one format.

    ``modes`` are the modes it is about: all of them, or one where they differ. ``counts`` are cells per
    status, without the zeros; ``points`` the inputs that the judged cells tried.
    """

    backend: str
    device: str
    format: str
    modes: list[str]
    verdict: ClaimVerdict
    counts: dict[str, int]
    points: int
    exceptions: list[ClaimException] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    """By label, those of the claim that were measured here."""


@dataclass(frozen=True)
class Claim:
    """A claim in words, with what it rests on; ``verdicts`` follow from the cells, never by hand."""

    id: str
    question: str
    """As people ask it."""
    statement: str
    """The answer that is checked, in one sentence."""
    source: str
    rests_on: list[Basis]
    figures: list[Figure] = field(default_factory=list)
    verdicts: list[PlaceVerdict] = field(default_factory=list)


@dataclass(frozen=True)
class RunResult:
    """A whole results file."""

    run: RunRecord
    cells: list[Cell]
    ledger: list[LedgerState] = field(default_factory=list)
    shards: list[RunRecord] = field(default_factory=list)
    """The runs a combined file was made from; empty for a single run."""
    claims: list[Claim] = field(default_factory=list)
    """The claims that were asked about, as they were defined then, each with its verdicts."""
    deviations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The ledger's deviations that ``known_ref`` names: ``title``, ``reason``, ``upstream``."""
    findings: list[Finding] = field(default_factory=list)
    """What is wrong, once for each fault, the one to read first first; derived from ``cells`` (``findings``)."""

    def counts(self) -> dict[str, int]:
        """Number of cells per status, every status present."""
        totals: dict[str, int] = dict.fromkeys(STATUSES, 0)
        for cell in self.cells:
            totals[cell.status] += 1
        return totals

    def to_json(self) -> dict[str, Any]:
        """The document that the published JSON Schema describes."""
        return {"schema": SCHEMA, **document(self)}


def document(value: Any) -> Any:
    """``value`` with dataclasses as dictionaries, down to the numbers: ``dataclasses.asdict`` in a third of the time.

    It copies every number and every key; a file of all cells has a million of them.
    """
    kind: type = type(value)
    if kind in _ATOMS:
        return value
    if (names := _fields(kind)) is not None:
        return {name: document(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: document(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [document(one) for one in value]
    return value


_ATOMS: Final = frozenset({str, int, float, bool, type(None)})


@functools.cache
def _fields(kind: type) -> tuple[str, ...] | None:
    """The names of a dataclass' fields; None for another type."""
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None
