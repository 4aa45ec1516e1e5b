"""The figures in docs/: every one between marks is computed from the files of docs/evidence, and written into the page.

$ python benchmarks/doc_figures.py           # write them
$ python benchmarks/doc_figures.py --check   # exit status 1 where a page does not hold what the evidence says

A mark is ``<!--= EXPRESSION -->text<!--/-->``, in a sentence (not at the beginning of a line) or around a table between
blank lines. The expression is Jinja's over the functions of ``NAMES``; readers of the page see the text alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2.sandbox import SandboxedEnvironment

from gradproof.extend import Cell, RunResult
from gradproof.functions import CATALOGUE
from gradproof.results import read_results
from gradproof_reports.html.pictures import pictures

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ANSWERS = DOCS / "evidence" / "answers.json"
STUDIES = DOCS / "evidence" / "relu-at-zero"
MARK = re.compile(r"<!--=(?P<expression>.+?)-->(?P<text>.*?)<!--/-->", re.DOTALL)
FORMATS: Final = ("float64", "float32", "float16", "bfloat16")


@cache
def answers() -> RunResult:
    """The committed results of the runs that docs/evidence/answers.md names."""
    return read_results(str(ANSWERS))


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """The rows of the study relu-at-zero, file by file."""
    studies = [json.loads(file.read_text("utf-8")) for file in sorted(STUDIES.glob("float*.json"))]
    return tuple(
        {**row, "published_rate": s["published_rates"].get(row["format"])} for s in studies for row in s["rows"]
    )


def pages() -> list[Path]:
    """The Markdown pages that may hold marks."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def study(fmt: str, layers: int, width: int) -> dict[str, Any]:
    """The study's row of one network in one format."""
    (row,) = (r for r in rows() if (r["format"], r["layers"], r["width"]) == (fmt, layers, width))
    return row


def cell(
    function: str, name: str, fmt: str = "float32", order: int | None = None, backend: str = "torch", **params: Any
) -> Cell:
    """The one cell of a function, a property and a format; with the parameters named, if there are several."""
    found = [
        c
        for c in answers().cells
        if (c.function, c.property, c.format, c.backend) == (function, name, fmt, backend)
        and c.mode == "eager"
        and (order is None or c.order == order)
        and all(c.params.get(k) == v for k, v in params.items())
    ]
    if len({c.order for c in found}) > 1:  # what is measured of the value is beside the derivative's
        found = [c for c in found if c.order == max(c.order for c in found)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} cells of {function}, {name}, {fmt} on {backend} in {ANSWERS}, expected one")
    return found[0]


def measured(*which: Any, **narrower: Any) -> Mapping[str, Any]:
    """What one cell measured; the arguments are those of ``cell``."""
    return cell(*which, **narrower).measured


def figure(value: float, digits: int = 2) -> str:
    """A number to so many significant digits: 0.0024, 1.4e-8, 9,288."""
    value = float(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    text = f"{value:.{digits}g}"
    mantissa, _, power = text.partition("e")
    return f"{mantissa}e{int(power)}" if power else text


def _power(value: float) -> str:
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(power)}"


def percent(share: float, digits: int = 2) -> str:
    """A share in percent."""
    return f"{figure(100 * share, digits)} %"


def between(interval: Sequence[float | None], unit: Callable[[float], str] = figure) -> str:
    """An interval in words; one whose end lies beyond what was tried is open."""
    low, high = interval
    if low is None:
        return "never"
    return unit(low) if low == high else f"{unit(low)} to {unit(high)}" if high is not None else f"{unit(low)} or later"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *map(list, body)]
    return "\n".join("|" + "|".join(f" {text} " if text != "---" else text for text in line) + "|" for line in lines)


def zero_table() -> str:
    """Of every network of the study: how many initialisations f'(0) reaches, beside the published shares."""
    body = []
    for r in rows():
        published = " and ".join(f"{p:g}" for p in r["published_percent"])
        low, high = (100 * v for v in r["share_interval"])
        body.append(
            (
                r["format"],
                f"{r['layers']} × {r['width']}",
                f"{r['hit']} of {r['initialisations']}: {percent(r['share'], 3)} [{low:.1f}, {high:.1f}]",
                f"{published} %" if published else "–",
                f"{r['zeros']} of {_power(r['relu_calls'])}",
                f"{figure(r['rate'])} [{figure(r['rate_interval'][0])}, {figure(r['rate_interval'][1])}]",
                figure(r["rate_predicted"]),
            )
        )
    head = (
        "format", "layers × width", "initialisations hit", "published", "zeros of ReLU calls", "P(z = 0)",
        "density × spacing",
    )  # fmt: skip
    return table(head, body)


