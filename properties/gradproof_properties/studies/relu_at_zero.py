"""How often the first layer's gradient depends on ReLU'(0), over layers, width and format, no step taken.

An initialisation is *hit* when, in some batch of an epoch, the gradient by the first layer's parameters differs between
f'(0) = 0 and f'(0) = 1. Both are back-propagated only where a pre-activation of the batch is exactly 0. Elsewhere there
is nothing to compare: the two programs read f'(0) where z == 0 and nowhere else, so without such a z they carry out
the same operations on the same numbers.

A network of L hidden layers begins with the layers of every shallower one of its width. So one pass through the deepest
serves all depths: the initialisations of two depths are the same, and their shares are correlated.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import numpy as np

from gradproof.extend import FLOAT32, Array, Backend, Bits, Format, Space, get_backend, get_format
from gradproof.extend import arrays as fa
from gradproof_properties.chance.intervals import CONFIDENCE, rate_interval, share_interval
from gradproof_properties.studies import published
from gradproof_properties.studies.mnist import PIXELS, Images
from gradproof_properties.studies.network import (
    CLASSES,
    Layer,
    Parameters,
    drawn,
    first_layer_gradients,
    inputs,
    layer,
    pre_activations,
    relu,
)

FORMATS: Final = ("float64", "float32", "float16", "bfloat16")
WINDOW: Final = 2.0**-7
"""The density of z at 0 is the share of |z| <= WINDOW over 2 WINDOW."""
_HEAD: Final = 1 << 16
"""Seeds of the output layers begin here, above those of hidden layers."""


@dataclass(frozen=True)
class StudyPlan:
    """What to measure. Every combination of backend, format, width and depth gets ``initialisations``."""

    backends: tuple[str, ...]
    formats: tuple[str, ...] = ("float32",)
    layers: tuple[int, ...] = (1, 3, 6)
    widths: tuple[int, ...] = (256,)
    initialisations: int = 100
    batch: int = 256
    batches: int | None = None
    """Batches of the epoch that are looked at; None for all."""
    bias: str = "column"
    scan: str = "all"
    """``all``: every batch, so that every zero is counted. ``first``: an initialisation ends with the batch in which
    its last depth is hit. Zeros over calls stay an unbiased account of the rate (a stopped sum has mean rate times
    calls, by Wald's identity), from fewer calls."""
    seed: int = 0


@dataclass
class Scan:
    """One initialisation at one width: what its layers met, and which depths were hit."""

    zeros: list[int]
    calls: list[int]
    density: list[float]
    """Of z at 0 by layer, from the first batch."""
    spacing: list[float]
    hit: dict[int, bool]


@dataclass
class Measured:
    """Everything about one backend, format and width."""

    backend: str
    format: str
    width: int
    found: dict[int, Scan] = field(default_factory=dict)
    """By the number of the initialisation, in the order they were finished."""

    @property
    def scans(self) -> list[Scan]:
        """The finished initialisations."""
        return list(self.found.values())

    def row(self, layers: int, *, comparable: bool) -> dict[str, Any]:
        """One depth as plain JSON: counts, intervals, the prediction; the published figures where ``comparable``."""
        calls = sum(sum(s.calls[:layers]) for s in self.scans)
        zeros = sum(sum(s.zeros[:layers]) for s in self.scans)
        hits = sum(s.hit[layers] for s in self.scans)
        share = share_interval(hits, len(self.scans))
        rate = rate_interval(zeros, calls)
        given = published.shares(self.format, layers, self.width) if comparable else ()
        return {
            "backend": self.backend,
            "format": self.format,
            "layers": layers,
            "width": self.width,
            "initialisations": len(self.scans),
            "hit": hits,
            "share": hits / len(self.scans) if self.scans else None,
            "share_interval": list(share),
            "published_percent": list(given),
            "published_inside": [share[0] <= p / 100 <= share[1] for p in given] if self.scans else [],
            "relu_calls": calls,
            "zeros": zeros,
            "rate": zeros / calls if calls else None,
            "rate_interval": list(rate) if calls else None,
            "rate_predicted": self._predicted(layers),
            "hit_initialisations": sorted(i for i, s in self.found.items() if s.hit[layers]),
        }

    def _predicted(self, layers: int) -> float | None:
        """Density of z at 0 times the spacing of sums there, averaged over layers and initialisations."""
        if not self.scans:
            return None
        found = [d * q for s in self.scans for d, q in zip(s.density[:layers], s.spacing[:layers], strict=True)]
        return math.fsum(found) / len(found)


@dataclass
class Result:
    """What was measured, and why it ended early, if it did: ``interrupted`` or ``max-seconds``."""

    plan: StudyPlan
    measured: list[Measured]
    rows_of_data: int
    stopped: str = ""
    seconds: float = 0.0

    @property
    def comparable(self) -> bool:
        """Whether the epoch is as long as the published one, and in batches of the same size."""
        return self.rows_of_data == published.ROWS and self.plan.batch == published.BATCH

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each backend, format, width and depth."""
        return [m.row(depth, comparable=self.comparable) for m in self.measured for depth in self.plan.layers]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, without the data and the surroundings."""
        return {
            "complete": not self.stopped,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 1),
            "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self.plan).items()},
            "confidence": CONFIDENCE,
            "intervals": {"share": "Clopper-Pearson", "rate": "Garwood (Poisson)"},
            "published_source": published.SOURCE,
            "published_rates": {k: list(v) for k, v in published.RATES.items()},
            "rows": self.rows,
        }


