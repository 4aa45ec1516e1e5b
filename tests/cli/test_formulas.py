"""``gradproof formulas``: tables for people, JSON for programs, and the user's mistakes."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Invoke


def test_formulas_are_listed_with_their_proven_errors_best_first(gradproof: Invoke) -> None:
    found = gradproof("formulas", "sigmoid", "--format", "bfloat16", "--order", "1")
    assert found.exit_code == 0
    title, head, *rows = found.stdout.splitlines()
    assert title == "sigmoid' in bfloat16: worst error over all 65,282 inputs, proven"
    assert head.split()[:2] == ["worst", "at"]
    assert rows[0].split() == [
        "0.1241",
        "-0.088379",
        "-",
        "all",
        "sigmoid/bell/1",
        "exp",
        "2",
        "t",
        "/",
        "(1",
        "+",
        "t)^2,",
        "t",
        "=",
        "e^-|x|",
        "no",
        "overflow,",
        "no",
        "difference",
    ]
    torch = next(row for row in rows if "sigmoid/torch/1" in row)
    assert "[-inf, 3.7969], 4 shorter" in torch
    assert "(1 - s) s" in torch


def test_a_wide_format_is_at_least(gradproof: Invoke) -> None:
    out = gradproof("formulas", "hardswish", "--format", "float32", "--order", "1").stdout
    assert "inputs sampled, at least" in out.splitlines()[0]
    assert "all of the sample" in out


def test_json_holds_bits_and_allowances(gradproof: Invoke) -> None:
    rows = json.loads(gradproof("formulas", "silu", "--format", "float16", "--order", "0", "--json").stdout)
    torch = next(row for row in rows if row["id"] == "silu/torch/0")
    assert torch["formula"] == "x / (1 + e^-x)"
    assert torch["worst"] is None
    assert torch["worst_bits"] == "0xfc00"
    assert torch["evidence"] == {"kind": "proven", "n": 63490}
    assert torch["k"] == {"exp": {"ulps": 2, "absolute": 0.0}}
    assert rows[0]["worst"] < 1
    assert rows[0]["keeps"] == [["0xfc00", "0x7c00"]]


def test_parameters_are_bound(gradproof: Invoke) -> None:
    out = gradproof("formulas", "elu", "--param", "alpha=2", "--format", "bfloat16", "--order", "0").stdout
    assert out.startswith("elu(alpha='2') in bfloat16")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["sliu"], "unknown function 'sliu'; did you mean 'silu'?"),
        (["silu", "--format", "bflaot16"], "did you mean 'bfloat16'?"),
        (["silu", "--format", "float8_e4m3fn"], "float8_e4m3fn has none"),
        (["silu", "--order", "3"], "unknown order '3'"),
        (["elu", "--param", "beta=1"], "no parameter 'beta'"),
        (["elu", "--param", "alpha"], "expected --param NAME=VALUE"),
        (["to_float16"], "no formula of 'to_float16' is known"),
        ([], "FUNCTION"),
    ],
)
def test_a_mistake_is_one_line_that_helps(gradproof: Invoke, args: list[str], told: str) -> None:
    found = gradproof("formulas", *args)
    assert found.exit_code == 4
    assert told in found.stderr
    assert "Traceback" not in found.stderr
