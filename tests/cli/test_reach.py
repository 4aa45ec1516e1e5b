"""Users' files with roots, joints, removable singularities: each ends with the right verdict and exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gradproof.cli import codes
from tests.cli.conftest import Invoke

HEAD = """
import numpy as np
import gradproof as gp

def quiet(call):
    def applied(x):
        with np.errstate(all="ignore"):
            return np.asarray(call(x), x.dtype)
    return applied

"""


def checked(gradproof: Invoke, folder: Path, text: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, cells and output of ``gradproof check`` on one user's file, in this process."""
    file = folder / "mine.py"
    file.write_text(HEAD + text, encoding="utf-8")
    for earlier in ("r.json", "r.html"):  # which a run that judged nothing would keep
        Path(earlier).unlink(missing_ok=True)
    run = gradproof(
        "check", str(file), "--jobs", "0", "--json", "r.json", "--html", "r.html", "--profile", "quick", *more
    )
    assert run.exception is None or isinstance(run.exception, SystemExit), run.output
    held = Path("r.json")
    return run.exit_code, json.loads(held.read_text())["cells"] if held.exists() else [], run.output


def of(cells: list[dict[str, Any]], claim: str, order: int, fmt: str = "float32") -> dict[str, Any]:
    (cell,) = [c for c in cells if (c["property"], c["order"], c["format"]) == (claim, order, fmt)]
    return cell


SIGNED_ROOT = """
gp.function(
    "signed_root", gp.piecewise(lambda m, x: -m.sqrt(-x), 0, lambda m, x: m.sqrt(x)), odd=True, monotone=True,
    limits=(("-inf", 0, 0), ("inf", 0, 0)),
)
@gp.implements("signed_root", backend="numpy", derivative=quiet(lambda x: {slope}))
def root(x):
    return np.copysign(np.sqrt(np.abs(x)), x)
"""
ROOT_RELU = """
gp.function(
    "root_relu", gp.piecewise(lambda m, x: 0 * x, 0, lambda m, x: m.sqrt(x)), monotone=True,
    limits=((0, 0, 0), ("inf", 0, 0)),
)
@gp.implements("root_relu", backend="numpy", derivative=quiet(lambda x: {slope}))
def root(x):
    return np.sqrt(np.maximum(x, 0))
"""
ENTROPY = """
gp.function(
    "entropy", gp.piecewise(lambda m, x: 0 * x, 0, lambda m, x: -x * m.log(x)), limits=((0, 0, 0), ("-inf", "-inf", 0)),
)
@gp.implements("entropy", backend="numpy", derivative=quiet(lambda x: {slope}))
@quiet
def entropy(x):
    return {value}
"""
WHERE_ROOT = """
gp.function(
    "where_root", gp.piecewise(lambda m, x: x, 0, lambda m, x: m.sqrt(x)), monotone=True,
    limits=(("-inf", 1, 0), ("inf", 0, 0)),
)
@gp.implements("where_root", backend="numpy", derivative=quiet(lambda x: {slope}))
def root(x):
    return np.where(x > 0, np.sqrt(np.maximum(x, 0)), x)
"""
RIGHT_ENTROPY = "np.where(x <= 0, 0, -x * np.log(x))"
PARTED = "np.where(x > 0, 0.5 / np.sqrt(x), np.where(x <= 0, {below}, x))"

RIGHT = [
    ("signed root", SIGNED_ROOT.format(slope="0.5 / np.sqrt(np.abs(x))")),
    ("root of relu", ROOT_RELU.format(slope=PARTED.format(below="0"))),
    ("entropy", ENTROPY.format(slope="np.where(x <= 0, 0, -np.log(x) - 1)", value=RIGHT_ENTROPY)),
    ("where", WHERE_ROOT.format(slope=PARTED.format(below="1"))),
]
LOST = [
    # What AD of these formulas gives: 0 times inf, at 0 and (root of relu) left of it.
    ("signed root", SIGNED_ROOT.format(slope="np.where(x == 0, np.nan, 0.5 / np.sqrt(np.abs(x)))"), "accuracy"),
    ("root of relu", ROOT_RELU.format(slope="(x > 0) * (0.5 / np.sqrt(np.maximum(x, 0)))"), "accuracy"),
    ("entropy", ENTROPY.format(slope="np.where(x == 0, np.nan, np.where(x <= 0, 0, -np.log(x) - 1))",
                               value=RIGHT_ENTROPY), "kink-convention"),
    ("where", WHERE_ROOT.format(slope="np.where(x > 0, 1, 0) * (0.5 / np.sqrt(np.maximum(x, 0))) + (x <= 0)"),
     "kink-convention"),
    ("where", WHERE_ROOT.format(slope=PARTED.format(below="np.where(x == 0, 0.5, 1)")), "kink-convention"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), RIGHT, ids=[j[0] for j in RIGHT])