Watch = Callable[[Measured], None]
"""Called after each initialisation."""


def run(
    plan: StudyPlan,
    images: Images,
    *,
    jobs: int = 1,
    max_seconds: float | None = None,
    watch: Watch = lambda measured: None,
) -> Result:
    """Measure, ``jobs`` initialisations at a time, each on one CPU thread.

    Widths take turns, and time is divided among backends and formats. Ctrl-C and ``max_seconds`` (from now) end it
    early: initialisations that were finished count, those under way do not. What an initialisation gives depends on its
    number and the plan only. Raises BackendUnavailable and Unsupported where a backend or a format is not to be had.
    """
    start = time.monotonic()
    images = images.first(plan.batch * plan.batches if plan.batches else len(images.pixels))
    groups = [(b, f) for b in plan.backends for f in plan.formats]
    result = Result(plan, [Measured(b, f, w) for b, f in groups for w in plan.widths], len(images.pixels))
    try:
        for number, (backend, fmt) in enumerate(groups):
            until = None if max_seconds is None else start + max_seconds * (number + 1) / len(groups)
            own = [m for m in result.measured if (m.backend, m.format) == (backend, fmt)]
            with get_backend(backend).space(get_format(fmt)) as space:
                if not _measured(_Epoch(get_backend(backend), space, plan, images), own, _Clock(until), jobs, watch):
                    result.stopped = "max-seconds"
    except KeyboardInterrupt:
        result.stopped = "interrupted"
    result.seconds = time.monotonic() - start
    return result


class _Stopped(Exception):
    """An initialisation was given up: time is spent, or the run ends."""


class _Clock:
    """Tells the threads when to give up."""

    def __init__(self, until: float | None) -> None:
        self._until = math.inf if until is None else until
        self._ended = threading.Event()

    def end(self) -> None:
        """Nobody goes on from now."""
        self._ended.set()

    def check(self) -> None:
        """Raise _Stopped when it is time."""
        if self._ended.is_set() or time.monotonic() >= self._until:
            raise _Stopped


def _measured(epoch: _Epoch, own: Sequence[Measured], clock: _Clock, jobs: int, watch: Watch) -> bool:
    """Fill ``own``; False where time ran out."""
    complete = True
    with ThreadPoolExecutor(jobs) as pool:
        tasks = {
            pool.submit(epoch.scan, index, m.width, clock): (index, m)
            for index in range(epoch.plan.initialisations)
            for m in own
        }
        try:
            for task in as_completed(tasks):
                index, measured = tasks[task]
                try:
                    measured.found[index] = task.result()
                except _Stopped:
                    complete = False
                else:
                    watch(measured)
        finally:
            clock.end()
            pool.shutdown(cancel_futures=True)
    return complete


