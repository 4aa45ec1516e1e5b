"""Pictures of the claims, from what the properties of a run measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from gradproof.extend import Cell, RunResult, short_format
from gradproof_reports.html.charts import Axis, Plotted, chart, linear, logarithmic
from gradproof_reports.summary import format_rank, unique

PLACES: Final = ("torch", "jax", "numpy")
"""Backends in the order in which a picture prefers them: one picture shows one."""
SATURATING: Final = ("sigmoid", "tanh", "softplus", "gelu", "silu", "elu")
STRAIGHT_AND_CURVED: Final = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")
DYING: Final = ("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "tanh", "sigmoid")
SETTLING: Final = ("abs", "gelu", "silu", "mish", "hardswish")


@dataclass(frozen=True)
class Picture:
    """A chart and the sentence under it."""

    svg: Markup
    caption: str


def pictures(result: RunResult) -> dict[str, Picture]:
    """Pictures by the claim that they belong to; none where a run did not measure what one needs."""
    found = {}
    for claim, (name, draw) in DRAWN.items():
        cells = [
            c
            for c in result.cells
            if c.property == name and c.measured and c.mode == "eager" and c.status in ("pass", "known")
        ]
        rank = {b: i for i, b in enumerate(PLACES)}
        places = sorted(unique((c.backend, c.device) for c in cells), key=lambda p: rank.get(p[0], len(rank)))
        for place in places[:1]:
            here = sorted((c for c in cells if (c.backend, c.device) == place), key=lambda c: format_rank(c.format))
            if (made := draw(here)) is not None:
                found[claim] = Picture(made.svg, f"{made.caption} Measured on {place[0]}:{place[1]}.")
    return found


def _of(cells: Sequence[Cell], function: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Short format and what was measured of the first implementation of a function."""
    mine = [c for c in cells if c.function == function]
    seen = set()
    for c in mine:
        if c.implementation == mine[0].implementation and c.format not in seen:
            seen.add(c.format)
            yield short_format(c.format), c.measured


def _difference(cells: Sequence[Cell]) -> Picture | None:
    for _, found in _of(cells, "relu"):
        for k in found.get("kinks", {}).values():
            rows = [(k["h"], k["backward"], k["central_at_kink"], k["forward"]), *(tuple(r) for r in k["finer"])]
            names = ("backward", "central", "forward")
            series = [Plotted(name, [(r[0], r[i + 1]) for r in rows]) for i, name in enumerate(names)]
            y = linear("difference quotient at 0", (-0.25, 0, 0.5, 1, 1.25))
            svg = chart(
                "Difference quotients of ReLU at its kink", logarithmic("step h", [r[0] for r in rows], 2), y, series
            )
            return Picture(
                svg,
                "However small the step, the central difference of ReLU at 0 stays at 1/2: the mean of the two slopes.",
            )
    return None


def _remainder(cells: Sequence[Cell]) -> Picture | None:
    series, steps = [], []
    for n, (name, found) in enumerate(_of(cells, "relu")):
        for kink in found.get("across_each_kink", {}).values():
            h, over = sorted(kink["h"]), sorted(kink["remainder_over_h"])
            steps += h
            series.append(Plotted(name, [(h[0], over[0] + 0.012 * n), (h[1], over[-1] + 0.012 * n)]))
    if not series:
        return None
    smooth = [(h, min(1.0, h / 2)) for h in sorted({min(steps), 2.0**-8, 2.0**-4, 2.0**-2, 2.0**-1, max(steps)})]
    series.append(Plotted("smooth: h/2", smooth))
    svg = chart(
        "Taylor remainder over h",
        logarithmic("step h", steps, 2),
        linear("|remainder| / h", (0, 0.25, 0.5, 0.75, 1)),
        series,
    )
    return Picture(
        svg,
        "Across the kink of ReLU the remainder of the linear model is a fixed share of the step at every scale; of a "
        "smooth function it vanishes with it. Formats are set apart by a hair.",
    )


def _zero(cells: Sequence[Cell]) -> Picture | None:
    series: list[Plotted] = []
    names: list[str] = []
    values: list[float] = []
    for name, found in _of(cells, "relu"):
        cases = {k: v for k, v in found.items() if isinstance(v, dict) and "predicted" in v and "zero row" not in k}
        names = names or list(cases)
        due, seen = [], []
        for i, case in enumerate(names):
            if case in cases:
                p = cases[case]["predicted"]
                due.append((i + 1.0, math.sqrt(p[0] * p[1]) if isinstance(p, list) else p))
                seen.append((i + 1.0, cases[case]["measured"]))
        n = len(series) // 2
        series += [
            Plotted(f"{name} predicted", due, line=False, hollow=True, colour=n),
            Plotted(f"{name} measured", [s for s in seen if s[1] > 0], line=False, colour=n),
        ]
        values += [v for _, v in due]
    if not series or not names:
        return None
    x = Axis("case", (0.5, len(names) + 0.5), [(i + 1.0, str(i + 1)) for i in range(len(names))])
    svg = chart("P(z = 0)", x, logarithmic("P(z = 0)", values), series)
    return Picture(
        svg,
        f"How often the input of a ReLU is exactly 0: {_numbered(names)}. Where no zero was met the prediction stands "
        "alone.",
    )


