"""The comparison of the routes in ``benchmarks/oracle_agreement.py`` notices what it is there to notice."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gradproof.formats import FLOAT32, FLOAT64
from gradproof.functions import get_function
from gradproof.oracle import balls, mpmath_route

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "oracle_agreement.py"


@pytest.fixture(scope="module")
def agreement() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("oracle_agreement", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def tally(agreement: ModuleType, name: str, count: int = 150) -> Any:
    bits = agreement.inputs(get_function(name), FLOAT64, count, 1)
    assert bits.size == count
    return agreement.compare(name, "float64", bits)


@pytest.mark.parametrize("name", ["gelu", "relu6", "tanh"])
def test_honest_routes_and_filters_pass(agreement: ModuleType, name: str) -> None:
    found = tally(agreement, name)
    assert (found.failed, found.undecided, found.compared) == (0, 0, 450)
    assert found.filters["balls"].balls > 500
    assert found.filters["references"].balls > 300
    assert found.filters["balls"].exceeded == found.filters["references"].exceeded == 0


def test_a_filter_that_lies_is_counted(agreement: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = balls._BallScalars.tanh
    monkeypatch.setattr(
        balls._BallScalars, "tanh", lambda self, x: balls.Balls(np.tanh(x.mid) * (1 + 2e-13), honest(self, x).rad)
    )
    found = tally(agreement, "tanh")
    assert found.filters["balls"].exceeded > 50
    assert found.failed >= found.filters["balls"].exceeded
    assert "order 0" in found.examples[0]


def test_an_mpmath_that_lies_is_counted(agreement: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[[Any], Any] = mpmath_route._SCALARS.tanh
    monkeypatch.setattr(mpmath_route._SCALARS, "tanh", lambda x: honest(x) * (1 + mpmath_route._SCALARS.real("1e-17")))
    found = tally(agreement, "tanh")
    assert found.failed > 50
    assert any("routes" in line for line in found.examples)


def test_an_exact_route_that_is_off_by_a_hair_is_counted(
    agreement: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = agreement.exact_route.derivatives

    def shifted(*arguments: Any) -> list[Any]:
        f, *slopes = honest(*arguments)
        return [f + abs(arguments[2]) / 10**40, *slopes]

    monkeypatch.setattr(agreement.exact_route, "derivatives", shifted)
    found = tally(agreement, "relu")
    assert found.failed >= found.inputs - 1  # 0 itself may be among them


def test_inputs_hold_tails_and_the_neighbourhood_of_roots(agreement: ModuleType) -> None:
    silu = get_function("silu")
    roots = agreement.roots(silu)
    # silu' = s (1 + x (1 - s)) vanishes at the minimum, silu'' = s (1 - s) (2 - x tanh(x/2)) at the turns.
    for known in (-1.2784645427610738, 2.3993572805154676, -2.3993572805154676):
        assert min(abs(root - known) for root in roots) < 1e-15
    for fmt in (FLOAT64, FLOAT32):
        x = agreement.fa.values(agreement.inputs(silu, fmt, 3000, 2), fmt)
        assert (np.abs(x + 1.2784645427610738) < 1e-5).sum() > 10
        assert (np.abs(x) > 400).sum() > 100
        assert (np.abs(x) < 1e-10).sum() > 100


def test_what_is_stored_is_believed_for_the_same_sources_and_arguments_only(
    agreement: ModuleType, tmp_path: Path
) -> None:
    into, key = tmp_path / "agreement.jsonl", agreement.key(300, 0)
    first = tally(agreement, "relu")
    agreement.keep(into, key, "relu", first)
    with into.open("a", encoding="utf-8") as file:
        file.write('{"function": "tanh", "key": {"poi')  # a run was killed here
    agreement.keep(into, key, "silu", first)
    assert dict(agreement.stored(into, key)) == {"relu": first, "silu": first}
    for other in ({**key, "points": 301}, {**key, "seed": 1}, {**key, "sources": ""}, {**key, "mpmath": "0"}):
        assert dict(agreement.stored(into, other)) == {}
    assert len([line for line in into.read_text().splitlines() if line.startswith("{") and line.endswith("}")]) == 2
    assert json.loads(into.read_text().splitlines()[0])["function"] == "relu"
