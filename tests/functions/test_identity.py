"""What makes a function the one it is: all that its definition says, and nothing that it is called."""

from __future__ import annotations

import dataclasses
import gc
import math
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.engine.subject.oracles import oracle_of
from gradproof.errors import UsageError
from gradproof.formats import FLOAT32
from gradproof.functions import CATALOGUE, Function, get_function
from tests.architecture.imports import ROOT


def flat(m: Any, x: Any, alpha: Any = 0) -> Any:
    return 0 * x


def line(m: Any, x: Any, alpha: Any = 0) -> Any:
    return x


def hinge(**changed: Any) -> Function:
    given: dict[str, Any] = {
        "name": "hinge", "pieces": (flat, line), "breakpoints": (0,), "params": {"alpha": 0.5}, "monotone": True,
        "limits": ((0, 0, 0), ("inf", 1, 0)), "range": (0, "inf"), **changed,
    }  # fmt: skip
    return Function(**given)


OTHERWISE: list[dict[str, Any]] = [
    {"breakpoints": (1,)},
    {"breakpoints": (lambda p: p["alpha"],)},
    {"pieces": (flat, lambda m, x, alpha: x + x)},
    {"pieces": (line, flat)},
    {"closed": "left"},
    {"seams": frozenset({0})},
    {"smooth": {0: 0}},
    {"smooth": {0: 1}},
    {"at": {0: (0,)}},
    {"at": {0: (0, None, 0)}},
    {"at": {0: (lambda m, alpha: m.exp(alpha),)}},
    {"domain": (-3, "inf")},
    {"limits": ((0, 0, 0), ("inf", 2, 0))},
    {"limits": ((0, 0, 0), ("inf", 1, None))},
    {"limits": ((lambda p: -p["alpha"], 0, 0), ("inf", 1, 0))},
    {"params": {"alpha": math.nextafter(0.5, 1)}},
    {"params": {"beta": 0.5}},
    {"odd": True},
    {"even": True},
    {"monotone": False},
    {"range": None},
    {"range": (-1, "inf")},
    {"turns": (0,)},
    {"turns": ((-1, 1),)},
    {"directions": (1, 1)},
    {"requires": (("alpha > 0", lambda p: p["alpha"] > 0),)},
    {"shape": lambda p: {}},
    {"rounds_to": "float16"},
]


@pytest.mark.parametrize("changed", OTHERWISE, ids="-".join)
def test_whatever_a_definition_says_makes_it_another_function(changed: dict[str, Any]) -> None:
    assert hinge(**changed).identity != hinge().identity
    assert hinge(**changed).digest != hinge().digest


def test_no_two_of_these_are_one() -> None:
    assert len({hinge(**changed).identity for changed in [{}, *OTHERWISE]}) == len(OTHERWISE) + 1


@pytest.mark.parametrize(
    "same",
    [
        {"params": {"alpha": "1/2"}},
        {"params": {"alpha": Fraction(1, 2)}},
        {"params": {"alpha": Decimal("0.50")}},
        {"params": {"alpha": np.float32(0.5)}},
        {"breakpoints": (lambda p: p["alpha"] - Fraction(1, 2),)},
        {"closed": ("right",)},
        {"limits": ((lambda p: 0 * p["alpha"], 0.0, 0), (math.inf, 1.0, 0))},
        {"domain": (-math.inf, math.inf)},
        {"range": (0.0, math.inf)},
        {"directions": (1,)},
    ],
)
def test_the_same_numbers_given_otherwise_are_the_same_function(same: dict[str, Any]) -> None:
    assert hinge(**same).identity == hinge().identity


def test_declared_points_are_the_same_however_they_are_given() -> None:
    given, otherwise = {0: ("1/2",), 1: (1,)}, {Decimal("1.0"): (1.0,), "0": (0.5,)}
    assert hinge(at=given).identity == hinge(at=otherwise).identity != hinge().identity


def test_a_name_never_identifies() -> None:
    assert hinge(name="ramp").identity == hinge().identity
    assert hinge(defaults={"alpha": 3}).identity == hinge().identity


def test_binding_makes_another_function_of_the_same_family() -> None:
    bound = hinge().bind({"alpha": 0.1})
    assert bound.identity != hinge().identity == bound.family
    assert bound.bind({"alpha": 0.5}).identity == hinge().identity
    assert hinge(breakpoints=(1,)).bind({"alpha": 0.1}).family != bound.family