def _conventions(cells: Sequence[Cell]) -> Picture | None:
    for name, found in _of(cells, "relu"):
        forced = found.get("forced")
        if not forced:
            continue
        names = list(forced)
        ways = {"left": "f′(0) = 0", "mean": "f′(0) = 1/2", "right": "f′(0) = 1"}
        series = [
            Plotted(
                label,
                [(i + 1.0, forced[n]["loss"][way] / forced[n]["loss"]["left"]) for i, n in enumerate(names)],
                line=False,
                hollow=way == "left",
            )
            for way, label in ways.items()
        ]
        most = max(abs(b - 1) for s in series for _, b in s.points) * 1.1 or 0.01
        ticks = [(1 + most * k, f"{1 + most * k:.4g}") for k in (-1, -0.5, 0, 0.5, 1)]
        x = Axis(
            "optimiser",
            (0.5, len(names) + 0.5),
            [(i + 1.0, n.replace("gradient descent", "descent")) for i, n in enumerate(names)],
        )
        svg = chart(
            "Loss under three conventions", x, Axis("loss / loss of f′(0) = 0", (1 - most, 1 + most), ticks), series
        )
        apart = [n for n, row in found.get("natural", {}).items() if row["parted_at"] is not None]
        natural = (
            "On natural data no trajectory parts" if not apart else f"On natural data {len(apart)} trajectories part"
        )
        return Picture(
            svg,
            f"Loss after {forced[names[0]]['steps']} steps where a hidden unit is forced to 0 exactly, by what f′(0) "
            f"is said to be, in {name}. {natural}.",
        )
    return None


def _chains(cells: Sequence[Cell]) -> Picture | None:
    series: list[Plotted] = []
    least = [-1.0]
    drowned: list[str] = []
    for name, found in _of(cells, "sigmoid"):
        depth, total = found.get("depth"), found.get("log2_product")
        if not depth or total is None:
            continue
        n = len(series)
        drowned += [f"{name} at {d}" for d in (found.get("snr_below_1_at"), found.get("flushed_at")) if d]
        marks = [(d, total * d / depth) for d in (found.get("snr_below_1_at"), found.get("flushed_at")) if d]
        series.append(Plotted(name, [(0.0, 0.0), *sorted([*marks, (float(depth), total)])], colour=n))
        least.append(total)
    if not series:
        return None
    low = math.floor(min(least) / 32) * 32
    svg = chart(
        "Products of sigmoid'",
        linear("depth", (0, 16, 32, 48, 64)),
        linear("log2 of the product", [low * k / 4 for k in (4, 3, 2, 1, 0)]),
        series,
    )
    return Picture(
        svg,
        "Median product of sigmoid′ and weights over a chain. Noise drowns the signal, or it is flushed to 0, where a "
        f"line has an inner point: {', '.join(drowned) or 'nowhere here'}.",
    )


def _onsets(cells: Sequence[Cell]) -> Picture | None:
    due: list[tuple[float, float]] = []
    seen: list[tuple[float, float]] = []
    names: list[str] = []
    slopes = [c for c in cells if c.order == 1 and c.function in SATURATING]
    for function in unique(c.function for c in slopes):
        for name, found in _of(slopes, function):
            sides = [
                s
                for s in ("left", "right")
                if (found.get(s) or {}).get("measured_onset") and found[s].get("oracle_onset")
            ]
            for side in sides[:1]:
                names.append(f"{function} {name}")
                due.append((float(len(names)), abs(float(found[side]["oracle_onset"]))))
                seen.append((float(len(names)), abs(float(found[side]["measured_onset"]))))
    if not names:
        return None
    x = Axis("function and format", (0.0, len(names) + 1.0), [(i + 1.0, str(i + 1)) for i in range(len(names))])
    y = logarithmic("|x| from which f′ is the limit", [v for _, v in (*due, *seen) if v > 0], 2)
    svg = chart(
        "Onset of saturation",
        x,
        y,
        [Plotted("due", due, line=False, hollow=True), Plotted("measured", seen, line=False)],
    )
    return Picture(
        svg,
        f"From which input on f′ is exactly its limit, and from which it should be: {_numbered(names)}.",
    )