KINKED: Final = (
    "relu", "leaky_relu", "prelu", "abs", "hardtanh", "relu6", "hardsigmoid", "hardswish", "elu", "selu",
)  # fmt: skip


def kink_table() -> str:
    """What PyTorch and JAX return at each kink in float32: their own function, and equal formulations of it."""
    told: dict[tuple[str, str], dict[str, str]] = {}
    for c in answers().cells:
        if c.property == "kink-convention" and c.format == "float32" and c.order == 1 and c.mode == "eager":
            name = _labelled(c)
            for place, kink in c.measured.get("kinks", {}).items():
                if len(set(kink["clarke"])) > 1:  # elu(1) has none
                    told.setdefault((name, place), {}).setdefault(c.backend, _ways(kink))
    order = {name: i for i, name in enumerate(KINKED)}
    ranked = sorted(told.items(), key=lambda item: (order[item[0][0].partition("(")[0]], item[0][0], float(item[0][1])))
    body = [(f"{name}, {place}", ways.get("torch", "–"), ways.get("jax", "–")) for (name, place), ways in ranked]
    return table(("function, kink", "PyTorch", "JAX"), body)


def _ways(kink: Mapping[str, Any]) -> str:
    """Reverse mode's answer, and those of other ways that differ from it."""
    own = _short(kink["reverse"])
    others = {
        way.rpartition(".")[2]: _short(value)
        for way, value in kink.items()
        if way not in ("clarke", "element", "reverse") and not way.endswith("-0")
    }
    differing = [f"{way} {value}" for way, value in others.items() if value != own]
    return "; ".join([own, *differing])


def _short(value: str) -> str:
    number = float(value)
    for part, name in ((1 / 2, "1/2"), (1 / 6, "1/6"), (1 / 12, "1/12")):
        if abs(number - part) < 1e-7:
            return name
    return f"{number:.5g}"


def training_table() -> str:
    """How far parameters part after the last step, f'(0) = 0 against 1, where a unit is forced onto the kink."""
    by_format = {fmt: measured("relu", "conventions-train", fmt)["forced"] for fmt in FORMATS}
    names = list(by_format[FORMATS[0]])
    body = [(fmt, *(percent(forced[name]["apart"]) for name in names)) for fmt, forced in by_format.items()]
    return table(("ReLU", *names), body)


def chain_table() -> str:
    """The depth at which noise reaches the signal, and at which the product is 0, of chains of derivatives."""
    body = [
        (f"{function}, w = 1: noise / 0", *(_depths(chain(function, fmt)) for fmt in FORMATS))
        for function in ("sigmoid", "silu", "gelu", "relu")
    ]
    for function in ("relu", "sigmoid"):
        for switch in ("off", "on"):
            found = [chain(function, fmt)["shrinking"] for fmt in FORMATS]
            of = [next(v for k, v in one.items() if k.endswith(f"flushing {switch}")) for one in found]
            body.append((f"{function}, w = 2^-s, flushing {switch}: noise / 0", *map(_depths, of)))
    return table(("chain", *FORMATS), body)


def _labelled(c: Cell) -> str:
    """A cell's function with its parameters: ``elu(1)``."""
    params = ", ".join(f"{v:g}" for v in c.params.values())
    return f"{c.function}({params})" if params else c.function


def _depths(found: Mapping[str, Any]) -> str:
    noise, flushed, depth = found["snr_below_1_at"], found["flushed_at"], found["depth"]
    if noise is None and flushed is None:
        return f"not within {depth}"
    band = between(found["snr_band"])
    return f"{noise or '–'} (due {band}) / {flushed or '–'}"


def unit_table() -> str:
    """The supremum of each f', the largest value seen, and the units that die, in float32."""
    body = []
    for c in answers().cells:
        if c.property == "vanishing" and c.format == "float32" and c.mode == "eager":
            m = c.measured
            body.append(
                (
                    _labelled(c),
                    figure(m["sup"], 11),
                    figure(m["largest"], 9),
                    f"{m['dead_units']} of {m['dead_units'] + m['living_units']}",
                    figure(m["log2_largest_product"] - m["log2_weights"], 3),
                )
            )
    head = ("f", "sup\\|f'\\|", "largest seen", "dead units", "log2 of the largest product of 8 slopes")
    return table(head, body)


