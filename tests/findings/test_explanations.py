"""Which formula, or which other function, computed what fails; and what would have been right."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.results.model import Advice, Finding

SUBJECT = """
import torch
import gradproof as gp

@gp.implements("silu", backend="torch")
def quotient(x):
    return x / (1 + torch.exp(-x))

@gp.implements("gelu", backend="torch")
def other(x):
    return torch.nn.functional.gelu(x, approximate="tanh")

class Sloppy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, cotangent):
        (y,) = ctx.saved_tensors
        return cotangent * (1 - y * y) * 1.01

@gp.implements("tanh", backend="torch")
def sloppy(x):
    return Sloppy.apply(x)

@gp.implements("celu", backend="torch", params={"alpha": 2.0})
def parameters(x):
    return torch.nn.functional.elu(x, alpha=2.0)

@gp.implements("softsign", backend="torch")
def saturating(x):
    return torch.tanh(x)

@gp.implements("gelu", backend="torch", formats=["float32"])
def narrower(x):
    return torch.nn.functional.gelu(x.to(torch.float16)).to(x.dtype)

@gp.implements("sigmoid", backend="torch")
def nowhere(x):
    return torch.where((x > 1) & (x < 2), torch.sigmoid(x) + 0.001 * torch.sin(400 * x), torch.sigmoid(x))

class Given(torch.autograd.Function):
    # value and slope in float64, rounded once
    @staticmethod
    def forward(ctx, x, value, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return value(x.double()).to(x.dtype)

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return cotangent * ctx.slope(x.double()).to(x.dtype), None, None

def gelu(x):
    return x.clamp(min=-1e4) * torch.special.erfc(-x / 2**0.5) / 2

def gelu_slope(x):
    x = x.clamp(-1e4, 1e4)
    return torch.special.erfc(-x / 2**0.5) / 2 + x * torch.exp(-x * x / 2) / (2 * torch.pi) ** 0.5

def silu_slope(x):
    x = x.clamp(-1e4, 1e4)
    t = torch.exp(-x.abs())
    return torch.where(x > 0, 1, t) / (1 + t) + x * t / ((1 + t) * (1 + t))

@gp.implements("gelu", backend="torch", formats=["float32"])
def cut(x):
    return Given.apply(x, gelu, lambda x: torch.where(x < -6, 0, gelu_slope(x)))

@gp.implements("silu", backend="torch", formats=["float32"])
def tail(x):
    return Given.apply(x, torch.nn.functional.silu, lambda x: torch.where(x < -20, 0.9, 1) * silu_slope(x))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Finding]]:
    pytest.importorskip("torch")
    file = tmp_path_factory.mktemp("explained") / "subject.py"
    file.write_text(SUBJECT)
    result = run(
        Selection(
            files=(str(file),), formats=("float32", "bfloat16"), orders=(0, 1), properties=("accuracy",),
            profile="quick", jobs=1,
        )
    )  # fmt: skip
    by_name: dict[str, list[Finding]] = {}
    for finding in result.findings:
        by_name.setdefault(finding.implementation.partition(":")[2], []).append(finding)
    return by_name


@pytest.mark.framework("torch")
def test_the_way_it_is_written_explains_all_that_fails(found: dict[str, list[Finding]]) -> None:
    (finding,) = found["quotient"]
    assert finding.explanation is not None
    assert finding.explanation.id.startswith("silu/quotient/")
    assert finding.explanation.encloses > 0.99
    assert finding.advice is not None
    assert finding.advice.bound <= 1


@pytest.mark.framework("torch")
def test_another_function_is_called_by_its_name(found: dict[str, list[Finding]]) -> None:
    first = found["other"][0]
    assert first.kind == "bulk"
    assert first.explanation is not None
    assert (first.explanation.id, first.explanation.text) == ("gelu_tanh", "it computes gelu_tanh")


@pytest.mark.framework("torch")
@pytest.mark.parametrize("name", ["sloppy", "nowhere"])
def test_what_no_formula_computes_is_not_explained_by_one(name: str, found: dict[str, list[Finding]]) -> None:
    first = found[name][0]
    assert (first.kind, first.explanation) == ("bulk", None)


@pytest.mark.framework("torch")
def test_a_formula_that_is_seldom_right_where_the_implementation_always_is_explains_nothing(
    found: dict[str, list[Finding]],
) -> None:
    # oneDNN's gelu' has lost its digits below -3: what it may give encloses 0, and the right results above -6 as well.
    (finding,) = (f for f in found["cut"] if f.orders == [1])
    assert (finding.kind, finding.explanation) == ("tail", None)