def test_an_infinite_slope_at_a_joint_passes_every_claim(name: str, text: str, gradproof: Invoke, folder: Path) -> None:
    code, cells, output = checked(gradproof, folder, text, "--format", "float32", "--order", "0", "--order", "1")
    assert (code, {c["status"] for c in cells}) == (codes.OK, {"pass"}), output
    assert {c["property"] for c in cells} >= {"taylor", "fd-jump", "shape", "smooth-descent", "vanishing"}


@pytest.mark.parametrize(("name", "text", "fails"), LOST, ids=[f"{j[0]} {j[2]}" for j in LOST])
def test_a_wrong_slope_at_such_a_joint_fails(name: str, text: str, fails: str, gradproof: Invoke, folder: Path) -> None:
    options = ("--format", "float32", "--order", "1", "--property", "accuracy", "--property", "kink-convention")
    code, cells, _ = checked(gradproof, folder, text, *options)
    assert (code, of(cells, fails, 1)["status"]) == (codes.FAILED, "fail")


def test_a_value_that_is_lost_at_the_joint_fails(gradproof: Invoke, folder: Path) -> None:
    text = ENTROPY.format(slope="np.where(x <= 0, 0, -np.log(x) - 1)", value="np.where(x < 0, 0, -x * np.log(x))")
    code, cells, _ = checked(gradproof, folder, text, "--format", "float32", "--property", "special-values")
    cell = of(cells, "special-values", 0)
    assert (code, cell["status"]) == (codes.FAILED, "fail")
    assert cell["certificate"]["got"]["decimal"].strip("-") == "nan"
    assert cell["certificate"]["expected"]["decimal"] == "0.0"  # 0 log 0


@pytest.mark.parametrize("fmt", ["float64", "float32", "bfloat16"])
def test_the_second_derivative_behind_an_infinite_slope_names_its_place(
    fmt: str, gradproof: Invoke, folder: Path
) -> None:
    second = "lambda x: np.where(x == 0, 0, -0.25 * np.sign(x) / (np.abs(x) * np.sqrt(np.abs(x))))"
    text = SIGNED_ROOT.format(slope="0.5 / np.sqrt(np.abs(x))").replace("quiet(lambda", "(quiet(lambda", 1)
    text = text.replace("np.sqrt(np.abs(x))))", f"np.sqrt(np.abs(x))), quiet({second})))", 1)
    code, cells, _ = checked(gradproof, folder, text, "--format", fmt, "--order", "2", "--property", "kink-convention")
    cell = of(cells, "kink-convention", 2, fmt)
    assert (code, cell["status"]) == (codes.NOTHING, "undecided")
    assert "the first at 0.0" in cell["reason"]


QUOTIENT = """
gp.function("quotient", lambda m, x: {oracle}{more})
@gp.implements("quotient", backend="numpy", derivative=quiet(lambda x: {slope}))
@quiet
def quotient(x):
    y = x.astype(float)  # expm1(x) / x has values where expm1(x) overflows
    return {value}
"""
WRONG = [
    ("m.expm1(x) / x", "np.expm1(y) / y", "1.0"),
    ("m.sin(x) / x", "np.sin(y) / y", "1.0"),
    ("x / m.tanh(x)", "y / np.tanh(y)", "1.0"),
]


