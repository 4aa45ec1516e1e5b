"""Certificates: every field of a constructed failure, and a command that shows it again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from click.testing import CliRunner

from gradproof.cli.app import program
from gradproof.engine.judging.certificates import certify_failure, reproduction
from gradproof.engine.properties.property import Violations
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.engine.subject.probe import Probe
from gradproof.formats import get_format
from gradproof.results.model import Certificate
from tests.properties.subjects import (
    QUICK,
    Exact,
    answering,
    between,
    bits_of,
    exact,
    nudged,
    replaced,
    task,
    verdict,
)


def certificate(*arguments: Any, **more: Any) -> Certificate:
    found = verdict(*arguments, **more).certificate
    assert found is not None
    return found


def test_a_relu_that_loses_everything_up_to_one_is_described_field_by_field() -> None:
    # In float16, wrong for (0, 1]: error y over the quantum of y plus that of x, which are the same.
    made = certificate("accuracy", "relu", [replaced(Exact("relu"), between(2.0**-24, 1), lambda x: 0 * x)])
    assert made.input is not None
    x = float(made.input.decimal)
    assert float.fromhex(made.input.hex) == x
    assert int(made.input.bits, 16) == bits_of("float16", x)
    assert made.got is not None
    assert made.expected is not None
    assert made.enclosure is not None
    assert (made.got.decimal, float(made.expected.decimal)) == ("0.0", x)
    assert (float(made.enclosure.lower), float(made.enclosure.upper)) == (x, x)
    assert made.enclosure.certified == "exact"
    quantum = 2.0 ** get_format("float16").quantum_exponent(get_format("float16").value(int(made.input.bits, 16)))
    assert made.u == x / quantum
    assert made.m == made.u / 2
    assert made.magnitude == made.m / 2
    assert made.abs_error == x
    # The worst input is the one with the most quanta: just below a power of two.
    assert made.u == 2047
    (region,) = made.region
    assert (region.lo.bits, region.hi.bits) == ("0x0005", "0x3c00")  # 4 quanta are within the contract: m = 2
    assert region.exhaustive
    assert region.tried == region.failing == 0x3C00 - 0x0005 + 1
    assert made.simplest is not None
    assert made.simplest.decimal == "1.0"


def test_the_neighbours_are_two_on_either_side_with_what_is_due() -> None:
    made = certificate("accuracy", "relu", [nudged(Exact("relu"), between(1, 1), 9)])
    fmt = get_format("float16")
    one = bits_of("float16", 1)
    assert [int(row["input"].bits, 16) for row in made.neighbours] == [one - 2, one - 1, one + 1, one + 2]
    for row in made.neighbours:
        assert row["got"] == row["expected"] == row["input"]
    assert made.input is not None
    assert made.input.bits == fmt.bits_text(one)


def test_the_enclosure_holds_the_real_value() -> None:
    made = certificate("accuracy", "tanh", [nudged(Exact("tanh"), between(0.75, 0.75), 9)], "bfloat16")
    assert made.enclosure is not None
    with mpmath.workdps(40):
        y = mpmath.tanh(mpmath.mpf("0.75"))
        assert mpmath.mpf(made.enclosure.lower) <= y <= mpmath.mpf(made.enclosure.upper)
        assert made.u == pytest.approx(float(abs(mpmath.mpf(made.got.decimal) - y) / mpmath.mpf(2) ** -8), rel=1e-3)
    assert made.enclosure.certified == "arb"


def cancelled(x: Any) -> Any:
    """exp(x) - 1 from an exp(x) that was rounded to float16."""
    return np.exp(x).astype(np.float16).astype(np.float64) - 1


CAUSES: dict[str, tuple[str, int, str, Any]] = {
    "early-saturation": ("sigmoid", 1, "float16", replaced(Exact("sigmoid", 1), between(8, 9), lambda x: 0 * x)),
    "flush": ("sigmoid", 0, "float32", replaced(Exact("sigmoid"), between(-100, -88), lambda x: 0 * x)),
    "cancellation": ("elu", 0, "float16", replaced(Exact("elu"), between(-0.1, -0.01), cancelled)),
    "intermediate-overflow": (
        "gelu",
        0,
        "float16",
        replaced(Exact("gelu"), between(-60000, -300), lambda x: np.inf * x),
    ),
    "class-mismatch": ("relu", 0, "float16", answering(Exact("relu"), {0x7C00: 0x7BFF})),
    "wrong-branch": ("leaky_relu", 0, "float16", replaced(Exact("leaky_relu"), between(-3, -2), lambda x: x)),
    "rounding": ("tanh", 0, "float16", nudged(Exact("tanh"), between(1, 2), 9)),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_seeded_cause_is_the_one_that_is_named(cause: str) -> None:
    function, order, fmt, call = CAUSES[cause]
    calls = exact(function)
    calls[order] = call
    claim = "special-values" if cause == "class-mismatch" else "accuracy"
    assert certificate(claim, function, calls, fmt, order).cause == cause


def test_a_wrong_class_has_no_finite_error() -> None:
    made = certificate("accuracy", "relu", [answering(Exact("relu"), {bits_of("float16", 3): 0x7E00})])
    assert (made.u, made.m, made.abs_error, made.magnitude) == (None, None, None, None)
    assert made.got is not None
    assert made.got.decimal == "nan"
    assert made.cause == "intermediate-overflow"


def test_a_nan_input_keeps_its_payload_and_sign() -> None:
    pattern = 0xFD01
    made = certificate("special-values", "relu", [answering(Exact("relu"), {pattern: 0})])
    assert made.input is not None
    assert made.input.bits == "0xfd01"
    assert made.expected is not None
    assert made.expected.decimal == "nan"
    assert made.neighbours == []
    assert "--bits 0xfd01" in made.reproduce
    assert [(i.lo.bits, i.failing) for i in made.region] == [("0xfd01", 1)]


def test_the_gravest_row_is_certified_and_not_the_largest_error() -> None:
    calls = [answering(nudged(Exact("relu"), between(2, 2), 900), {bits_of("float16", -3): bits_of("float16", -1)})]
    made = certificate("accuracy", "relu", calls)
    assert made.input is not None
    assert made.input.decimal == "-3.0"  # both are large errors, and -1 in place of 0 the larger
    calls = [answering(calls[0], {bits_of("float16", 5): bits_of("float16", "-0.001")})]
    made = certificate("accuracy", "relu", calls)
    assert made.input is not None
    assert made.input.decimal == "5.0"  # of the wrong sign, which is graver


def test_a_claim_about_several_results_names_no_single_expectation() -> None:
    made = certificate(
        "taylor", "relu", [Exact("relu"), replaced(Exact("relu", 1), between(1, 2), lambda x: 3 + 0 * x)], order=1
    )
    assert (made.expected, made.enclosure, made.u, made.m, made.simplest) == (None, None, None, None, None)
    assert made.magnitude is not None
    assert made.magnitude > 1
    assert "the remainder is" in made.explanation
    assert all(1 <= float(i.lo.decimal) <= float(i.hi.decimal) <= 2 for i in made.region)


def test_a_callable_that_fails_now_and_then_is_certified_all_the_same() -> None:
    rng = np.random.default_rng(0)
    right = Exact("tanh")

    def flaky(x: Any) -> Any:
        y = right(x)
        return np.where(rng.random(x.shape) < 0.02, -y, y).astype(x.dtype)

    cell = verdict("accuracy", "tanh", [flaky], "float32")
    assert cell.status == "fail"
    assert cell.certificate is not None
    assert cell.certificate.region


def test_a_certificate_without_a_failure_is_refused() -> None:
    subject = task("accuracy", "relu", exact("relu"))
    empty = np.zeros(0, np.uint16)
    nothing = Violations(empty, empty, np.zeros(0), np.zeros(0, np.int8), np.zeros(0, bool))
    with pytest.raises((ValueError, IndexError)):
        certify_failure(subject, Probe(subject, QUICK), nothing, None)


def words(**changes: Any) -> dict[str, str | bool]:
    """Options of a reproduction command; its first words are checked here."""
    given = {"claim": "accuracy", "function": "relu", "calls": exact("relu"), **changes}
    more = {k: given.pop(k) for k in ("bits", "source", "selection") if k in given}
    command = reproduction(task(**given), more.get("bits", 0x3C00), more.get("source"), more.get("selection"))
    listed = shlex.split(command)
    assert listed[:3] == ["gradproof", "repro", given["function"]]
    assert len(listed[3:]) % 2 == 0
    return dict(zip(listed[3::2], listed[4::2], strict=True))


def test_the_command_names_what_fixes_the_cell_and_nothing_more() -> None:
    assert words(user=False) == {
        "--implementation": "mine:subject", "--backend": "numpy:cpu", "--format": "float16", "--order": "0",
        "--bits": "0x3c00",
    }  # fmt: skip


def test_the_command_names_what_differs_from_the_default() -> None:
    selection = replace(QUICK, contract="faithful", profile="deep", seed=7)
    options = words(
        claim="taylor", function="elu", calls=exact("elu"), params={"alpha": 2.5}, order=1, mode="compiled",
        source="my files/elu of mine.py", selection=selection, bits=None,
    )  # fmt: skip
    assert options == {
        "--file": "my files/elu of mine.py", "--implementation": "mine:subject", "--param": "alpha=2.5",
        "--backend": "numpy:cpu", "--format": "float16", "--order": "1", "--mode": "compiled",
        "--property": "taylor", "--contract": "faithful", "--profile": "deep", "--seed": "7",
    }  # fmt: skip
    # One input shows an accuracy failure whatever profile found it.
    assert not {"--profile", "--seed"} & set(words(selection=selection))


@pytest.mark.parametrize("claim", ["accuracy", "saturation", "special-values", "taylor", "fd-jump"])
def test_the_command_shows_the_failure_again(claim: str, tmp_path: Path) -> None:
    file = tmp_path / "a wrong one.py"
    file.write_text(
        "import numpy as np\nimport gradproof as gp\n\n"
        'def slope(x):\n    return np.where(x > 0, 1, 0.75).astype(x.dtype)\n\n'
        '@gp.implements("relu", backend="numpy", formats=["float16"], derivative=slope)\n'
        "def mine(x):\n    return np.where(x > 0, x, x * x.dtype.type(0.5) + x.dtype.type(0.25))\n"
    )  # fmt: skip
    cells = run(Selection(files=(str(file),), properties=(claim,), profile="quick", jobs=0)).cells
    failed = next(c for c in cells if c.status == "fail")
    assert failed.certificate is not None
    arguments = shlex.split(failed.certificate.reproduce)
    assert arguments[0] == "gradproof"
    result = CliRunner(env={"COLUMNS": "2000"}).invoke(program, arguments[1:])
    assert result.exit_code == 1, result.output


def test_a_zero_that_begins_among_the_normal_numbers_has_one_cause_wherever_it_is_looked_at(tmp_path: Path) -> None:
    """exp(-x) overflows before the result is subnormal; the simplest input lies where it would be."""
    file = tmp_path / "saturating.py"
    file.write_text(
        "import numpy as np\nimport gradproof as gp\n\n"
        '@gp.implements("silu", backend="numpy", formats=["float32"])\n'
        "def mine(x):\n    with np.errstate(all='ignore'):\n"
        "        return np.where(x < -1e30, np.float32(-0.0), x / (1 + np.exp(-x)))\n"
    )
    (found,) = run(Selection(files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=0)).cells
    assert found.certificate is not None
    assert found.certificate.cause == "early-saturation"
    assert found.certificate.simplest is not None
    assert found.certificate.simplest.decimal == "-96.0"
    result = CliRunner(env={"COLUMNS": "2000"}).invoke(program, shlex.split(found.certificate.reproduce)[1:])
    assert "early-saturation (probable)" in result.output