@pytest.mark.framework("torch")
def test_what_another_function_may_give_in_the_tail_alone_is_not_explained_by_it(
    found: dict[str, list[Finding]],
) -> None:
    # oneDNN's gelu' may be anything up to 6e-8 there, as silu' is.
    (finding,) = (f for f in found["tail"] if f.orders == [1])
    assert (finding.kind, finding.explanation) == ("tail", None)


def test_another_function_is_named_only_where_it_is_told_from_f(tmp_path: Path) -> None:
    # Nearly all float64 are so small or so large that silu, gelu and relu cannot be told apart there.
    file = tmp_path / "subject.py"
    file.write_text(
        """
import numpy as np
import gradproof as gp

def silu(x):
    return x / (1 + np.exp(-np.maximum(x, -700)))

@gp.implements("silu", backend="numpy", formats=["float64"])
def far(x):
    with np.errstate(all="ignore"):
        return np.where(x > 6, x, silu(x))

@gp.implements("silu", backend="numpy", formats=["float64"])
def rectified(x):
    return np.maximum(x, 0)
"""
    )
    result = run(Selection(files=(str(file),), orders=(0,), properties=("accuracy",), profile="quick", jobs=1))
    named = {f.implementation.partition(":")[2]: f for f in reversed(result.findings) if f.kind == "bulk"}
    assert named["far"].explanation is None
    assert named["rectified"].explanation is not None
    assert named["rectified"].explanation.id == "relu"


@pytest.mark.framework("torch")
@pytest.mark.parametrize(
    ("name", "id_", "text"),
    [
        ("parameters", "elu", "it computes elu(alpha=2.0)"),  # not elu as the catalogue has it
        ("saturating", "tanh", "it computes tanh"),  # f' and the tail, where f is 1, too
        ("narrower", "in/float16", "it computes in float16"),
    ],
)
def test_one_explanation_covers_all_that_fails(name: str, id_: str, text: str, found: dict[str, list[Finding]]) -> None:
    first, *others = found[name]
    assert first.kind == "bulk"
    assert first.explanation is not None
    assert (first.explanation.id, first.explanation.text) == (id_, text)
    assert not any(f.kind in ("bulk", "tail") for f in others)


ADVISED = """
import numpy as np
import gradproof as gp

def relu(x, slip=1):
    y = np.maximum(x, 0)
    for c in (3, 7, 11, 13, 17, 19, 23):
        y = y / x.dtype.type(c) * x.dtype.type(c)
    return y * x.dtype.type(slip)

@gp.implements("relu", backend="numpy", formats=["bfloat16"])
def stored(x):
    return relu(x)

@gp.implements("relu", backend="numpy", formats=["bfloat16"])
def slipped(x):
    return relu(x, 1.25)

@gp.implements("relu", backend="numpy", formats=["float32", "bfloat16"])
def masked(x):
    return x * (x > 0)
"""


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    file = tmp_path_factory.mktemp("advised") / "subject.py"
    file.write_text(ADVISED, encoding="utf-8")
    claims = ("accuracy", "special-values")
    result = run(Selection(files=(str(file),), orders=(0,), properties=claims, profile="quick", jobs=0))
    return {f.implementation.partition(":")[2]: f for f in result.findings}


def test_what_float32_would_keep_is_told_by_an_experiment(advised: dict[str, Finding]) -> None:
    # 14 roundings to bfloat16 may come to 7 ulps; the same in float32 to 2^-16 of that.
    (told,) = advised["stored"].instead
    assert told.formula == "the same code in float32, rounded once at the end"
    assert (told.order, told.formats, told.bound <= 0.5) == (0, ["bfloat16"], True)
    assert "float32" not in advised["slipped"].instead[0].formula


def test_where_only_an_infinity_fails_it_is_told_what_to_return(advised: dict[str, Finding]) -> None:
    (told,) = advised["masked"].instead
    assert told == Advice("only infinities fail: 0.0 at -inf, told apart", 0.0, 0, ["float32", "bfloat16"])


@pytest.mark.framework("torch")
def test_each_order_that_fails_has_its_own_formula(found: dict[str, list[Finding]]) -> None:
    (finding,) = found["quotient"]
    assert [(a.order, a.formula.split("[")[1].split("/")[0], a.formula[-2]) for a in finding.instead] == [
        (0, "silu", "0"), (1, "silu", "1"),
    ]  # fmt: skip
    assert all(a.bound <= 1 for a in finding.instead)