@pytest.mark.parametrize(("oracle", "value", "due"), WRONG)
def test_a_nan_at_a_removable_singularity_fails(
    oracle: str, value: str, due: str, gradproof: Invoke, folder: Path
) -> None:
    text = QUOTIENT.format(oracle=oracle, value=value, slope="0 * x", more="")
    options = ("--format", "float32", "--order", "0", "--property", "accuracy")
    code, cells, _ = checked(gradproof, folder, text, *options)
    cell = of(cells, "accuracy", 0)
    assert (code, cell["status"]) == (codes.FAILED, "fail")
    found = [cell["certificate"][k]["decimal"].strip("-") for k in ("input", "got", "expected")]
    assert found == ["0.0", "nan", due]
    text = QUOTIENT.format(oracle=oracle, value=f"np.where(x == 0, 1, {value})", slope="0 * x", more="")
    code, cells, _ = checked(gradproof, folder, text, *options)
    assert (code, of(cells, "accuracy", 0)["status"]) == (codes.OK, "pass")


SECANT = QUOTIENT.format(oracle="(m.exp(x) - m.exp(1)) / (x - 1)", value="{value}", slope="0 * x", more="{more}")
RIGHT_SECANT = "np.where(y == 1, np.e, np.e * np.expm1(y - 1) / (y - 1))"


def test_a_nan_between_finite_neighbours_fails_although_the_value_is_not_known(gradproof: Invoke, folder: Path) -> None:
    options = ("--format", "float32", "--order", "0", "--property", "accuracy")
    text = SECANT.format(more="", value=f"np.where(x == 1, np.nan, {RIGHT_SECANT})")
    code, cells, _ = checked(gradproof, folder, text, *options)
    cell = of(cells, "accuracy", 0)
    assert (code, cell["status"], cell["severity"]) == (codes.FAILED, "fail", "wrong-class")
    assert "at 1.0 the result is nan" in cell["reason"]
    assert "tends to 2.71828183 there" in cell["reason"]
    assert cell["certificate"]["input"]["decimal"] == "1.0"
    # A number there is not judged, and the reader is told what to declare.
    code, cells, _ = checked(gradproof, folder, SECANT.format(more="", value=RIGHT_SECANT), *options)
    cell = of(cells, "accuracy", 0)
    assert (code, cell["status"]) == (codes.NOTHING, "undecided")
    assert (
        "the first at 1.0; if there is a value, declare it (and those of the derivatives): at={1.0:" in cell["reason"]
    )
    # Declared, it is: right is right, and 3 is not e.
    declared = ", at={1: (lambda m: m.exp(1),)}"
    code, cells, _ = checked(gradproof, folder, SECANT.format(more=declared, value=RIGHT_SECANT), *options)
    assert (code, of(cells, "accuracy", 0)["status"]) == (codes.OK, "pass")
    wrong = f"np.where(x == 1, 3, {RIGHT_SECANT})"
    code, cells, _ = checked(gradproof, folder, SECANT.format(more=declared, value=wrong), *options)
    cell = of(cells, "accuracy", 0)
    assert (code, cell["certificate"]["expected"]["decimal"]) == (codes.FAILED, "2.7182817459106445")


@pytest.mark.parametrize("oracle", ["1 / x", "m.sin(1 / x)"])
def test_a_nan_where_there_is_no_value_is_no_failure(oracle: str, gradproof: Invoke, folder: Path) -> None:
    value = oracle.replace("m.", "np.").replace("x", "y")
    text = QUOTIENT.format(oracle=oracle, value=f"np.where(x == 0, np.nan, {value})", slope="0 * x", more="")
    code, cells, _ = checked(
        gradproof, folder, text, "--format", "bfloat16", "--order", "0", "--property", "special-values"
    )
    cell = of(cells, "special-values", 0, "bfloat16")
    assert (code, cell["status"]) == (codes.NOTHING, "undecided")


SPLICED = """
gp.function(
    "spliced", gp.piecewise(lambda m, x: m.exp(x), 1, lambda m, x: m.exp(1) * x){more},
    limits=((0, 0, 0), ("inf", lambda p: "2.7182818284590452353602874713526625", 0)),
)
@gp.implements("spliced", backend="numpy", derivative=quiet(lambda x: {slope}))
@quiet
def spliced(x):
    y = x.astype(float)
    return np.where(y < 1, np.exp(y), np.e * y)
"""
TANGENT = "np.where(x != x, x, np.exp(np.minimum(x.astype(float), 1)))"