def depth_table() -> str:
    """What rounding does to x² from sawtooth layers, by format."""
    relu = {fmt: measured("relu", "curvature-by-depth", fmt) for fmt in FORMATS}
    leaky = {fmt: measured("leaky_relu", "curvature-by-depth", fmt, negative_slope=0.01) for fmt in FORMATS}
    prelu = {fmt: measured("prelu", "curvature-by-depth", fmt) for fmt in FORMATS}

    def row(name: str, text: Callable[[str], str]) -> tuple[str, ...]:
        return (name, *map(text, FORMATS))

    def last(found: Mapping[str, Any]) -> str:
        return figure(found["rounding_by_depth_in_ulps_of_1"][-1])

    def best_of(found: Mapping[str, Any]) -> str:
        return figure(min(found["error_by_depth"]))

    def pair(name: str) -> Callable[[str], str]:
        return lambda f: f"{relu[f][name + '_due']} / {relu[f][name if name in relu[f] else name + '_at']}"

    body = [
        row("bit for bit exact through depth, due / measured", pair("exact_through_depth")),
        row("rounding takes over at depth, due / measured", pair("rounding_takes_over")),
        row("best error reached, ReLU", lambda f: best_of(relu[f])),
        row("leaky (0.01), weights divided by J", lambda f: best_of(leaky[f])),
        row("PReLU (1/4), weights divided by J", lambda f: best_of(prelu[f])),
        row("leaky (0.01), ReLU's own weights", lambda f: best_of(leaky[f]["with_relus_weights"])),
        row("PReLU (1/4), ReLU's own weights", lambda f: best_of(prelu[f]["with_relus_weights"])),
        row("rounding at full depth in ulps of 1: ReLU", lambda f: last(relu[f])),
        row("the same, leaky", lambda f: last(leaky[f])),
        row("the same, PReLU", lambda f: last(prelu[f])),
    ]
    return table(("", *FORMATS), body)


def jump_table() -> str:
    """Steps of descent across kinks in float32, and the largest change of f' over its bound on the others."""
    body = []
    for c in answers().cells:
        if c.property == "smooth-descent" and c.format == "float32" and c.mode == "eager":
            m = c.measured
            body.append(
                (
                    _labelled(c),
                    str(m["steps_across_a_kink"]),
                    str(m.get("steps_at_which_the_jump_is_beyond_doubt", "–")),
                    figure(m["worst_change"], 3),
                )
            )
    head = (
        "function",
        "steps across a kink",
        "of these, the jump is beyond doubt in",
        "change of f' over L times the step",
    )
    return table(head, body)


def settling_table() -> str:
    """The first and the last step of 16 towards each minimum, in float32."""
    body = []
    for c in answers().cells:
        if c.property == "smooth-descent" and c.format == "float32" and c.mode == "eager":
            body += [
                (c.function, figure(t["turn"], 5), figure(t["first_step"]), figure(t["last_step"]))
                for t in c.measured.get("settling", [])
            ]
    return table(("function", "minimum at", "first step", "16th step"), body)


def _name(c: Cell) -> str:
    """A cell's function as a page writes it: ``PyTorch gelu'``, ``JAX elu(1)``."""
    owner = {"torch": "PyTorch", "jax": "JAX", "numpy": "NumPy"}[c.backend]
    return f"{owner} {_labelled(c)}{chr(39) * c.order}"


def wrong(name: str, orders: Sequence[int] = (0, 1, 2)) -> list[Cell]:
    """The cells of a property that keep a certificate of what is wrong, PyTorch's first."""
    found = [c for c in answers().cells if c.property == name and c.mode == "eager" and c.certificate]
    chosen = [c for c in found if c.order in orders]
    return sorted(chosen, key=lambda c: (c.backend != "torch", c.function, c.order, FORMATS.index(c.format)))


def wrong_table(name: str) -> str:
    """The worst input of every cell of a property that is wrong in the value or the first derivative, in float32."""
    body = []
    for c in wrong(name, (0, 1)):
        if c.format == "float32" and (told := c.certificate):
            x, got, due = (_number(point.decimal, 8) for point in (told.input, told.got, told.expected) if point)
            lost = float(x) == float(got) == float(due) == 0  # the sign that an odd function keeps
            body.append((_name(c), x, got, x if lost else due, "yes" if c.felt else "no"))
    return table(("where, in float32", "input", "got", "due", "felt"), body)


def _number(text: str, digits: int) -> str:
    value = float(text)
    if value != value:
        return "NaN"
    return f"{value:+.0f}" if value == 0 else f"{value:.{digits}g}"


