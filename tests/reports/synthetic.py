"""Results as a full run would write them, made up from a seed: for the reports' tests and for looking at."""

from __future__ import annotations

import base64
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, Literal

from gradproof.formats import DEFAULT_FORMATS, Format, get_format
from gradproof.results.model import (
    Cell,
    Certificate,
    Curve,
    Enclosure,
    Evidence,
    FailingInputs,
    Graph,
    Interval,
    LedgerState,
    Number,
    RunRecord,
    RunResult,
    WorstInput,
)

FUNCTIONS: dict[str, dict[str, Any]] = {
    "relu": {}, "leaky_relu": {"negative_slope": 0.01}, "prelu": {"weight": 0.25}, "relu6": {},
    "hardtanh": {"min": -1.0, "max": 1.0}, "elu": {"alpha": 1.0}, "selu": {}, "celu": {"alpha": 1.0},
    "gelu": {}, "gelu_tanh": {}, "silu": {}, "mish": {}, "sigmoid": {}, "logsigmoid": {}, "tanh": {},
    "softplus": {"beta": 1.0}, "softsign": {}, "expm1": {}, "log1p": {}, "erf": {},
}  # fmt: skip
COLUMNS = [
    ("numpy", "cpu", "eager"), ("torch", "cpu", "eager"), ("torch", "cuda", "eager"),
    ("jax", "cpu", "eager"), ("jax", "cpu", "compiled"),
]  # fmt: skip
PROPERTIES = ["accuracy", "accuracy", "shape", "special-values", "kink-convention", "saturation"]
SILENT = {"unsupported": "no such kernel in bfloat16", "undecided": "the oracle could not certify 3 value(s)"}
BINS = 512


def number(fmt: Format, bits: int) -> Number:
    return Number(fmt.bits_text(bits), fmt.hexfloat(bits), fmt.decimal(bits))


def curve(rng: random.Random, fmt: Format, level: float, broken: bool) -> Curve:
    """An envelope that wanders about ``level`` ulps, with a spike and a stretch of mismatches when broken."""
    spike = rng.randrange(60, BINS - 60)
    bins = bytearray()
    for i in range(BINS):
        u = max(0.0, rng.gauss(level, 0.15))
        if broken and abs(i - spike) < 18:
            u = level + 2.0 ** (14 - abs(i - spike) / 1.5)
        bins.append(min(253, round(8 * math.log2(1 + u))))
    if broken:
        bins[spike + 18 : spike + 22] = b"\xff" * 4
    bins[:3] = b"\xfe" * 3
    limit = fmt.last_bits
    counts = [rng.randrange(10_000, 40_000), rng.randrange(2000, 6000), rng.randrange(400)] + [0] * 11
    if broken:
        counts[6:] = [rng.randrange(1, 90) for _ in counts[6:]]
    quantiles = [level / 2, level, level * 1.3, None if broken else level * 1.8]
    drawn = graph(rng, fmt, broken)
    return Curve(str(-limit), str(limit), base64.b64encode(bytes(bins)).decode(), counts, quantiles, drawn)


def graph(rng: random.Random, fmt: Format, broken: bool) -> Graph:
    """tanh at 100 inputs from -16 to 16, lost below -9 when broken."""
    inputs, due = tanh(fmt)
    lost = [broken and i < 22 for i in range(len(inputs))]
    steps = [rng.randrange(-1, 2) for _ in inputs]
    got = [0 if bad else fmt.from_ordinal(fmt.ordinal(y) - n) for y, n, bad in zip(due, steps, lost, strict=True)]
    apart = " ".join(str(fmt.ordinal(y) - fmt.ordinal(g)) for y, g in zip(due, got, strict=True))
    errors = bytes(60 + rng.randrange(40) if bad else rng.randrange(28) for bad in lost)
    return Graph(packed(fmt, inputs), packed(fmt, got), apart, base64.b64encode(errors).decode())


