"""``repro``: one input from its bits; 1 while it fails, 0 once it does not."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import RIGHT, Invoke

ONE = "0x3f80"
"""1 in bfloat16, where ``wrong_relu`` gives 0."""


def test_an_input_that_is_right_exits_0(gradproof: Invoke) -> None:
    done = gradproof("repro", "relu", "--backend", "numpy:cpu", "--format", "bfloat16", "--order", "0", "--bits", ONE)
    assert done.exit_code == 0, done.stdout
    rows = dict(re.findall(r"^  (\w+) +(\S+)", done.stdout, re.MULTILINE))
    assert (rows["x"], rows["got"], rows["expected"], rows["exactly"]) == ("1.0", "1.0", "1.0", "1.0")
    assert "does not fail" in done.stdout


def test_the_neighbours_are_the_four_next_numbers(gradproof: Invoke) -> None:
    done = gradproof("repro", "relu", "--backend", "numpy", "--format", "bfloat16", "--bits", ONE)
    # Above 1 bfloat16 steps by 2**-7, below by 2**-8.
    for near in (1 - 2**-7, 1 - 2**-8, 1 + 2**-7, 1 + 2**-6):
        assert re.search(rf"^    {near!r} 0x\w+ +{near!r} +{near!r}$", done.stdout, re.MULTILINE)


def test_an_input_that_is_wrong_exits_1_with_its_cause(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof("repro", "relu", "--file", str(wrong), "--backend", "numpy", "--format", "bfloat16", "--bits", ONE)
    assert done.exit_code == 1
    assert re.search(r"got +0\.0", done.stdout)
    assert re.search(r"expected +1\.0", done.stdout)
    # 0 is what relu's other piece gives at 1.
    assert "wrong-branch" in done.stdout
    assert "breaks it, felt in training" in done.stdout


def test_the_command_of_a_certificate_fails_until_the_file_is_mended(gradproof: Invoke, wrong: Path) -> None:
    checked = gradproof("check", wrong.name, "--property", "accuracy", "--order", "0", "--jobs", "0")
    (command,) = re.findall(r"gradproof repro .*", checked.stdout)
    args = shlex.split(command)[1:]
    assert gradproof(*args).exit_code == 1
    wrong.write_text(RIGHT, encoding="utf-8")
    done = gradproof(*args)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("contract", ["faithful", "training"])
def test_the_command_of_a_certificate_names_its_contract(gradproof: Invoke, wrong: Path, contract: str) -> None:
    checked = gradproof(
        "check", wrong.name, "--property", "accuracy", "--order", "0", "--jobs", "0", "--contract", contract
    )
    (command,) = re.findall(r"gradproof repro .*", checked.stdout)
    assert f"--contract {contract}" in command
    done = gradproof(*shlex.split(command)[1:])
    assert done.exit_code == 1
    assert f"contract  {contract}: " in done.stdout


def test_several_bits_fail_when_one_of_them_does(gradproof: Invoke, wrong: Path) -> None:
    args = (
        "repro",
        "relu",
        "--file",
        str(wrong),
        "--backend",
        "numpy",
        "--format",
        "bfloat16",
        "--bits",
        "0x4000",
    )
    assert gradproof(*args).exit_code == 0
    assert gradproof(*args, "--bits", ONE).exit_code == 1


def test_a_kink_is_a_convention_and_no_failure(gradproof: Invoke) -> None:
    done = gradproof("repro", "relu", "--backend", "numpy", "--format", "float32", "--order", "1", "--bits", "0x0")
    assert done.exit_code == 0
    assert "a convention: any value from 0.0 to 1.0" in done.stdout


def test_a_nan_keeps_its_payload(gradproof: Invoke) -> None:
    done = gradproof("repro", "relu", "--backend", "numpy", "--format", "float32", "--bits", "0xffc00123")
    assert "0xffc00123" in done.stdout


def test_parameters_choose_the_implementation(gradproof: Invoke) -> None:
    # elu(alpha)'(x) = alpha e^x for x < 0; the input is -1 in float64.
    args = (
        "repro",
        "elu",
        "--backend",
        "numpy",
        "--format",
        "float64",
        "--order",
        "1",
        "--bits",
        "0xbff0000000000000",
    )
    one, two = gradproof(*args), gradproof(*args, "--param", "alpha=2.0")
    assert one.exit_code == two.exit_code == 0
    assert re.search(r"expected +0\.36787944117144233 ", one.stdout)
    assert re.search(r"expected +0\.7357588823428847 ", two.stdout)


RAISING = """
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16"])
def mine(x):
    raise ValueError("seeded")
