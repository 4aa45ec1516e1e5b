"""The ledger excuses what its formulas may give, and is never quietly wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.specifiers import SpecifierSet

import gradproof as gp
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.deviation import Deviation
from gradproof.engine.ledger.fence import Fence
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.properties.bulk import HANDED_ON
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.running import worker
from gradproof.engine.running.run import exit_code, run
from gradproof.errors import UsageError
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.formulas.formula import evaluate
from gradproof.formulas.registry import get_formula
from gradproof.results.model import Cell
from gradproof.results.xfails import xfails
from tests.properties.stubs import Offer
from tests.properties.subjects import Call, Exact, answering, between, exact, nudged, reference, replaced, task

HOME = Surroundings({"numpy:cpu": "2.4.6+local"}, {"numpy:cpu": "AMD AVX512"})
QUICK = Selection(profile="quick", jobs=0)
DEFAULT = Selection(jobs=0)
FORMULA = get_formula("sigmoid/torch/1")
"""(1 - s) s with the rounded s: 0 where s is 1."""
ROUNDED = Deviation(
    "numpy-sigmoid", "a title", "a reason", ("a/b#1",), "numpy", SpecifierSet(">=2.4,<2.5"), "2.4.6", ("AMD AVX512",),
    formulas=(FORMULA.id,),
)  # fmt: skip
HALF = get_format("float16")
NAN, INFINITY, MINUS_ZERO = HALF.nan_bits, HALF.infinity_bits, HALF.sign_bit


def wide(x: Any) -> Any:
    """As a kernel holds it: 16-bit numbers in float32."""
    return x.astype(np.float64 if x.dtype == np.float64 else np.float32)


def product(x: Any) -> Any:
    """(1 - s) s with s = 1 / (1 + e^-x), s and the result stored."""
    with np.errstate(all="ignore"):
        e = np.exp(-x.astype(np.float64)).astype(wide(x).dtype)
        s = wide((1 / (1 + e)).astype(x.dtype))
        return ((1 - s) * s).astype(x.dtype)


def difference(x: Any) -> Any:
    """x - tanh(x), both stored."""
    with np.errstate(all="ignore"):
        return (wide(x) - wide(np.tanh(x.astype(np.float64)).astype(x.dtype))).astype(x.dtype)


def difference_prime(x: Any) -> Any:
    """1 - (1 - tanh^2 x), each result stored."""
    with np.errstate(all="ignore"):
        t = wide(np.tanh(x.astype(np.float64)).astype(x.dtype))
        return (1 - wide((1 - wide((t * t).astype(x.dtype))).astype(x.dtype))).astype(x.dtype)


SIGMOID: list[Call] = [Exact("sigmoid"), product, Exact("sigmoid", 2)]
SHRINK: list[Call] = [difference, difference_prime, Exact("tanhshrink", 2)]


def judged(
    deviation: Deviation | None,
    calls: list[Call] = SIGMOID,
    claim: str = "accuracy",
    function: str = "sigmoid",
    fmt: str = "float16",
    order: int = 1,
    selection: Selection = QUICK,
    surroundings: Surroundings = HOME,
    **more: Any,
) -> tuple[Cell, list[str]]:
    """A framework's cell and the states of the deviations."""
    subject = task(claim, function, calls, fmt, order, **{"user": False, **more})
    ledger = Ledger([deviation] if deviation else [])
    cell, states = decide(subject, selection, ledger, surroundings)
    return cell, [s.state for s in states]


def answers(table: Mapping[int, int]) -> list[Call]:
    """sigmoid with other results of the derivative at these inputs, in float16."""
    return [SIGMOID[0], answering(product, table), SIGMOID[2]]


# -- results ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16", "bfloat16"])
def test_results_that_a_formula_gives_are_known_in_every_format(fmt: str) -> None:
    cell, states = judged(ROUNDED, fmt=fmt)
    assert (cell.status, cell.known_ref, states) == ("known", ROUNDED.id, ["seen"])
    assert cell.certificate is not None
    assert judged(None, fmt=fmt)[0].status == "fail"
    assert judged(ROUNDED, fmt=fmt, selection=replace(QUICK, use_ledger=False))[0].status == "fail"


