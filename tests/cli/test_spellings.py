"""Names as people write them: understood where one thing can be meant, suggested where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gradproof as gp
from gradproof.backends import availability, get_backend
from gradproof.config import effective
from gradproof.engine.request.selection import Selection
from gradproof.errors import UsageError
from gradproof.formats import ALL_FORMATS, get_format
from gradproof.functions import CATALOGUE, get_function
from gradproof.spelling import BACKEND_NAMES, FORMAT_NAMES, FUNCTION_NAMES
from tests.cli.conftest import Invoke

FORMAT_SPELLINGS = [
    *[("bf16", "bfloat16"), ("BF16", "bfloat16"), ("BFloat16", "bfloat16"), ("f32", "float32"), ("F32", "float32")],
    *[("fp32", "float32"), ("single", "float32"), ("half", "float16"), ("Half", "float16"), ("fp16", "float16")],
    *[("FP16", "float16"), ("f16", "float16"), ("double", "float64"), ("fp64", "float64"), ("FLOAT64", "float64")],
    *[("e4m3", "float8_e4m3fn"), ("FP8_E5M2", "float8_e5m2"), ("float8-e4m3fn", "float8_e4m3fn")],
]
FUNCTION_SPELLINGS = [
    *[("swish", "silu"), ("Swish", "silu"), ("SiLU", "silu"), ("GELU", "gelu"), ("gelu-tanh", "gelu_tanh")],
    *[
        ("LeakyReLU", "leaky_relu"),
        ("hard_swish", "hardswish"),
        ("HardSigmoid", "hardsigmoid"),
        ("logistic", "sigmoid"),
    ],
]


@pytest.mark.parametrize(("text", "name"), FORMAT_SPELLINGS)
def test_a_format_is_understood_wherever_one_is_named(
    text: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert get_format(text).name == name
    assert Selection(formats=(text,)).formats == (name,)
    assert effective({"format": (text,)}, environ={}, start=tmp_path)["format"].value == (name,)
    assert effective({}, environ={"GRADPROOF_FORMAT": text}, start=tmp_path)["format"].value == (name,)
    (tmp_path / "pyproject.toml").write_text(f'[tool.gradproof]\nformat = ["{text}"]\n', encoding="utf-8")
    assert effective({}, environ={}, start=tmp_path)["format"].value == (name,)


@pytest.mark.parametrize(("text", "name"), FUNCTION_SPELLINGS)
def test_a_function_is_understood(text: str, name: str) -> None:
    assert get_function(text).name == name


@pytest.mark.parametrize(
    ("text", "name"), [("PyTorch", "torch"), ("TORCH:CPU", "torch"), ("NumPy", "numpy"), ("np", "numpy")]
)
def test_a_backend_is_understood(text: str, name: str) -> None:
    assert Selection(backends=(text,)).backends[0].partition(":")[0] == name
    if availability(name).available:
        assert get_backend(text).name == name


def test_every_other_name_is_of_something_that_exists_and_of_nothing_else() -> None:
    assert set(FORMAT_NAMES.values()) <= set(ALL_FORMATS)
    assert set(FUNCTION_NAMES.values()) <= {f.name for f in CATALOGUE}
    assert not set(FUNCTION_NAMES) & {f.name for f in CATALOGUE}
    assert not set(FORMAT_NAMES) & set(ALL_FORMATS)
    assert set(BACKEND_NAMES.values()) == {"numpy", "torch", "jax"}


ASKED = (
    "--property",
    "accuracy",
    "--order",
    "0",
    "--jobs",
    "0",
    "--html",
    "none",
    "--json",
    "none",
    "--json-lines",
    "-",
)


@pytest.mark.parametrize(
    "words", [("relu", "bf16", "numpy"), ("ReLU", "BFLOAT16", "NumPy"), ("RELU", "bfloat", "np:CPU")]
)
def test_the_command_line_takes_them(gradproof: Invoke, words: tuple[str, str, str]) -> None:
    function, fmt, backend = words
    done = gradproof("run", "--function", function, "--format", fmt, "--backend", backend, *ASKED)
    assert done.exit_code == 0, done.stderr
    assert '"function": "relu"' in done.stdout
    assert '"format": "bfloat16"' in done.stdout


def test_so_do_repro_sweep_formulas_claims_and_list(gradproof: Invoke, folder: Path) -> None:
    one = ("--backend", "Numpy", "--format", "BF16")
    assert gradproof("repro", "ReLU", *one, "--bits", "0x3f80").exit_code == 0
    assert "relu-numpy-cpu-bfloat16-order0" in gradproof("sweep", "RELU", *one, "--jobs", "0", "-q").stdout
    assert gradproof("formulas", "Swish", "--format", "half", "--order", "0").exit_code == 0


OWN = """
import numpy as np
import gradproof as gp

swish = gp.function("swish", lambda m, x: x)

@gp.implements("swish", backend="NumPy", formats=["BF16"])
def mine(x):
    return x
"""


def test_a_name_of_ones_own_comes_before_what_others_call_so(gradproof: Invoke, folder: Path) -> None:
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    done = gradproof("check", "own.py", "--function", "swish", *ASKED[:6], "--json-lines", "-")
    assert done.exit_code == 0, done.output
    assert '"function": "swish"' in done.stdout


def test_an_implementation_may_be_declared_so() -> None:
    def mine(x: Any) -> Any:
        return x

    made = gp.implements("Swish", backend="NumPy", formats=["half", "bf16"])(mine)
    del made
    from gradproof.engine.declared.implementations import declaration

    declared = declaration("Swish", backend="PyTorch", formats=["half", "bf16"])(mine)
    assert (declared.function, declared.backend, declared.formats) == ("silu", "torch", ("float16", "bfloat16"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--format", "floaat32"), "did you mean 'float32'?"),
        (("--format", "bf61"), "did you mean 'bfloat16'?"),
        (("--format", "BF-61"), "did you mean 'bfloat16'?"),
        (("--format", "flaot16"), "did you mean 'float16'?"),
        (("--function", "SWISSH"), "did you mean 'silu'?"),
        (("--function", "Geluu"), "did you mean 'gelu'?"),
        (("--backend", "Torhc"), "did you mean 'torch'?"),
        (("--property", "ACURACY"), "did you mean 'accuracy'?"),
        (("--profile", "Quik"), "did you mean 'quick'?"),
    ],
)
def test_what_is_none_is_suggested(gradproof: Invoke, words: tuple[str, str], hint: str) -> None:
    done = gradproof("run", *words)
    assert done.exit_code == 4
    assert hint in done.stderr


def test_what_could_be_several_things_is_not_guessed() -> None:
    # 64 bits in Python and NumPy, 32 in C and PyTorch.
    with pytest.raises(UsageError, match="unknown format 'float'"):
        get_format("float")