def reason(*which: Any, **narrower: Any) -> str:
    """What one cell says that is not as claimed; the arguments are those of ``cell``."""
    return cell(*which, **narrower).reason


def reason_table(name: str) -> str:
    """What the cells of a property say that are not as claimed."""
    return table(("where", "format", "what"), [(_name(c), c.format, c.reason) for c in wrong(name)])


def reversal_table() -> str:
    """The steps back that computed values make where the function makes none, all within the contract."""
    body = []
    for c in answers().cells:
        if c.property == "shape" and c.status == "pass" and c.measured.get("reversals"):
            m = c.measured
            body.append(
                (_name(c), c.format, f"{m['reversals']:,} of {m['neighbours']:,}", figure(m["worst_reversal"]["ulp"]))
            )
    return table(("where", "format", "steps back of neighbours", "the worst, in ulp"), body)


VERDICTS: Final = re.compile(
    r"^(?P<claim>[a-z-]*) +(?P<place>\w+:\w+[ a-z/]*?)  +(?P<told>(?:holds|-|except \d+).*)$", re.M
)


@cache
def verdicts() -> Mapping[tuple[str, str], tuple[int, ...]]:
    """The exceptions by format of each claim and place that docs/evidence/claims-cpu.md holds."""
    found, claim = {}, ""
    for line in VERDICTS.finditer((DOCS / "evidence" / "claims-cpu.md").read_text("utf-8")):
        claim = line["claim"] or claim
        told = re.split(r"  +", line["told"])
        found[claim, line["place"]] = tuple(int(word.removeprefix("except ")) if " " in word else 0 for word in told)
    return found


def excepted(place: str, *claims: str) -> int:
    """The cells that speak against some claims at a place such as ``torch:cpu``, in the full run on one processor."""
    return sum(sum(verdicts()[claim, place]) for claim in claims)


def exception_table(*claims: str) -> str:
    """The cells that speak against some claims by backend and format, in the full run on one processor."""
    owners = {"numpy:cpu": "NumPy, reference implementations", "torch:cpu": "PyTorch", "jax:cpu": "JAX"}
    body = [
        (f"{claim}: {owner}", *map(str, verdicts()[claim, place]))
        for claim in claims
        for place, owner in owners.items()
    ]
    return table(("exceptions to", *FORMATS), body)


def way_table() -> str:
    """How many bits differ between ways of calling PyTorch's functions in float32, and the verdict."""
    ways = ("strided", "transposed", "scalar", "tail", "in-place", "forward mode")
    body = []
    for c in answers().cells:
        if c.property == "consistency" and c.mode == "eager" and c.order < 2:
            told = [c.measured["ways"].get(way) for way in ways]
            body.append((_name(c), *map(_differing, told)))
    return table(("where, in float32", *ways), body)


def _differing(way: Mapping[str, Any] | None) -> str:
    if way is None:
        return "–"
    failing = way.get("failing", 0)
    return f"{way['different']:,} of {way['n']:,}" + f"; {failing:,} wrong" * bool(failing)


def kink(function: str, place: str, way: str) -> str:
    """What PyTorch returns at a kink of a function in float32, by one way of asking."""
    return _short(measured(function, "kink-convention", order=1)["kinks"][place][way])


def training(fmt: str = "float32") -> Mapping[str, Any]:
    """What the trainings of ReLU networks measured."""
    return measured("relu", "conventions-train", fmt)


def losses(optimiser: str) -> str:
    """The losses in the end under f'(0) = 0, 1/2 and 1, where a unit is forced onto the kink."""
    low, middle, high = (figure(training()["forced"][optimiser]["loss"][way], 3) for way in ("left", "mean", "right"))
    return f"{low}, {middle} and {high}"


def cross(function: str, which: str) -> int:
    """Terms of the Hessian between units that are not 0: ``due``, or ``got`` by whichever way found fewest."""
    found = measured(function, "second-order")
    return int(min(found[way][f"cross_terms_{which}"] for way in found["ways"]))


def terms(function: str, which: str) -> float:
    """The largest term of the Hessian that holds f'': ``due`` or ``got``, by whichever way gave more."""
    found = measured(function, "second-order")
    return float(max(found[way][f"second_derivative_terms_{which}"] for way in found["ways"]))


def passing(name: str) -> str:
    """How many cells of a property pass, of those judged on PyTorch."""
    found = [c for c in answers().cells if c.property == name and c.backend == "torch" and c.status != "not-run"]
    return f"{sum(c.status == 'pass' for c in found)} of {len(found)}"


