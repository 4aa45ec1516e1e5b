"""Plans: names that exist nowhere, backends that are not here, and what is left out for a reason."""

from __future__ import annotations

from typing import Any

import pytest

from gradproof.backends.base import Availability, Implementation
from gradproof.engine.planning.plan import plan
from gradproof.engine.request.selection import Selection
from gradproof.errors import UsageError
from gradproof.formats import DEFAULT_FORMATS
from tests.properties.stubs import Offer
from tests.properties.subjects import exact

ABSENT = {"availability": classmethod(lambda cls, device: Availability(False, "needs a unicorn"))}


def mine(function: str = "tanh", orders: int = 3, backend: str = "numpy", **more: Any) -> Implementation:
    calls = exact(function, orders)
    return Implementation(function, backend, "mine:it", calls[0], {}, tuple(calls[1:]), user=True, **more)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"functions": ("tahn",)}, "unknown function 'tahn'; did you mean 'tanh'?"),
        ({"backends": ("nunpy",)}, "unknown backend 'nunpy:cpu'; did you mean 'numpy:cpu'?"),
        ({"properties": ("acuracy",)}, "unknown property 'acuracy'; did you mean 'accuracy'?"),
        ({"modes": ("compield",), "backends": ("numpy",)}, "unknown mode 'compield'; did you mean 'compiled'?"),
        ({"functions": ("zzz",)}, "unknown function 'zzz'; known: relu"),
    ],
)
def test_a_name_that_exists_nowhere_is_an_error_with_the_nearest_one(given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(Selection(**given))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"formats": ("float17",)},
            (
                "unknown format 'float17'; expected one of float64, float32, float16, bfloat16, float8_e4m3fn, "
                "float8_e5m2; did you mean 'float16'?"
            ),
        ),
        ({"orders": (3,)}, "expected an order of 0, 1 or 2, got 3"),
        ({"contract": "strict"}, "unknown contract 'strict'; expected one of faithful, stable, training"),
        ({"profile": "slow"}, "unknown profile 'slow'; expected one of quick, default, deep"),
        ({"max_seconds": 0}, "expected --max-seconds above 0, got 0"),
    ],
)
def test_a_selection_of_nothing_is_refused_at_once(given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Selection(**given)
    assert str(caught.value) == message


def test_an_absent_backend_has_every_cell_not_run_with_the_reason(offer: Offer) -> None:
    offer("absent", **ABSENT)
    there = plan(Selection(backends=("numpy",), functions=("tanh",)))
    made = plan(Selection(backends=("numpy", "absent"), functions=("tanh",)))
    assert made.unavailable == {"absent:cpu": "needs a unicorn"}
    assert made.tasks == there.tasks
    absent = [c for c in made.settled if c.backend == "absent"]
    assert {(c.status, c.reason, c.device) for c in absent} == {("not-run", "needs a unicorn", "cpu")}
    # One for every cell that the present backend has.
    cells = [(t.format, t.order, t.property) for g in there.groups for t in g.tasks]
    assert sorted((c.format, c.order, c.property) for c in absent) == sorted(cells)


def test_a_backend_that_is_installed_and_does_not_start_is_absent_too(offer: Offer) -> None:
    def start(self: Any, device: str = "cpu") -> None:
        raise ImportError("libunicorn.so: cannot open shared object file")

    offer("broken", __init__=start)
    made = plan(Selection(backends=("numpy", "broken"), functions=("tanh",)))
    reason = "broken:cpu is installed but does not start: libunicorn.so: cannot open shared object file"
    assert made.unavailable == {"broken:cpu": reason}
    assert {c.reason for c in made.settled if c.backend == "broken"} == {reason}
    assert {t.backend for g in made.groups for t in g.tasks} == {"numpy:cpu"}


def test_a_users_implementation_for_an_absent_backend_is_not_run_and_nothing_else_is_planned(offer: Offer) -> None:
    offer("absent", **ABSENT)
    made = plan(Selection(properties=("accuracy",)), [mine(backend="absent", formats=("float16",))])
    assert made.groups == []
    assert [(c.implementation, c.format, c.order, c.status) for c in made.settled] == [
        ("mine:it", "float16", order, "not-run") for order in (0, 1, 2)
    ]


def test_an_implementation_for_a_backend_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown backend 'nunpy:cpu'; did you mean 'numpy:cpu'"):
        plan(Selection(), [mine(backend="nunpy")])


def planned(selection: Selection, *implementations: Implementation) -> set[tuple[str, int, str]]:
    made = plan(selection, list(implementations) or None)
    return {(t.format, t.order, t.property) for g in made.groups for t in g.tasks}


def test_formats_narrow_and_so_does_the_selection() -> None:
    accuracy = Selection(properties=("accuracy",), orders=(0,))
    assert {f for f, _, _ in planned(accuracy, mine())} == set(DEFAULT_FORMATS)
    assert {f for f, _, _ in planned(accuracy, mine(formats=("float16", "float64")))} == {"float16", "float64"}
    assert {f for f, _, _ in planned(accuracy, mine(formats=("float8_e5m2",)))} == {"float8_e5m2"}
    asked = Selection(properties=("accuracy",), orders=(0,), formats=("float8_e4m3fn",))
    assert {f for f, _, _ in planned(asked, mine())} == {"float8_e4m3fn"}
    both = Selection(properties=("accuracy",), orders=(0,), formats=("float16", "bfloat16"))
    assert {f for f, _, _ in planned(both, mine(formats=("float16", "float64")))} == {"float16"}


@pytest.mark.parametrize(
    ("orders", "reason"), [(1, "no derivative= was handed in"), (2, "1 derivative= was handed in")]
)
def test_an_order_without_a_derivative_is_unsupported_before_anything_runs(orders: int, reason: str) -> None:
    selection = Selection(properties=("accuracy",), formats=("float16",))
    made = plan(selection, [mine(orders=orders)])
    assert {t.order for g in made.groups for t in g.tasks} == set(range(orders))
    assert {(c.status, c.order) for c in made.settled} == {("unsupported", o) for o in range(orders, 3)}
    assert all(c.reason.endswith(reason) for c in made.settled)


def test_only_claims_that_say_something_about_the_function_are_planned() -> None:
    smooth = {p for _, _, p in planned(Selection(formats=("float16",)), mine("tanh"))}
    kinked = {p for _, _, p in planned(Selection(formats=("float16",)), mine("relu"))}
    assert kinked - smooth == {"kink-convention", "zero-input", "conventions-train", "curvature-by-depth"}
    assert smooth - kinked == {"bias"}, "nothing of relu is rounded"


def test_tasks_of_one_function_and_format_share_a_group_over_backends(offer: Offer) -> None:
    offer("second", catalogue=lambda self: [mine("tanh", backend="second"), mine("relu", backend="second")])
    selection = Selection(backends=("numpy", "second"), functions=("tanh",), properties=("accuracy",), orders=(0,))
    made = plan(selection)
    assert [(g.function.name, g.format, [t.backend for t in g.tasks]) for g in made.groups] == [
        ("tanh", fmt, ["numpy:cpu", "second:cpu"]) for fmt in DEFAULT_FORMATS
    ]


def test_modes_are_the_backends_own_and_a_claim_may_narrow_them(offer: Offer) -> None:
    two = {"modes": ("eager", "compiled"), "default_modes": ("eager",)}
    offer("moded", catalogue=lambda self: [mine("tanh", backend="moded")], **two)

    def modes(**more: Any) -> set[tuple[str, str]]:
        made = plan(Selection(backends=("moded",), formats=("float16",), properties=("accuracy", "taylor"), **more))
        return {(t.property, t.mode) for g in made.groups for t in g.tasks}

    eager = {("accuracy", "eager"), ("taylor", "eager")}
    assert modes() == eager
    assert modes(profile="deep") == eager | {("accuracy", "compiled")}
    assert modes(modes=("compiled",)) == {("accuracy", "compiled")}


def test_parameters_make_a_group_of_their_own() -> None:
    calls = exact("elu", 1)
    twice = Implementation("elu", "numpy", "mine:twice", calls[0], {"alpha": 2}, (), user=True)
    once = Implementation("elu", "numpy", "mine:once", calls[0], {"alpha": 1.0}, (), user=True)
    made = plan(Selection(formats=("float16",), properties=("accuracy",), orders=(0,)), [once, twice])
    assert [[t.implementation.name for t in g.tasks] for g in made.groups] == [["mine:once"], ["mine:twice"]]


def test_conversions_and_functions_have_claims_of_their_own() -> None:
    converting = Implementation("to_float16", "numpy", "mine:half", lambda x: x, user=True)
    assert planned(Selection(), converting) == {("float64", 0, "conversion"), ("float32", 0, "conversion")}
    assert "conversion" not in {claim for _, _, claim in planned(Selection(), mine("tanh"))}


def test_a_conversion_is_planned_in_the_formats_that_are_wider_than_its_target() -> None:
    narrow = Implementation("to_float8_e5m2", "numpy", "mine:eight", lambda x: x, user=True)
    assert {f for f, _, _ in planned(Selection(), narrow)} == set(DEFAULT_FORMATS)
    same = Implementation("to_float16", "numpy", "mine:half", lambda x: x, formats=("bfloat16", "float16"), user=True)
    assert planned(Selection(), same) == set()


@pytest.mark.framework("jax")
def test_quick_leaves_networks_in_some_formats_to_the_default_profile_where_they_are_compiled() -> None:
    def formats(settled: bool, **more: Any) -> set[str]:
        made = plan(Selection(functions=("tanh",), backends=("jax:cpu",), **more))
        cells = made.settled if settled else [t.cell("not-run") for g in made.groups for t in g.tasks]
        return {c.format for c in cells if c.property == "second-order"}

    every = {"float64", "float32", "float16", "bfloat16"}
    assert formats(False, profile="quick") == {"float32", "bfloat16"}
    assert formats(True, profile="quick") == {"float64", "float16"}
    assert formats(False, profile="default") == every
    assert formats(False, profile="quick", properties=("second-order",)) == every
    assert formats(False, profile="quick", formats=("float64",)) == {"float64"}