def test_a_smooth_joint_names_its_place_and_may_be_declared(gradproof: Invoke, folder: Path) -> None:
    options = ("--format", "float32", "--order", "1", "--property", "accuracy", "--property", "kink-convention")
    code, cells, _ = checked(gradproof, folder, SPLICED.format(more="", slope=TANGENT), *options)
    for claim in ("accuracy", "kink-convention"):
        cell = of(cells, claim, 1)
        assert (code, cell["status"]) == (codes.NOTHING, "undecided")
        assert (
            "the first at 1.0; if the pieces agree there, declare up to which derivative: smooth={1.0: 1}"
            in cell["reason"]
        )
    code, cells, _ = checked(gradproof, folder, SPLICED.format(more=", smooth={1: 1}", slope=TANGENT), *options)
    assert (code, {c["status"] for c in cells}) == (codes.OK, {"pass"})
    code, cells, _ = checked(gradproof, folder, SPLICED.format(more=", smooth={1: 2}", slope=TANGENT), *options)
    assert code == codes.FAILED
    assert {c["status"] for c in cells} == {"error"}
    assert "smooth= declares f'' continuous at 1, but its pieces give 2.718281828" in cells[0]["reason"]


@pytest.mark.parametrize("wrong", ["np.nan", "3"])
def test_what_lies_off_both_sides_of_an_undecided_joint_fails(wrong: str, gradproof: Invoke, folder: Path) -> None:
    text = SPLICED.format(more="", slope=f"np.where(x == 1, {wrong}, {TANGENT})")
    options = ("--format", "float32", "--order", "1", "--property", "kink-convention")
    code, cells, _ = checked(gradproof, folder, text, *options)
    assert (code, of(cells, "kink-convention", 1)["status"]) == (codes.FAILED, "fail")


OWN = """
gp.function("own", lambda m, x: {oracle}, limits={limits})
@gp.implements("own", backend="numpy", derivative=quiet(lambda x: {slope}))
@quiet
def own(x):
    y = x.astype(float)
    return {value}
"""


LOG_COSH = (
    "np.where(np.abs(y) < 1, np.log1p(2 * np.sinh(y / 2) ** 2), "
    "np.abs(y) + np.log1p(np.exp(-2 * np.abs(y))) - np.log(2))"
)


@pytest.mark.parametrize(
    ("oracle", "limits", "value", "slope"),
    [
        ("m.asinh(x)", '(("-inf", 0, 0), ("inf", 0, 0))', "np.arcsinh(y)", "1 / np.hypot(1, x.astype(float))"),
        (
            "m.log(m.cosh(x))", '(("inf", -1, 0), ("inf", 1, 0))',
            LOG_COSH,
            "np.tanh(x.astype(float))",
        ),
    ],
)  # fmt: skip
def test_inverse_and_hyperbolic_functions_are_certified(
    oracle: str, limits: str, value: str, slope: str, gradproof: Invoke, folder: Path
) -> None:
    text = OWN.format(oracle=oracle, limits=limits, value=value, slope=slope)
    code, cells, output = checked(
        gradproof, folder, text, "--format", "float32", "--property", "accuracy", "--property", "special-values"
    )
    judged = [c for c in cells if c["order"] < 2]
    assert (code, {c["status"] for c in judged}) == (codes.OK, {"pass"}), output
    assert not [c for c in cells if c["measured"].get("uncertified")]


def test_a_function_of_mpmaths_alone_is_named_to_its_author(gradproof: Invoke, folder: Path) -> None:
    text = OWN.format(oracle="m.acot(2 + x * x)", limits="None", value="y", slope="x")
    _, cells, output = checked(
        gradproof, folder, text, "--format", "float32", "--order", "0", "--property", "special-values"
    )
    assert of(cells, "special-values", 0)["measured"]["beyond_arb"] == ["acot"]
    said = " ".join(output.split())
    assert "m.acot has no power series here" in said
    assert "docs/oracle.md lists what a definition may use instead" in said
