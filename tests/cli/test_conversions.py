"""``repro`` of a conversion: without a claim named, in the target's terms, and as a script that stands alone."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.cli.script_conversions import rounding
from gradproof.formats import ALL_FORMATS, FLOAT32, FORMATS, Format, wider_formats
from gradproof.formats import arrays as fa
from gradproof.measure.conversion import PLAIN, SATURATING_WIDTH, Conventions, converted
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


def scripted(
    bits: int, source: Format, target: Format, conventions: Conventions = PLAIN, got: float = math.nan
) -> float:
    """``expected`` as the script computes it."""
    context = mpmath.mp.clone()
    context.prec = 1024
    names: dict[str, Any] = {"mp": context, "got": got}
    exec("\n".join(rounding(bits, source, target, conventions)), names)
    return float(names["expected"])


PAIRS = [(FORMATS[name], target) for target in ALL_FORMATS.values() for name in wider_formats(target)]
CONVENTIONS = [PLAIN, Conventions(saturates=True), Conventions(negative="magnitude"), Conventions(negative="least")]


@pytest.mark.parametrize("conventions", CONVENTIONS, ids=str)
@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda f: f.name)
def test_the_script_rounds_as_the_judge_does(source: Format, target: Format, conventions: Conventions) -> None:
    """At, just below and just above where the target overflows, its ties, its least numbers, and far out."""
    marks = [target.overflow_threshold, target.max_value, target.min_normal, target.min_subnormal / 2]
    near = {source.ordinal(source.round(mark)) + step for mark in marks for step in (-1, 0, 1)}
    patterns = [source.from_ordinal(sign * n) for n in near for sign in (1, -1)]
    patterns += [source.max_bits, source.max_bits | source.sign_bit, source.last_bits, source.nan_bits, 0]
    if conventions.saturates and target.width > SATURATING_WIDTH:
        pytest.skip("no such conversion is right")
    inputs = np.array(patterns, fa.storage(source))
    due = fa.values(converted(inputs, source, target, conventions), source)
    got = [scripted(bits, source, target, conventions) for bits in patterns]
    infinite = [
        (source.is_infinite(bits) and (conventions.saturates or not target.has_infinity))
        or (source.is_nan(bits) and not target.has_nan)
        or (not target.signed and source.same_number(bits, 0))
        for bits in patterns
    ]
    wrong = [
        (source.bits_text(bits), one, other)
        for bits, one, other, free in zip(patterns, due, got, infinite, strict=True)
        if not free and not (one == other or (math.isnan(one) and math.isnan(other)))
    ]
    assert wrong == []


def test_either_answer_to_an_infinity_is_right_where_the_target_has_none() -> None:
    e4m3, infinity = FORMATS["float8_e4m3fn"], 0x7F800000
    assert math.isnan(scripted(infinity, FLOAT32, e4m3))
    assert scripted(infinity, FLOAT32, e4m3, got=448.0) == 448.0
    assert math.isnan(scripted(infinity, FLOAT32, e4m3, got=-448.0))


def test_repro_and_script_expect_the_same_of_an_overflow(gradproof: Invoke, folder: Path) -> None:
    """65520 is the middle between 65504, the greatest float16, and the number that would follow it."""
    for bits in ("0x40effe0000000000", "0x40effdffffffffff", "0x7fefffffffffffff"):
        asked = ("repro", "to_float16", "--backend", "numpy:cpu", *ASKED, bits)
        rows = shown(gradproof(*asked).stdout)
        file = folder / "shown.py"
        file.write_text(gradproof(*asked, "--script").stdout, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(file)], capture_output=True, text=True, check=True, cwd=folder
        )
        printed = {word: rest.strip() for word, _, rest in (line.partition(" ") for line in done.stdout.splitlines())}
        assert float(printed["expected"]) == float(rows["expected"])
        assert float(printed["got"]) == float(rows["got"])