def test_text_and_floats_of_the_same_digits_are_two_numbers_and_are_shown_so() -> None:
    tenth, float64, float32 = (hinge().bind({"alpha": v}) for v in ("0.1", 0.1, np.float32(0.1)))
    assert [f.exact_params["alpha"] for f in (tenth, float64, float32)] == [
        Fraction(1, 10), Fraction(3602879701896397, 1 << 55), Fraction(13421773, 1 << 27),
    ]  # fmt: skip
    assert len({f.identity for f in (tenth, float64, float32)}) == 3
    assert [f.label for f in (tenth, float64, float32)] == [
        "hinge(alpha='0.1')", "hinge(alpha=0.1)", "hinge(alpha=0.10000000149011612)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (3, 3),
        (0.1, 0.1),
        ("0.1", "0.1"),
        (Fraction(1, 3), "1/3"),
        (Decimal("0.10"), "0.10"),
        (np.int64(2**62), 2**62),
        (np.float64(0.1), 0.1),
        (np.float16(0.1), 0.0999755859375),
        *([(np.ldexp(np.longdouble(1), 2000), str(1 << 2000))] if np.finfo(np.longdouble).maxexp > 2000 else []),
        (np.longdouble(1) / 3, str(Fraction(*(np.longdouble(1) / 3).as_integer_ratio()))),
    ],
)
def test_parameters_are_kept_as_a_results_file_can_hold_them(given: Any, kept: Any) -> None:
    found = hinge().bind({"alpha": given}).params["alpha"]
    assert found == kept
    assert type(found) is type(kept)


def test_numbers_beside_each_other_do_not_share_an_oracle() -> None:
    # What was judged wrongly: the same two callables with the kink at 0 and at 1.
    at_0, at_1 = hinge(), hinge(breakpoints=(1,))
    assert oracle_of(at_0) is not oracle_of(at_1)
    half = FLOAT32.round(Fraction(1, 2))
    assert float(oracle_of(at_0).certified(half, FLOAT32, 0).midpoint) == 0.5
    assert float(oracle_of(at_1).certified(half, FLOAT32, 0).midpoint) == 0
    assert oracle_of(hinge()) is oracle_of(at_0)


class Alike:
    """Callables that Python cannot tell apart: all are equal, and so are their hashes."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, m: Any, x: Any) -> Any:
        return self.factor * x

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


def test_what_cannot_be_seen_through_is_the_object_that_it_is() -> None:
    one, other = Alike(1), Alike(2)
    functions = [Function("f", (piece,)) for piece in (one, other)]
    assert functions[0].identity != functions[1].identity
    assert functions[0].identity == Function("f", (one,)).identity
    assert functions[0].identity != Function("f", (one,), odd=True).identity
    assert [f.digest for f in functions] == [None, None]
    assert [float(oracle_of(f).certified(FLOAT32.round(Fraction(1)), FLOAT32, 0).midpoint) for f in functions] == [1, 2]


def over(holder: Alike) -> Callable[..., Any]:
    return lambda m, x: holder.factor * x


def test_closures_over_objects_are_never_taken_for_each_other() -> None:
    # Each object is gone before the next is made, so that ids come again.
    seen = set()
    for factor in range(200):
        seen.add(Function("f", (over(Alike(factor)),)).identity)
        gc.collect(0)
    assert len(seen) == 200


def test_a_field_that_nobody_thought_of_counts() -> None:
    @dataclasses.dataclass(frozen=True)
    class Later(Function):
        rounding: str = "nearest"

    assert Later("f", (line,)).identity != Later("f", (line,), rounding="upward").identity


def test_what_makes_no_sense_has_no_identity() -> None:
    with pytest.raises(UsageError, match="breakpoints must increase"):
        _ = Function("f", (flat, line, flat), breakpoints=(1, 0)).identity


def test_every_process_agrees_about_a_digest() -> None:
    program = (
        "from gradproof.functions import CATALOGUE, Function\n"
        "from fractions import Fraction\n"
        "odd = Function('f', (lambda m, x, a: x if 'b' in {'a', 'b', 'c'} else a * x,), params={'a': Fraction(1, 3)})\n"
        "print(odd.digest, [f.digest for f in CATALOGUE])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1
    assert "None" not in said.pop()


def test_two_functions_of_the_catalogue_have_two_names_each() -> None:
    named: dict[str, list[str]] = {}
    for function in CATALOGUE:
        named.setdefault(function.identity, []).append(function.name)
    assert [names for names in named.values() if len(names) > 1] == [["relu", "maximum0"], ["clamp", "hardtanh"]]
    # What an oracle says in its messages is the name that was asked about.
    assert oracle_of(get_function("maximum0")).function.name == "maximum0"