def lost_by_slope() -> float:
    """Ulps of 1 that rounding costs leaky ReLU or PReLU more than ReLU, at full depth, in the worst format."""

    def last(function: str, fmt: str) -> float:
        return float(measured(function, "curvature-by-depth", fmt)["rounding_by_depth_in_ulps_of_1"][-1])

    return max(last(f, fmt) - last("relu", fmt) for f in ("leaky_relu", "prelu") for fmt in FORMATS)


def settling(function: str) -> Mapping[str, float]:
    """The first and the last step of a descent towards the function's minimum."""
    (found,) = measured(function, "smooth-descent")["settling"]
    return dict(found)


def onset(function: str, side: str, whose: str) -> str:
    """Size of the input from which f' is its limit on a side in float32: the ``oracle``'s or as ``measured``."""
    return figure(abs(float(measured(function, "saturation", order=1)[side][f"{whose}_onset"])), 3)


def chain(function: str, fmt: str) -> Mapping[str, Any]:
    """What a chain of derivatives measured."""
    return measured(function, "underflow-noise", fmt)


def shrinking(function: str, fmt: str, flushing: str) -> int:
    """The depth at which a chain with small weights is 0; flushing of subnormal numbers is ``on`` or ``off``."""
    (found,) = (v for k, v in chain(function, fmt)["shrinking"].items() if k.endswith(f"flushing {flushing}"))
    return int(found["flushed_at"])


def units(function: str) -> int:
    """The lone units that were judged."""
    found = measured(function, "vanishing")
    return int(found["dead_units"] + found["living_units"])


def best(function: str, depth: int, own: bool = False) -> float:
    """The error against x² at a depth in float32, 0 for the least of all; ``own``: with ReLU's own weights."""
    found = measured(function, "curvature-by-depth")
    errors = (found["with_relus_weights"] if own else found)["error_by_depth"]
    return float(errors[depth - 1] if depth else min(errors))


def caption(claim: str) -> str:
    """The sentence under the picture of a claim, as the report has it."""
    return pictures(answers())[claim].caption


def catalogued(conversions: bool = False) -> int:
    """How many functions the catalogue has, or conversions between formats."""
    return sum((f.rounds_to is not None) == conversions for f in CATALOGUE)


def parted() -> str:
    """How many optimisers in how many formats had trajectories that parted on natural data."""
    runs = [run for fmt in FORMATS for run in measured("relu", "conventions-train", fmt)["natural"].values()]
    return f"{sum(run['parted_at'] is not None for run in runs)} of {len(runs)}"


def versions() -> str:
    """What the committed results were made with."""
    found: dict[str, str] = {}
    for run in answers().shards:
        keep = ("python", "numpy", "processor", "simd")
        found |= {k: str(v) for k, v in run.environment.items() if k in keep}
        for backend in run.backends.values():
            found |= {k: str(v) for k, v in backend["versions"].items() if k in ("torch", "jax")}
    return ", ".join(f"{name} {value}" for name, value in found.items())


def counts() -> str:
    """The cells of the committed results by status."""
    return ", ".join(f"{n} {status}" for status, n in answers().counts().items() if n)


NAMES: Final[dict[str, Callable[..., Any]]] = {
    function.__name__: function
    for function in (
        catalogued,
        study, measured, figure, percent, between, zero_table, kink_table, training_table, chain_table,
        unit_table, depth_table, settling_table, jump_table, kink, training, losses, cross, settling, onset,
        chain, shrinking, units, best, caption, parted, versions, counts, terms, passing, lost_by_slope,
        wrong_table, reason, reason_table, reversal_table, excepted, exception_table, way_table,
    )
}  # fmt: skip
"""What an expression may use."""


def filled(text: str) -> str:
    """A page with what its marks should hold."""
    environment = SandboxedEnvironment(autoescape=False)

    def value(found: re.Match[str]) -> str:
        expression = found["expression"]
        made = environment.compile_expression(expression.strip(), undefined_to_none=False)(**NAMES)
        shown = made if isinstance(made, str) else figure(made)
        around = "\n\n" if "\n" in shown else ""
        return f"<!--={expression}-->{around}{shown}{around}<!--/-->"

    return MARK.sub(value, text)


def main(check: bool) -> int:
    """Write the pages, or say which differ."""
    status = 0
    for page in pages():
        text = page.read_text("utf-8")
        due = filled(text)
        if due == text:
            continue
        status = 1
        print(page.relative_to(ROOT), "differs from its evidence" if check else "written")
        if not check:
            page.write_text(due, encoding="utf-8")
    return status if check else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
