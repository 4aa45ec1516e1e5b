"""Which formula, or which other function, computed what fails; and what would have been right."""

from __future__ import annotations

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