class _Epoch:
    """The batches of an epoch on one backend in one format."""

    def __init__(self, backend: Backend, space: Space, plan: StudyPlan, images: Images) -> None:
        self.backend = backend
        self.plan = plan
        self.format = space.format
        level = np.array([self.format.round(Fraction(k, 255)) for k in range(256)], fa.storage(self.format))
        starts = range(0, len(images.pixels), plan.batch)
        self.labels = [images.labels[s : s + plan.batch] for s in starts]
        self.batches = [
            space.array(inputs(level[images.pixels[s : s + plan.batch]], self.format, plan.bias)) for s in starts
        ]

    def scan(self, index: int, width: int, clock: _Clock) -> Scan:
        """Send the batches through one initialisation. Raises _Stopped when the clock says so."""
        clock.check()
        # A space of this thread: some of a framework's settings hold for one thread only.
        with self.backend.space(self.format) as space:
            return self._scan(space, index, width, clock)

    def _scan(self, space: Space, index: int, width: int, clock: _Clock) -> Scan:
        plan, deepest = self.plan, max(self.plan.layers)
        parameters = [self._drawn(index, n, PIXELS if n == 0 else width, width) for n in range(deepest)]
        hidden = [layer(space, p, plan.bias) for p in parameters]
        found = Scan(
            [0] * deepest, [0] * deepest, [0.0] * deepest, [_spacing(p, self.format, plan.bias) for p in parameters],
            dict.fromkeys(plan.layers, False),
        )  # fmt: skip
        for number, x in enumerate(self.batches):
            clock.check()
            wanted = [depth for depth in plan.layers if plan.scan == "all" or not found.hit[depth]]
            if not wanted:
                break
            met = self._forward(space, x, hidden[: max(wanted)], found, first=number == 0)
            for depth in wanted:
                if not found.hit[depth] and any(met[:depth]):
                    head = layer(space, self._drawn(index, _HEAD + depth, width, CLASSES), plan.bias, last=True)
                    found.hit[depth] = depends(space, x, self.labels[number], hidden[:depth], head)
        return found

    def _drawn(self, index: int, layer: int, fan_in: int, fan_out: int) -> Parameters:
        return drawn([self.plan.seed, index, layer], fan_in, fan_out, self.format)

    def _forward(self, space: Space, x: Array, hidden: Sequence[Layer], found: Scan, *, first: bool) -> list[int]:
        """Zeros by layer; adds them and the calls to ``found``, and on the first batch the densities."""
        h, met = x, []
        constant = self.plan.bias == "column"
        for number, one in enumerate(hidden):
            z = pre_activations(space, h, one)
            met.append(space.zeros_in(z))
            found.zeros[number] += met[-1]
            found.calls[number] += int(z.shape[0]) * (int(z.shape[1]) - constant)
            if first:
                found.density[number] = _density(space.bits(z), self.format, constant=constant)
            h = relu(space, z) if number + 1 < len(hidden) else h
        return met


def depends(space: Space, x: Array, labels: Any, hidden: Sequence[Layer], head: Layer) -> bool:
    """Whether the first layer's gradient on a batch differs between f'(0) = 0 and 1 in any number.

    Zeros of either sign are equal, and so are two NaNs.
    """
    none, one = first_layer_gradients(space, x, labels, hidden, head)
    return not np.array_equal(none, one, equal_nan=True)


def _density(z: Bits, fmt: Format, *, constant: bool) -> float:
    values = fa.values(z[:, :-1] if constant else z, fmt)
    return float((np.abs(values) <= WINDOW).mean() / (2 * WINDOW))


def _spacing(parameters: Parameters, fmt: Format, bias: str) -> float:
    """The rough spacing of sums near 0, whose product with the density is P(z = 0).

    The sum w.x meets -b on the floats about b, so z is 0 as often as a variable with b's mean quantum for its spacing.
    A bias in the column is added before the format's rounding, in float32 at least, and a sum below half the least
    positive number is rounded to 0.
    """
    sums = FLOAT32 if bias == "column" and fmt.is_16_bit else fmt
    mean = float(np.ldexp(1.0, fa.quantum_exponents(parameters.biases, sums)).mean())
    return max(mean, float(fmt.min_subnormal))