def test_a_result_one_ulp_outside_of_what_the_formula_gives_is_new() -> None:
    at = HALF.round(Fraction(13, 2))  # 6.5, where s is within a few ulps of 1
    possible = evaluate(FORMULA, np.array([at], np.uint16), HALF)
    low, high = (HALF.round(Fraction(float(end[0]))) for end in (possible.low, possible.high))
    assert judged(ROUNDED, answers({at: low}))[0].status == "known"
    assert judged(ROUNDED, answers({at: high}))[0].status == "known"
    for beyond in (low - 1, high + 1):
        assert judged(ROUNDED, answers({at: beyond}))[0].status == "fail"


@pytest.mark.parametrize("result", [NAN, INFINITY, HALF.round(1)], ids=["nan", "infinity", "one"])
def test_nothing_else_is_excused_for_standing_where_the_formula_is_wrong(result: int) -> None:
    """At 9 the formula gives 0 where 1.2e-4 is due."""
    at = HALF.round(9)
    right = int(Exact("sigmoid", 1)(np.array([at], np.uint16).view(np.float16)).view(np.uint16)[0])
    only = answering(Exact("sigmoid", 1), {at: 0})
    assert judged(None, [SIGMOID[0], only])[0].worst_bits == HALF.bits_text(at)
    assert judged(ROUNDED, [SIGMOID[0], only])[0].status == "known"
    assert judged(ROUNDED, answers({at: right}))[0].status == "known"
    assert judged(ROUNDED, answers({at: result}))[0].status == "fail"


@pytest.mark.parametrize("factor", [np.nan, 2, 1.02])
def test_one_wrong_result_in_20000_known_ones_is_new_and_is_what_is_told(factor: float) -> None:
    """The last is less wrong than the 0 that is known near 0, and than results around 1/2, by any measure."""
    pytest.importorskip("numba")
    about, due = replace(ROUNDED, formulas=("tanhshrink/torch/0",)), Exact("tanhshrink")

    def hidden(bits: Any) -> Any:
        size = np.abs(bits.view(np.float32))
        return (bits % 499 == 4) & (size > 0.005) & (size < 0.01)

    def call(x: Any) -> Any:
        got = difference(x)
        rows = np.flatnonzero(hidden(x.view(np.uint32)))
        got[rows] = factor * due(x[rows])
        return got

    subject: dict[str, Any] = {"function": "tanhshrink", "order": 0, "fmt": "float32", "selection": DEFAULT}
    cell, _ = judged(about, [call, *SHRINK[1:]], **subject)
    assert cell.status == "fail"
    assert cell.certificate is not None
    assert cell.certificate.input is not None
    assert hidden(np.array([int(cell.certificate.input.bits, 16)], np.uint32)).all()
    assert [c.explanations for c in cell.clusters] == [[]] * len(cell.clusters)
    assert 0 < sum(c.inputs for c in cell.clusters) < 75 < cell.measured["failing"] / 20000
    assert cell.measured["compared_with_known"] > 50 * HANDED_ON
    assert judged(about, SHRINK, **subject)[0].status == "known"