def _squares(cells: Sequence[Cell]) -> Picture | None:
    series, values = [], []
    exact: Sequence[float] = ()
    for name, found in _of(cells, "relu"):
        errors = found.get("error_by_depth") or []
        exact = max(exact, found.get("exact_error_by_depth") or [], key=len)
        series.append(Plotted(name, [(i + 1.0, e) for i, e in enumerate(errors) if e > 0]))
        values += [e for e in errors if e > 0]
    if not series or not exact:
        return None
    series.append(Plotted("exact", [(i + 1.0, e) for i, e in enumerate(exact)], hollow=True))
    depth = max(len(exact), 2)
    x = linear("depth", list(range(0, depth + 3, 3)))
    svg = chart("x^2 by depth", x, logarithmic("largest error against x²", [*values, *exact], 2), series)
    return Picture(
        svg, "Sawtooth layers of ReLU approximate x² four times as well with each layer, until rounding takes over."
    )


def _terms(cells: Sequence[Cell]) -> Picture | None:
    names, due, got, cross, steps = [], [], [], [], []
    for function in STRAIGHT_AND_CURVED:
        for name, found in _of(cells, function):
            ways = [w for w in map(found.get, found.get("ways", ())) if w]
            if name != "f32" or not ways:
                continue
            names.append(function)
            due.append((float(len(names)), max(float(w["second_derivative_terms_due"]) for w in ways)))
            got.append((float(len(names)), max(float(w["second_derivative_terms_got"]) for w in ways)))
            cross.append(all(w["cross_terms_got"] == w["cross_terms_due"] for w in ways))
            if function == "relu" and (newton := found.get("newton")):
                steps = [newton["infinite"], newton["nan"]]
    if not names:
        return None
    most = math.ceil(max(v for _, v in (*due, *got))) or 1
    svg = chart(
        "Terms of the Hessian with f''",
        _named(names),
        linear("largest term with f″", [most * k / 4 for k in range(5)]),
        [Plotted("due", due, line=False, hollow=True), Plotted("measured", got, line=False)],
    )
    alone = (
        f" Newton's step on ReLU by itself is infinite at {steps[0]} of {sum(steps)} inputs, and NaN at the others."
        if steps
        else ""
    )
    return Picture(
        svg,
        "The largest term of a small network's Hessian that holds f″, in f32: 0 where f is made of straight pieces. "
        f"The cross terms between units, which need f′ alone, are all there {'for each' if all(cross) else 'for some'}."
        + alone,
    )


def _steps(cells: Sequence[Cell]) -> Picture | None:
    series, sizes = [], []
    for function in SETTLING:
        for name, found in _of(cells, function):
            for turn in found.get("settling", [])[:1]:
                if name != "f32" or not turn["last_step"]:
                    continue
                series.append(Plotted(function, [(1.0, turn["first_step"]), (16.0, turn["last_step"])]))
                sizes += [turn["first_step"], turn["last_step"]]
    if not series:
        return None
    x = Axis("step of gradient descent", (1.0, 16.0), [(1.0, "first"), (16.0, "16th")])
    svg = chart("Steps of descent near a minimum", x, logarithmic("length of the step", sizes, 2), series)
    return Picture(
        svg,
        "How long a step of gradient descent is near the minimum of a function, the first and the sixteenth, in f32: "
        "at a kink it never shrinks, where f is smooth it does.",
    )


def _dead(cells: Sequence[Cell]) -> Picture | None:
    names, dead, units = [], [], []
    for function in DYING:
        for name, found in _of(cells, function):
            if name == "f32" and "dead_units" in found:
                names.append(function)
                dead.append((float(len(names)), float(found["dead_units"])))
                units.append(found["dead_units"] + found["living_units"])
    if not names:
        return None
    most = max(units)
    svg = chart(
        "Dead units by function",
        _named(names),
        linear(f"dead of {most} units", [most * k / 4 for k in range(5)]),
        [Plotted("dead", dead, line=False)],
    )
    return Picture(
        svg,
        "Lone units whose gradient is exactly 0 on a batch, and stays so: those of ReLU that see only negative sums. "
        "Any slope on the other side, fixed, trained or curved, keeps them alive. In f32.",
    )


def _named(names: Sequence[str]) -> Axis:
    return Axis("function", (0.5, len(names) + 0.5), [(i + 1.0, name) for i, name in enumerate(names)])


def _numbered(names: Sequence[str]) -> str:
    return "; ".join(f"{i + 1} {name}" for i, name in enumerate(names))


DRAWN: Final[dict[str, tuple[str, Callable[[Sequence[Cell]], Picture | None]]]] = {
    "jump-near-zero": ("fd-jump", _difference),
    "local-linearity": ("taylor", _remainder),
    "exact-zero": ("zero-input", _zero),
    "choice-at-zero": ("conventions-train", _conventions),
    "rounding-noise": ("underflow-noise", _chains),
    "saturation": ("saturation", _onsets),
    "curvature-by-depth": ("curvature-by-depth", _squares),
    "curvature-seen": ("second-order", _terms),
    "smooth-descent": ("smooth-descent", _steps),
    "leaky-slope": ("vanishing", _dead),
}
"""By claim, the property whose measurements its picture shows, and how it is drawn."""
