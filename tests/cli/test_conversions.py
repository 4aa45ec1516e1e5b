"""``repro`` of a conversion: without a claim named, in the target's terms, and as a script that stands alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

# 1 + 2^-8 + 2^-52: a hair above the middle between 1 and 1.0078125, the next bfloat16; in float32 it is that middle.
TRAP = "0x3ff0100000000001"
ASKED = ("--format", "float64", "--order", "0", "--bits")

WRONG = """
import ml_dtypes
import numpy as np
import gradproof as gp

@gp.implements("to_bfloat16", backend="numpy", formats=["float32"])
def mine(x):
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
"""


def shown(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) +(\S+)", text, re.MULTILINE))


def test_a_number_that_is_rounded_twice_fails_with_the_number_that_was_due(gradproof: Invoke) -> None:
    done = gradproof("repro", "to_bfloat16", "--backend", "numpy:cpu", *ASKED, TRAP)
    assert done.exit_code == 1, done.output
    rows = shown(done.stdout)
    assert (rows["got"], rows["expected"]) == ("1.0", "1.0078125")
    assert "rounded twice: through float32" in done.stdout
    assert "correct rounding" in done.stdout


def test_a_number_that_is_rounded_once_does_not_fail(gradproof: Invoke) -> None:
    done = gradproof("repro", "to_float16", "--backend", "numpy:cpu", *ASKED, TRAP)
    assert done.exit_code == 0, done.output
    assert shown(done.stdout)["got"] == "1.00390625"


def test_the_command_of_a_certificate_shows_the_failure_again(gradproof: Invoke, folder: Path) -> None:
    (folder / "cut.py").write_text(WRONG, encoding="utf-8")
    checked = gradproof("check", "cut.py", "--jobs", "0")
    assert checked.exit_code == 1, checked.output
    (command,) = re.findall(r"gradproof (repro .*)", checked.stdout)
    assert "--property" not in command
    assert gradproof(*command.split()).exit_code == 1


@pytest.mark.parametrize(
    ("function", "fmt", "bits", "due", "error"),
    [
        ("to_bfloat16", "float64", TRAP, "1.0078125", "1.0 ulp"),
        ("to_float16", "float64", TRAP, "1.00390625", "0.0 ulp"),
        ("to_float8_e4m3fn", "float32", "0x43e80000", "448.0", "0.0 ulp"),  # 464, the tie
        ("to_float8_e4m3fn", "float32", "0x43e80001", "nan", "none"),
        ("to_float8_e5m2", "float16", "0x7c00", "+inf", "none"),
        ("to_float8_e5m2", "bfloat16", "0x7fc1", "nan", "none"),
    ],
)
def test_a_script_of_a_conversion_runs_alone(
    gradproof: Invoke, folder: Path, function: str, fmt: str, bits: str, due: str, error: str
) -> None:
    made = gradproof("repro", function, "--backend", "numpy:cpu", "--format", fmt, "--bits", bits, "--script")
    assert made.exit_code == 0, made.output
    assert "gradproof." not in made.stdout.partition('"""\n')[2]
    file = folder / "shown.py"
    file.write_text(made.stdout, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    printed = {word: rest.strip() for word, _, rest in (line.partition(" ") for line in done.stdout.splitlines())}
    assert (printed["expected"], printed["error"]) == (due, error)


@pytest.mark.framework("torch")
def test_a_torch_script_converts_by_torch(gradproof: Invoke, folder: Path) -> None:
    made = gradproof("repro", "to_bfloat16", "--backend", "torch:cpu", *ASKED, TRAP, "--script")
    assert made.exit_code == 0, made.output
    assert "x.to(torch.bfloat16).to(x.dtype)" in made.stdout
    compile(made.stdout, "shown.py", "exec")


@pytest.mark.framework("jax")
def test_a_jax_script_converts_by_jax(gradproof: Invoke, folder: Path) -> None:
    made = gradproof("repro", "to_float16", "--backend", "jax:cpu", *ASKED, TRAP, "--script")
    assert made.exit_code == 0, made.output
    assert "jax.lax.convert_element_type(jax.lax.convert_element_type(x, jnp.float16), x.dtype)" in made.stdout
    compile(made.stdout, "shown.py", "exec")


def test_a_claim_about_functions_says_nothing_about_a_conversion(gradproof: Invoke) -> None:
    done = gradproof("repro", "to_bfloat16", "--backend", "numpy:cpu", *ASKED, TRAP, "--property", "accuracy")
    assert done.exit_code == 4
    assert "says nothing about to_bfloat16" in done.output
