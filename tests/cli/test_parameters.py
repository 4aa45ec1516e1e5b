"""Parameters on their way through the command line: exact numbers in and out, and commands that find them again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from gradproof.results import read_results
from tests.cli.conftest import Invoke

SLOPES = """
from fractions import Fraction

import numpy as np

import gradproof as gp


@gp.implements("leaky_relu", backend="numpy", formats=["float64"], name="slopes",
               params={{"negative_slope": [{slopes}]}})
def slopes(x, negative_slope):
    return np.where(x > 0, x, 2.0 * x)
"""
"""Wrong for every slope but 2."""
ONE_CELL = ("--property", "accuracy", "--order", "0", "--jobs", "0", "--profile", "quick")


def of(folder: Path, *slopes: str) -> str:
    file = folder / "slopes.py"
    file.write_text(SLOPES.format(slopes=", ".join(slopes)))
    return str(file)


def test_fractions_and_numpys_numbers_reach_the_results_file(gradproof: Invoke, folder: Path) -> None:
    file = of(folder, "Fraction(1, 3)", "np.float32(0.1)", "0.1", "'0.1'")
    assert gradproof("check", file, *ONE_CELL, "--json", "out.json").exit_code == 1
    params = [c["params"] for c in json.loads((folder / "out.json").read_text())["cells"]]
    assert [p["negative_slope"] for p in params] == ["1/3", 0.10000000149011612, 0.1, "0.1"]
    assert len({c.id for c in read_results(folder / "out.json").cells}) == 4


@pytest.mark.parametrize("wrong", ["0.1", "'0.1'", "'1/3'"])
def test_the_command_of_a_failure_finds_its_parameters_again(wrong: str, gradproof: Invoke, folder: Path) -> None:
    file = of(folder, "0.1", "'0.1'", "'1/3'", "2")
    gradproof("check", file, *ONE_CELL, "--json", "out.json")
    failing = {c.params["negative_slope"]: c.certificate for c in read_results(folder / "out.json").cells}
    asked = eval(wrong)
    assert failing[asked] is not None
    assert failing[2] is None
    words = shlex.split(failing[asked].reproduce)
    assert words[words.index("--param") + 1] == f"negative_slope={wrong}"
    done = gradproof(*words[1:])
    assert done.exit_code == 1
    assert f"leaky_relu(negative_slope={wrong})" in done.stdout


def test_a_person_may_leave_the_quotes_out(gradproof: Invoke, folder: Path) -> None:
    where = ("--backend", "numpy:cpu", "--format", "float64", "--bits", "0xbff0000000000000")
    file = of(folder, "'0.1'", "2", "10**400")
    done = gradproof("repro", "leaky_relu", "--file", file, "--param", "negative_slope=0.1", *where)
    assert "leaky_relu(negative_slope='0.1')" in done.stdout
    done = gradproof("repro", "leaky_relu", "--file", file, "--param", "negative_slope=2.0", *where)
    assert (done.exit_code, "leaky_relu(negative_slope=2)" in done.stdout) == (0, True)


def test_a_file_is_repeated_by_its_own_function(gradproof: Invoke, folder: Path) -> None:
    for stem, size in (("lie", 30), ("true", 10)):
        (folder / f"{stem}.py").write_text(
            "import gradproof as gp, numpy as np\n"
            f"cap = gp.function('cap', oracle=lambda m, x: {size} * m.tanh(x / {size}))\n"
            "@gp.implements('cap', backend='numpy')\n"
            "def tens(x):\n    return (10 * np.tanh(x.astype(np.float64) / 10)).astype(x.dtype)\n"
        )
    # At 100: 10 tanh(10) rounds to 10, 30 tanh(10/3) is 29.92.
    where = ("--backend", "numpy:cpu", "--format", "float16", "--bits", "0x5640")
    for files in (("lie.py", "true.py"), ("true.py", "lie.py")):
        named = [word for file in files for word in ("--file", file)]
        assert gradproof("repro", "cap", *named, "--implementation", "true:tens", *where).exit_code == 0
        lying = gradproof("repro", "cap", *named, "--implementation", "lie:tens", *where)
        assert (lying.exit_code, "29.92" in lying.stdout) == (1, True)
    both = gradproof("repro", "cap", "--file", "lie.py", "--file", "true.py", *where)
    assert both.exit_code == 4
    assert "found 2 (name one with --implementation)" in both.stderr