def test_a_nan_is_known_where_the_formula_has_one() -> None:
    """softsign' as a quotient's derivative is inf / inf at the infinities, and a number at 2."""
    about = replace(ROUNDED, formulas=("softsign/torch/0",))
    calls = [answering(Exact("softsign"), {INFINITY: NAN}), *exact("softsign")[1:]]
    subject: dict[str, Any] = {"claim": "special-values", "function": "softsign", "order": 0}
    assert judged(about, calls, **subject)[0].status == "known"
    calls = [answering(Exact("softsign"), {HALF.round(2): NAN}), *exact("softsign")[1:]]
    assert judged(about, calls, **{**subject, "claim": "accuracy"})[0].status == "fail"


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "torch"},
        {"versions": SpecifierSet("<2.4")},
        {"modes": ("compiled",)},
        {"formats": ("float32", "bfloat16")},
        {"claims": ("consistency",)},
        {"formulas": ("sigmoid/torch/2",)},
        {"formulas": ("tanh/torch/1",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_deviation_of_something_else_explains_nothing(change: dict[str, Any]) -> None:
    assert judged(replace(ROUNDED, **change))[0].status == "fail"
    assert judged(replace(ROUNDED, **change))[1] == []


@pytest.mark.parametrize(
    "change",
    [{"versions": SpecifierSet("")}, {"modes": ("eager",)}, {"formats": ("float16",)}, {"claims": ("accuracy",)}],
    ids=lambda change: next(iter(change)),
)
def test_a_deviation_may_be_narrowed_to_what_it_is_about(change: dict[str, Any]) -> None:
    assert judged(replace(ROUNDED, **change))[0].status == "known"


@pytest.mark.parametrize(
    ("version", "status"), [("2.4.0rc1", "fail"), ("2.4.1.dev3", "known"), ("", "fail"), ("unknown", "fail")]
)
def test_a_version_is_compared_as_one(version: str, status: str) -> None:
    assert judged(ROUNDED, surroundings=replace(HOME, versions={"numpy:cpu": version}))[0].status == status


def test_a_deviation_holds_on_every_device_of_its_backend() -> None:
    assert ROUNDED.in_force("numpy:cpu", "2.4.6", "eager")
    assert ROUNDED.in_force("numpy:cuda", "2.4.6", "compiled")
    assert not ROUNDED.in_force("numpyro:cpu", "2.4.6", "eager")


# -- conventions, conversions, fences ------------------------------------------------------------------------


def at(where: str, function: str, claim: str) -> Deviation:
    return replace(ROUNDED, formulas=(), functions=(function,), at=where, claims=(claim,))


def test_a_lost_sign_of_zero_is_known_where_it_is_listed_and_no_other_result_there() -> None:
    about = at("zeros", "tanh", "special-values")
    for table, status in (
        ({MINUS_ZERO: 0}, "known"),
        ({MINUS_ZERO: HALF.round(1)}, "fail"),
        ({MINUS_ZERO: 0, INFINITY: 0}, "fail"),
    ):
        calls = [answering(Exact("tanh"), table), *exact("tanh")[1:]]
        assert judged(None, calls, "special-values", "tanh", order=0)[0].status == "fail"
        assert judged(about, calls, "special-values", "tanh", order=0)[0].status == status


def test_a_lost_nan_is_known_where_it_is_listed() -> None:
    about = replace(at("nan", "tanh", "special-values"), orders=(0,))
    calls = [answering(Exact("tanh"), {NAN: 0}), *exact("tanh")[1:]]
    assert judged(about, calls, "special-values", "tanh", order=0)[0].status == "known"
    assert judged(replace(about, orders=(1,)), calls, "special-values", "tanh", order=0)[0].status == "fail"
    calls = [answering(calls[0], {HALF.round(-3): NAN}), *calls[1:]]
    assert judged(about, calls, "special-values", "tanh", order=0)[0].status == "known"  # not what that claim is about
    assert judged(about, calls, "accuracy", "tanh", order=0)[0].status == "fail"


def test_a_convention_is_known_at_the_kinks_alone() -> None:
    about = at("kinks", "hardtanh", "kink-convention")
    one, three = HALF.round(1), HALF.round(3)
    for table, status in (({one: three}, "known"), ({one: three, HALF.round(-1): three}, "known")):
        calls = [Exact("hardtanh"), answering(Exact("hardtanh", 1), table)]
        assert judged(None, calls, "kink-convention", "hardtanh")[0].status == "fail"
        assert judged(about, calls, "kink-convention", "hardtanh")[0].status == status
    calls = [Exact("hardtanh"), answering(Exact("hardtanh", 1), {one + 1: three})]
    assert judged(about, calls, "accuracy", "hardtanh")[0].status == "fail"


def through(name: str) -> Any:
    def convert(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return x.astype(name).astype(np.float16).astype(x.dtype)

    return convert


def test_a_second_rounding_is_known_through_the_format_that_is_listed() -> None:
    about = replace(ROUNDED, formulas=(), functions=("to_float16",), through=("float32",))
    cell = lambda call, found: judged(found, [call], "conversion", "to_float16", "float64", 0)[0]  # noqa: E731
    assert cell(through("float64"), None).status == "pass"
    assert cell(through("float32"), None).status == "fail"
    assert cell(through("float32"), about).status == "known"
    assert cell(through("float32"), replace(about, through=("unchanged",))).status == "fail"
    assert cell(lambda x: x, about).status == "fail"
    assert cell(lambda x: x, replace(about, through=("unchanged",))).status == "known"


FENCE = Fence((Fraction(1, 4), Fraction(3, 10)), 10.0, ("accuracy",), ("float16",), (0,))


@pytest.mark.parametrize(
    ("fence", "status"),
    [
        (FENCE, "known"),
        (replace(FENCE, region=(Fraction(1, 4), Fraction(29, 100))), "fail"),
        (replace(FENCE, ceiling=1.5), "fail"),
        (replace(FENCE, claims=("saturation",)), "fail"),
        (replace(FENCE, formats=("float32",)), "fail"),
        (replace(FENCE, orders=(1,)), "fail"),
        (Fence(ceiling=10.0), "known"),
    ],
)
def test_a_fence_holds_errors_in_a_region_up_to_its_ceiling(fence: Fence, status: str) -> None:
    calls = [nudged(Exact("tanh"), between(0.25, 0.3), 9), *exact("tanh")[1:]]
    about = replace(ROUNDED, formulas=(), functions=("tanh",), fences=(fence,))
    assert judged(about, calls, "accuracy", "tanh", order=0)[0].status == status
    nan = [answering(calls[0], {HALF.round(Fraction(1, 4)): NAN}), *calls[1:]]
    assert judged(about, nan, "accuracy", "tanh", order=0)[0].status == "fail"


@pytest.mark.parametrize("name", ["float64", "float16", "bfloat16", "float8_e4m3fn"])
@pytest.mark.parametrize(
    "ends", [("0.1", "0.3"), (-3, "-0.7"), ("-1e-9", "1e-9"), (70000, 80000), ("0.10001", "0.10002")]
)
def test_a_region_holds_every_number_between_its_ends_and_no_other(ends: tuple[Any, Any], name: str) -> None:
    fmt, (low, high) = get_format(name), (Fraction(e) for e in ends)
    tried = {o + d for o in (fmt.ordinal(fmt.round(e, saturate=True)) for e in (low, high)) for d in (-1, 0, 1)}
    bits = [fmt.from_ordinal(o) for o in tried if abs(o) <= fmt.max_bits]
    held = Fence((low, high), 2.0).holds(np.array(bits, fa.storage(fmt)), fmt)
    assert held.tolist() == [low <= fmt.value(b) <= high for b in bits]


def test_an_infinity_belongs_to_a_region_that_names_it_and_nan_to_the_whole_line() -> None:
    bits = np.array([HALF.round(60000), INFINITY, INFINITY | MINUS_ZERO, NAN, NAN | MINUS_ZERO], np.uint16)
    assert Fence((Fraction(59000), Fraction(70000))).holds(bits, HALF).tolist() == [True, False, False, False, False]
    assert Fence((Fraction(70000), float("inf"))).holds(bits, HALF).tolist() == [False, True, False, False, False]
    assert Fence().holds(bits, HALF).all()


# -- relations between results -------------------------------------------------------------------------------


CANCELS = replace(ROUNDED, formulas=("tanhshrink/torch/0", "tanhshrink/torch/1"))
RELATIONS = [("shape", 0), ("taylor", 1), ("vanishing", 1), ("underflow-noise", 1)]


@pytest.mark.parametrize(("claim", "order"), RELATIONS)
def test_a_relation_is_known_if_it_holds_once_explained_results_are_right(claim: str, order: int) -> None:
    about: dict[str, Any] = {"claim": claim, "function": "tanhshrink", "order": order}
    assert judged(None, SHRINK, **about)[0].status == "fail"
    assert judged(replace(CANCELS, formulas=("tanhshrink/torch/2",)), SHRINK, **about)[0].status == "fail"
    cell, states = judged(CANCELS, SHRINK, **about)
    assert (cell.status, cell.known_ref, cell.attributed, states) == ("known", ROUNDED.id, True, ["seen"])


@pytest.mark.parametrize(("claim", "order"), RELATIONS)
def test_a_relation_that_another_fault_breaks_too_is_new(claim: str, order: int) -> None:
    calls = list(SHRINK)
    calls[order] = replaced(calls[order], between(0.5, 1), lambda x: 0 * x - 1)
    assert judged(CANCELS, calls, claim, "tanhshrink", order=order)[0].status == "fail"


def test_results_that_keep_the_contract_are_taken_out_of_a_relation_that_a_deviation_names() -> None:
    """x times the rounded relu6(x + 3) / 6 is below the minimum of -3/8 by an ulp beside -3/2."""

    def hardswish(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.where(np.isneginf(x), np.float32(0), x * (np.clip(x + 3, 0, 6) * np.float32(1 / 6)))

    calls = [hardswish, *exact("hardswish")[1:]]
    about = replace(ROUNDED, formulas=("hardswish/jax/0",))
    for relations, status in ((("shape",), "known"), (("taylor",), "fail"), ((), "fail")):
        found = replace(about, relations=relations)
        assert judged(found, calls, "shape", "hardswish", "float32", 0)[0].status == status
    below = replaced(hardswish, between(-1.6, -1.4), lambda x: 0 * x - 0.3751)
    about = replace(about, relations=("shape",))
    assert judged(about, [below, *calls[1:]], "shape", "hardswish", "float32", 0)[0].status == "fail"


# -- a user's own code ---------------------------------------------------------------------------------------


def test_a_users_implementation_is_never_excused_by_a_frameworks_ledger() -> None:
    cell, states = judged(ROUNDED, user=True)
    assert (cell.status, states) == ("fail", [])


def declared(known: Any, calls: list[Call], claim: str = "accuracy", **selection: Any) -> tuple[str, list[str]]:
    subject = task(claim, "tanh", calls, "float16")
    subject = replace(subject, implementation=replace(subject.implementation, known=(known,)))
    cell, states = decide(subject, replace(DEFAULT, **selection), Ledger(), HOME)
    return cell.status, [s.state for s in states]


HIGH = [nudged(Exact("tanh"), between(0.25, 0.3), 9), *exact("tanh")[1:]]


@pytest.mark.parametrize(
    ("more", "status", "state"),
    [
        ({"ceiling": 5, "region": ("0.25", "0.3")}, "known", "seen"),
        ({}, "known", "seen"),
        ({"ceiling": 2}, "fail", "grown"),
        ({"region": (0, "0.29")}, "fail", "grown"),
        ({"region": (3, 4)}, "fail", "gone"),
    ],
)
def test_what_an_author_declares_is_seen_grown_or_gone(more: dict[str, Any], status: str, state: str) -> None:
    assert declared(gp.known("accuracy", "why", **more), HIGH) == (status, [state])


@pytest.mark.parametrize(
    ("claim", "selection", "state"),
    [
        ("accuracy", {}, "gone"),
        ("accuracy", {"profile": "quick", "seed": 3}, "gone"),
        ("shape", {}, "gone"),
        ("shape", {"profile": "quick"}, "not-checked"),
        ("shape", {"seed": 3}, "not-checked"),
    ],
)
def test_only_a_run_that_meets_the_same_inputs_says_that_a_declaration_is_gone(
    claim: str, selection: dict[str, Any], state: str
) -> None:
    assert declared(gp.known(claim, "mended"), exact("tanh"), claim, **selection) == ("pass", [state])


# -- what a run does not see ---------------------------------------------------------------------------------


def unseen(selection: Selection = DEFAULT, surroundings: Surroundings = HOME, **change: Any) -> list[str]:
    tasks: list[Task] = [task("accuracy", "sigmoid", SIGMOID, user=False)]
    return [s.state for s in Ledger([replace(ROUNDED, **change)]).unseen(tasks, selection, surroundings)]


def test_a_deviation_that_no_longer_shows_is_gone_where_it_was_recorded_and_stale_elsewhere() -> None:
    assert unseen() == ["gone"]
    for elsewhere in (
        replace(HOME, hardware={"numpy:cpu": "AMD AVX2"}),
        replace(HOME, hardware={"numpy:cpu": "Intel AVX512"}),
        replace(HOME, versions={"numpy:cpu": "2.4.7"}),
    ):
        assert unseen(surroundings=elsewhere) == ["stale"]


@pytest.mark.parametrize(
    "change",
    [{"recorded": ""}, {"backend": "torch"}, {"modes": ("compiled",)}, {"versions": SpecifierSet("<2.4")}],
    ids=lambda change: next(iter(change)),
)
def test_nothing_is_said_of_a_deviation_that_is_not_about_the_run(change: dict[str, Any]) -> None:
    assert unseen(**change) == []


@pytest.mark.parametrize(
    "narrowed",
    [
        {"profile": "quick"},
        {"seed": 3},
        {"functions": ("sigmoid",)},
        {"properties": ("accuracy",)},
        {"formats": ("float16",)},
        {"orders": (1,)},
        {"contract": "faithful"},
        {"use_ledger": False},
        {"files": ("mine.py",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_run_that_does_not_look_at_everything_says_of_nothing_that_it_is_gone(narrowed: dict[str, Any]) -> None:
    assert unseen(replace(DEFAULT, **narrowed)) == []


def test_a_run_sees_its_ledger_and_says_which_deviations_are_gone(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: TOML files, a run of everything that a backend has, its results and its exit code."""
    right = reference("sigmoid")

    def catalogue(*derivatives: Call) -> Any:
        from gradproof.backends.base import Implementation

        return lambda self: [
            Implementation(
                "sigmoid", "faulty", "faulty.sigmoid", right[0], {}, tuple(derivatives), formats=("float16",)
            )
        ]

    offer("faulty", catalogue=catalogue(product), simd=lambda self, level: "")
    from gradproof.engine.surroundings.environment import hardware

    text = ROW.replace("numpy", "faulty").replace(">=2.4", ">=1").replace("2.4.6", "1.2.3")
    (tmp_path / "faulty.toml").write_text(text.replace("AMD AVX512", hardware("faulty:cpu")), "utf-8")
    monkeypatch.setattr(worker, "ledger_directories", lambda: [tmp_path])
    chosen = Selection(backends=("faulty",), jobs=0)
    result = run(chosen)
    assert {s.deviation: s.state for s in result.ledger} == {"faulty-sigmoid": "seen"}
    assert {c.known_ref for c in result.cells if c.status == "known"} == {"faulty-sigmoid"} == set(result.deviations)
    assert (exit_code(result), {c.status for c in result.cells} & {"fail", "error"}) == (0, set())
    rows = xfails(result)["xfails"]
    assert {(r["order"], f["id"]) for r in rows for f in r["formulas"]} >= {(1, FORMULA.id)}
    assert {(r["title"], *r["upstream"]) for r in rows} == {("a title",)}
    offer("faulty", catalogue=catalogue(right[1]), simd=lambda self, level: "")
    mended = run(chosen)
    assert [s.state for s in mended.ledger] == ["gone"]
    assert exit_code(mended) == 1


# -- the files -----------------------------------------------------------------------------------------------

ROW = """
backend = "numpy"
versions = ">=2.4"
recorded = "2.4.6"
hardware = ["AMD AVX512"]

[[deviation]]
id = "numpy-sigmoid"
title = "a title"
reason = "a reason"
formulas = ["sigmoid/torch/1"]
"""


def test_a_file_holds_deviations_with_what_they_share_at_its_head(tmp_path: Path) -> None:
    (tmp_path / "numpy.toml").write_text(ROW + 'upstream = ["a/b#1"]\n', "utf-8")
    assert Ledger.read([tmp_path]).deviations == {ROUNDED.id: replace(ROUNDED, versions=SpecifierSet(">=2.4"))}
    fence = '[[deviation.fences]]\nregion = ["-inf", "0.1"]\nceiling = 9\nclaims = ["shape"]\norders = [1]\n'
    (tmp_path / "numpy.toml").write_text(f'{ROW}functions = ["tanh"]\n{fence}', "utf-8")
    (read,) = Ledger.read([tmp_path]).deviations.values()
    assert read.fences == (Fence((float("-inf"), Fraction(1, 10)), 9.0, ("shape",), (), (1,)),)
    assert read.about == {"sigmoid", "tanh"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[[deviation]]", "[[deviation"), "is not valid TOML"),
        (("backend", "bakend"), "unknown key 'bakend'; did you mean 'backend'?"),
        (("title", "titel"), "deviation 'numpy-sigmoid': unknown key 'titel'; did you mean 'title'?"),
        (('id = "numpy-sigmoid"\n', ""), "deviation 1 lacks 'id'"),
        (('reason = "a reason"', ""), "deviation 'numpy-sigmoid' lacks 'reason'"),
        (('versions = ">=2.4"', ""), "deviation 'numpy-sigmoid' lacks 'versions'"),
        ((">=2.4", "about 2"), "deviation 'numpy-sigmoid': Invalid specifier"),
        (('"a title"', "7"), "expected title as text, got 7"),
        (('["AMD AVX512"]', '"AMD AVX512"'), "expected hardware as a list of text, got 'AMD AVX512'"),
        (("sigmoid/torch/1", "sigmoid/torch/7"), "unknown formula 'sigmoid/torch/7'; known: sigmoid/"),
        (('formulas = ["sigmoid/torch/1"]', ""), "expected what explains it: formulas, at, through or fences"),
        (('formulas = ["sigmoid/torch/1"]', 'at = "zeros"'), "expected the functions that it is about"),
        (('formulas = ["sigmoid/torch/1"]', 'at = "poles"\nfunctions = ["tanh"]'), "expected at as one of kinks"),
        (("[[deviation]]", '[[deviation]]\nfunctions = ["tahn"]'), "unknown function 'tahn'"),
        (("[[deviation]]", '[[deviation]]\nformats = ["float17"]'), "unknown format 'float17'"),
        (("[[deviation]]", '[[deviation]]\norders = ["one"]'), "invalid literal for int"),
        (("[[deviation]]", '[[deviation]]\nfences = [{region = ["0"], ceiling = 2}]'), "not enough values to unpack"),
        (("[[deviation]]", '[[deviation]]\nfences = [{region = ["0", "1"]}]'), "lacks 'ceiling'"),
        (
            ("[[deviation]]", '[[deviation]]\nfences = [{region = ["0", "1"], ceiling = inf}]'),
            "expected a finite ceiling above 1",
        ),
        (
            ("[[deviation]]", '[[deviation]]\nfences = [{region = ["0", "1"], ceilling = 2}]'),
            "unknown key 'ceilling'; did you mean 'ceiling'?",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_named_with_the_deviation_and_what_is_wrong(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    assert change[0] in ROW
    file = tmp_path / "numpy.toml"
    file.write_text(ROW.replace(*change, 1), "utf-8")
    with pytest.raises(UsageError) as caught:
        Ledger.read([tmp_path])
    assert str(caught.value).startswith(f"ledger file {file}")
    assert message in str(caught.value)


def test_two_deviations_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.toml").write_text(ROW, "utf-8")
    with pytest.raises(UsageError, match="two deviations of the ledger are called 'numpy-sigmoid'"):
        Ledger.read([tmp_path])
