"""Where a fault lies and what computes it, for faults that were told wrongly once: on NumPy, one mechanism each."""

from __future__ import annotations

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.formats import FLOAT32
from gradproof.results.model import Finding

SUBJECT = """
import numpy as np
import gradproof as gp

def wide(form):
    def call(x):
        with np.errstate(all="ignore"):
            return form(x.astype(np.float64)).astype(x.dtype)
    return call

sigmoid = wide(lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x))))
sech2 = wide(lambda x: 4 * np.exp(-2 * np.abs(x)) / (1 + np.exp(-2 * np.abs(x))) ** 2)

def submit(name, function, slope, f):
    gp.implements(function, backend="numpy", derivative=slope, formats=["float32"], name=name)(f)

def quiet(f):
    def call(x):
        with np.errstate(all="ignore"):
            return f(x)
    return call

# No digits near 0, of which ordinary inputs are a part: no tail.
submit("difference", "expm1", wide(np.exp), quiet(lambda x: np.exp(x) - 1))
# What is due is 0 there, and what comes out is not.
submit("beyond", "relu6", lambda x: ((x > 0) & (x < 6.5)).astype(x.dtype), lambda x: np.clip(x, 0, 6).astype(x.dtype))
# Two ways to lose the digits near 0, alike in size.
submit("sigmoids", "tanh", sech2, lambda x: 2 * sigmoid(2 * x) - 1)
submit("exponentials", "tanh", sech2, quiet(lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))))
# 1 % too much overflows at the end of the format, and is no 1 % of a subnormal number.
submit("factor", "expm1", wide(np.exp), wide(lambda x: 1.01 * np.expm1(x)))
# Right where 1 - tanh(x)^2 is wrong already, and then 0.
submit("cut", "tanh", lambda x: np.where(np.abs(x) > 9, np.float32(0), sech2(x)), wide(np.tanh))
submit("sign", "softsign", wide(lambda x: (1 / (1 + np.abs(x))) ** 2),
       wide(lambda x: np.clip(x, -1e300, 1e300) / (1 + np.clip(np.abs(x), 0, 1e300)) + 0.0))
submit("infinity", "softsign", wide(lambda x: (1 / (1 + np.abs(x))) ** 2), wide(lambda x: x / (1 + np.abs(x))))
submit("window", "tanh", sech2,
       wide(lambda x: np.tanh(x) * np.where((x >= 0.73) & (x < 0.74), 1.001, 1)))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Finding]]:
    file = tmp_path_factory.mktemp("places") / "subject.py"
    file.write_text(SUBJECT)
    claims = ("accuracy", "special-values")
    result = run(Selection(files=(str(file),), orders=(0, 1), properties=claims, profile="quick", jobs=1))
    by_name: dict[str, list[Finding]] = {}
    for finding in result.findings:
        by_name.setdefault(finding.implementation, []).append(finding)
    return by_name


@pytest.mark.parametrize(
    ("name", "kind", "explanation"),
    [
        ("difference", "bulk", "expm1/difference/0"),
        ("beyond", "bulk", None),
        ("sigmoids", "bulk", "tanh/sigmoid/0"),
        ("factor", "bulk", None),
        ("cut", "tail", None),
        ("sign", "special", None),
        ("infinity", "special", "softsign/torch/0"),
        ("window", "bulk", None),
    ],
)
def test_one_fault_is_one_finding(
    name: str, kind: str, explanation: str | None, found: dict[str, list[Finding]]
) -> None:
    (finding,) = found[name]
    assert finding.kind == kind
    assert (finding.explanation.id if finding.explanation else None) == explanation


def test_two_formulas_that_lose_the_same_digits_are_told_apart(found: dict[str, list[Finding]]) -> None:
    first = found["exponentials"][0]
    assert first.kind == "bulk"
    assert first.explanation is not None
    assert first.explanation.id == "tanh/two-exponentials/0"


def test_a_window_is_told_to_its_ends(found: dict[str, list[Finding]]) -> None:
    (finding,) = found["window"]
    ((low, high),) = finding.regions["float32"]["0"]
    ends = [FLOAT32.ordinal(int(end, 16)) for end in (low, high)]
    assert ends == [FLOAT32.ordinal(0x3F3AE148), FLOAT32.ordinal(0x3F3D70A3)]


def test_the_infinities_are_two_points_and_no_interval(found: dict[str, list[Finding]]) -> None:
    (finding,) = found["infinity"]
    assert "[" not in finding.text
    assert "at -inf and at inf" in finding.text


def test_the_input_of_a_claim_about_one_input_is_its_region(found: dict[str, list[Finding]]) -> None:
    (finding,) = found["sign"]
    assert finding.regions["float32"]["0"] in ([["0x00000000", "0x00000000"]], [["0x80000000", "0x80000000"]])