"""


def test_an_implementation_that_raises_fails_with_its_words(gradproof: Invoke, folder: Path) -> None:
    (folder / "raising.py").write_text(RAISING, encoding="utf-8")
    args = ("repro", "relu", "--file", "raising.py", "--backend", "numpy", "--format", "bfloat16")
    for bits in ((), ("--bits", ONE)):
        done = gradproof(*args, *bits)
        assert done.exit_code == 1
        assert "ValueError: seeded" in done.stdout


def test_an_implementation_that_ends_the_process_fails_and_is_no_success(gradproof: Invoke, folder: Path) -> None:
    (folder / "leaving.py").write_text("import os\n" + RAISING.replace('raise ValueError("seeded")', "os._exit(0)"))
    for bits in ((), ("--bits", ONE)):
        done = gradproof("repro", "relu", "--file", "leaving.py", "--backend", "numpy", "--format", "bfloat16", *bits)
        assert done.exit_code == 1
        assert "leaving:mine raised SystemExit: os._exit(0)" in done.stdout


def test_a_crash_in_native_code_says_where_it_was_called_from(folder: Path) -> None:
    source = "import ctypes\n" + RAISING.replace('raise ValueError("seeded")', "return ctypes.string_at(0)")
    (folder / "crashing.py").write_text(source, encoding="utf-8")
    words = ("repro", "relu", "--file", "crashing.py", "--backend", "numpy", "--format", "bfloat16", "--bits", ONE)
    done = subprocess.run([sys.executable, "-m", "gradproof", *words], capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 4, 5)
    assert "crashing:mine" in done.stdout
    assert re.search(r'crashing\.py", line \d+ in mine', done.stderr)


def test_a_claim_that_one_input_cannot_show_is_checked_again(gradproof: Invoke, wrong: Path) -> None:
    args = (
        "--backend",
        "numpy",
        "--format",
        "bfloat16",
        "--property",
        "taylor",
        "--order",
        "1",
        "--profile",
        "quick",
    )
    good = gradproof("repro", "relu", *args)
    assert good.exit_code == 0
    assert "relu-numpy-cpu-bfloat16-order1-taylor" in good.stdout
    bad = gradproof("repro", "relu", "--file", str(wrong), *args)
    assert bad.exit_code == 1
    assert "repeat" in bad.stdout


def test_what_is_not_offered_here_exits_5(gradproof: Invoke, folder: Path) -> None:
    text = RIGHT.replace(", derivative=slope", "")
    (folder / "plain.py").write_text(text, encoding="utf-8")
    done = gradproof(
        "repro", "relu", "--file", "plain.py", "--backend", "numpy", "--format", "bfloat16", "--order", "1",
        "--bits", ONE,
    )  # fmt: skip
    assert done.exit_code == 5
    assert "NOTHING RAN" in done.stdout


def test_several_implementations_ask_for_a_name(gradproof: Invoke, folder: Path) -> None:
    twice = RIGHT + RIGHT.partition("@")[1] + RIGHT.partition("@")[2].replace("mine", "other")
    (folder / "twice.py").write_text(twice, encoding="utf-8")
    args = (
        "repro",
        "relu",
        "--file",
        "twice.py",
        "--backend",
        "numpy",
        "--format",
        "bfloat16",
        "--bits",
        ONE,
    )
    done = gradproof(*args)
    assert done.exit_code == 4
    assert "found 2 (name one with --implementation)" in done.stderr
    assert gradproof(*args, "--implementation", "twice:other").exit_code == 0


ROOT = """
import numpy as np
import gradproof as gp

def slope(x):
    y = x.astype(np.float64)
    s = 1 / (1 + np.exp(-y))
    d = s * (1 + y * (1 - s))
    return np.where(np.abs(y - ({at})) < 1e-3, 1e-4, d).astype(x.dtype)

@gp.implements("silu", backend="numpy", derivative=slope, formats=["float32"])
def mine(x):
    y = x.astype(np.float64)
    return (y / (1 + np.exp(-y))).astype(x.dtype)
"""
"""silu, whose derivative is 1e-4 within 1e-3 of ``at``."""


@pytest.mark.parametrize(("at", "code"), [("-1.2784645", 0), ("-20.0", 1)])
def test_saturation_is_judged_as_the_property_does(gradproof: Invoke, folder: Path, at: str, code: int) -> None:
    # -1.2785 lies beside the root of silu', where losing digits is no saturation; -20 in the tail, where it is one.
    (folder / "root.py").write_text(ROOT.format(at=at), encoding="utf-8")
    bits = {"-1.2784645": "0xbfa3a5e3", "-20.0": "0xc1a00000"}[at]
    words = ("repro", "silu", "--file", "root.py", "--backend", "numpy", "--format", "float32", "--order", "1")
    assert gradproof(*words, "--bits", bits).exit_code == 1
    done = gradproof(*words, "--bits", bits, "--property", "saturation", "--profile", "quick")
    assert done.exit_code == code, done.output
    assert ("what is wrong above is for accuracy to judge" in done.stdout) == (code == 0)