@cache
def tanh(fmt: Format) -> tuple[list[int], list[int]]:
    """Inputs, and tanh of them rounded."""
    inputs = [fmt.round(Fraction(16 * (i - 50) / 50 + 0.01)) for i in range(100)]
    return inputs, [fmt.round(Fraction(math.tanh(fmt.value(x)))) for x in inputs]


def packed(fmt: Format, bits: list[int]) -> str:
    return base64.b64encode(b"".join(b.to_bytes(fmt.width // 8, "little") for b in bits)).decode()


def lost_tail(fmt: Format) -> FailingInputs:
    """What fails of a broken graph."""
    low, high = (fmt.bits_text(fmt.round(Fraction(x))) for x in (-16, -9))
    worst = WorstInput(fmt.name, 0, high, fmt.bits_text(0), fmt.bits_text(fmt.round(Fraction(-1))), 9e6, 1e4)
    return FailingInputs("tail", [[low, high]], 22, worst, 2500.0, 1.0, False, True)


def certificate(rng: random.Random, fmt: Format, cause: str, command: str, *, nan: bool) -> Certificate:
    x = fmt.round(Fraction(rng.uniform(-12, -4)))
    y = fmt.round(Fraction(-math.exp(rng.uniform(-16, -2))))
    got = fmt.nan_bits if nan else fmt.from_ordinal(fmt.ordinal(y) + rng.randrange(9, 90))
    near = []
    for step in (-2, -1, 1, 2):
        bits = fmt.from_ordinal(fmt.ordinal(x) + step)
        near.append({"input": number(fmt, bits), "got": number(fmt, y), "expected": number(fmt, y)})
    region = [Interval(number(fmt, x), near[-1]["input"], 65536, rng.randrange(9, 900), fmt.is_16_bit)]
    exact = float(fmt.value(y))
    return Certificate(
        input=number(fmt, x),
        got=number(fmt, got),
        expected=number(fmt, y),
        enclosure=Enclosure(repr(math.nextafter(exact, -1)), repr(math.nextafter(exact, 1)), "arb", 128),
        neighbours=near,
        u=None if nan else rng.uniform(9, 1e5),
        m=None if nan else rng.uniform(9, 1e4),
        abs_error=None if nan else rng.uniform(1e-9, 1e-3),
        magnitude=None,
        simplest=number(fmt, x),
        region=region,
        cause=cause,
        explanation="",
        reproduce=command,
    )


def cells(rng: random.Random) -> Iterator[Cell]:
    for function, params in FUNCTIONS.items():
        for backend, device, mode in COLUMNS:
            for fmt in map(get_format, DEFAULT_FORMATS):
                for order in (0, 1, 2):
                    for prop in ("accuracy", rng.choice(PROPERTIES[2:])):
                        kind: Literal["exhaustive", "sampled"] = "exhaustive" if fmt.is_16_bit else "sampled"
                        base = Cell(
                            function, params, f"{backend}.nn.{function}", backend, device, mode, fmt.name,
                            order, prop, "pass", evidence=Evidence(kind, 65536),
                            seconds=round(rng.uniform(0.01, 0.2), 4),
                        )  # fmt: skip
                        yield judged(rng, base, fmt)


def judged(rng: random.Random, cell: Cell, fmt: Format) -> Cell:
    if cell.device == "cuda" and cell.format == "float64":
        reason = "no CUDA device; install a driver"
        return replace(cell, status="not-run", evidence=Evidence("none", 0), reason=reason)
    if cell.backend == "numpy" and cell.order == 2:
        return replace(cell, status="unsupported", evidence=Evidence("none", 0), reason="no AD in NumPy")
    draw = rng.random()
    accuracy = cell.property == "accuracy"
    level = rng.uniform(0.4, 1.4)
    if draw > 0.14:
        envelope = curve(rng, fmt, level, False) if accuracy and rng.random() < 0.8 else None
        found = {} if accuracy else {"subgradient": 0.5, "monotone": True}
        return replace(
            cell, u_max=level * 1.8, m_max=level, abs_max=1e-7, magnitude=level / 4 if accuracy else None,
            worst_bits=fmt.bits_text(fmt.round(Fraction(7, 3))), curve=envelope, measured=found,
        )  # fmt: skip
    if draw < 0.015:
        status = rng.choice(sorted(SILENT))
        return replace(cell, status=status, reason=SILENT[status])  # type: ignore[arg-type]
    command = (
        f"gradproof repro {cell.function} --backend {cell.backend}:{cell.device} --format {cell.format} "
        f"--order {cell.order} --bits 0xc2b0"
    )
    if draw < 0.02:
        fault = Certificate(
            None, None, None, None, [], None, None, None, None, None, [], "fault", "not implemented", command
        )
        return replace(
            cell,
            status="error",
            severity="wrong-class",
            certificate=fault,
            reason="raised RuntimeError: derivative not implemented",
            measured={"fault": "raised"},
        )
    nan = rng.random() < 0.2
    severity = rng.choice(["lost-signal", "wrong-branch", "large-error", "small-error"])
    cause = rng.choice(["cancellation", "early-saturation", "rounding"])
    if nan:
        severity, cause = "wrong-class", "intermediate-overflow"
    elif cell.property == "kink-convention":
        cause = "convention"
    known = rng.random() < 0.4
    return replace(
        cell,
        status="known" if known else "fail",
        known_ref="torch-tails" if known else None,
        reason="at -5.5: got -1.639e-7, expected -1.044e-7",
        severity=severity,
        magnitude=None if nan else 10 ** rng.uniform(0.05, 5),
        felt=rng.random() < 0.4,
        u_max=None if nan else 1e4,
        m_max=None if nan else 900.0,
        certificate=certificate(rng, fmt, cause, command, nan=nan),
        curve=curve(rng, fmt, level, True) if accuracy else None,
        clusters=[lost_tail(fmt)] if accuracy else [],
    )


def shard(seconds: float = 1830.4) -> RunRecord:
    return RunRecord(
        environment={
            "python": "3.12.4", "platform": "Linux-6.1-x86_64", "processor": "AVX-512", "gradproof": "0.1.0",
            "numpy": "2.4.6", "mpmath": "1.3.0", "python-flint": "0.9.0", "hypothesis": "6.150.0",
        },
        backends={
            "numpy:cpu": {"available": True, "reason": "", "versions": {"numpy": "2.4.6"}, "traits": {}},
            "torch:cpu": {"available": True, "reason": "", "versions": {"torch": "2.13.0"}, "traits": {}},
            "torch:cuda": {"available": False, "reason": "no CUDA device", "versions": {}, "traits": {}},
            "jax:cpu": {"available": True, "reason": "", "versions": {"jax": "0.10.2"},
                        "traits": {"float32": {"flushes_results": True, "zeros_inputs": True}}},
        },
        settings={"profile": "default", "contract": "stable", "formats": list(DEFAULT_FORMATS)},
        seed=20240229,
        started="2026-02-28T12:00:00+00:00",
        seconds=seconds,
        complete=True,
    )  # fmt: skip


@cache
def made_cells(seed: int) -> tuple[Cell, ...]:
    return tuple(cells(random.Random(seed)))


def run(seed: int = 7, functions: int | None = None) -> RunResult:
    """A whole run; ``functions`` keeps the cells of the first so many functions only."""
    made = list(made_cells(seed))
    if functions is not None:
        kept = list(FUNCTIONS)[:functions]
        made = [c for c in made if c.function in kept]
    return RunResult(
        run=shard(),
        cells=made,
        ledger=[
            LedgerState("torch-tails: silu torch:cpu eager bfloat16 order1 accuracy", "torch-tails", "seen"),
            LedgerState("daz: tanh jax:cpu eager float32 order0 accuracy", "daz", "stale", "not here"),
            LedgerState("old: gelu torch:cpu eager float32 order0 accuracy", "old", "gone", "remove it"),
        ],
        claims=[],
        deviations={
            "torch-tails": {
                "title": "Derivatives of sigmoid and tanh lose their tails",
                "reason": "1 - s rounds to 0 before it is multiplied",
                "upstream": ["https://github.com/pytorch/pytorch/issues/195527", "pytorch#195681"],
            }
        },
    )
