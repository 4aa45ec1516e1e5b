"""Results that are looked up are those that a call gives, and what may have a state is called each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, get_backend
from gradproof.backends.base import Implementation
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.engine.subject.tabulated import WORTH_A_TABLE, forget
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa
from gradproof.functions import get_function

EVERY = {name: fa.all_bits(FORMATS[name]) for name in ("float16", "bfloat16")}


@pytest.fixture(autouse=True)
def without_tables() -> Iterator[None]:
    forget()
    yield
    forget()


class Counting:
    """silu of NumPy, counting its calls; odd ones are off where ``drifting``."""

    def __init__(self, drifting: bool = False) -> None:
        self.calls, self.drifting = 0, drifting

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        with np.errstate(all="ignore"):
            return (x / (1 + np.exp(-x))) * x.dtype.type(1 + self.drifting * (self.calls % 2))


def probed(call: Any, fmt: str = "float16", *, user: bool = False) -> Probe:
    one = Implementation("silu", "numpy", "numpy.silu", call, derivatives=(call, call), user=user)
    return Probe(Task(get_function("silu"), one, "numpy:cpu", "eager", fmt, 0, "accuracy"), Selection())


@pytest.mark.parametrize("fmt", EVERY)
def test_a_frameworks_function_is_called_once_for_all_patterns(fmt: str) -> None:
    call = Counting()
    probe, rng = probed(call, fmt), np.random.default_rng(1)
    some = [rng.choice(EVERY[fmt], size) for size in (7, WORTH_A_TABLE, 3, 5000, 1)]
    got = [probe.evaluate(bits) for bits in some]
    assert call.calls == 2  # the first seven, and all of them
    for bits, results in zip(some, got, strict=True):
        direct = probe.backend.evaluate(replace(probe.implementation), bits, probe.format, Call(path="given"))
        np.testing.assert_array_equal(results, direct)


def test_orders_formats_and_implementations_have_tables_of_their_own() -> None:
    calls = [Counting(), Counting()]
    for call in calls:
        for fmt in ("float16", "bfloat16"):
            probe = probed(call, fmt)
            for order in (0, 1, 2):
                for _ in range(3):
                    probe.evaluate(EVERY[fmt][::7], order)
    assert [call.calls for call in calls] == [6, 6]


@pytest.mark.parametrize("fmt", ["float32", "float64"])
def test_wider_formats_are_asked_each_time(fmt: str) -> None:
    call = Counting()
    probe = probed(call, fmt)
    bits = fa.round_values(np.linspace(-4, 4, 4096), probe.format)
    for _ in range(3):
        probe.evaluate(bits)
    assert call.calls == 3


def test_a_users_function_is_called_each_time() -> None:
    call = Counting(drifting=True)
    probe = probed(call, user=True)
    first, second = (probe.evaluate(EVERY["float16"]) for _ in range(2))
    assert call.calls == 2
    assert not np.array_equal(first, second)


def test_what_is_missing_is_missing_each_time() -> None:
    def lacking(x: Any) -> Any:
        raise NotImplementedError("no such kernel")

    probe = probed(lacking)
    for _ in range(2):
        with pytest.raises(Unsupported):
            probe.evaluate(EVERY["float16"])


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("function", ["gelu", "silu", "relu", "elu"])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_a_frameworks_results_do_not_depend_on_their_neighbours(backend: str, function: str, mode: str) -> None:
    made = get_backend(f"{backend}:cpu")
    if mode not in made.default_modes:
        pytest.skip("torch.compile takes seconds")
    (one, *_) = [i for i in made.catalogue() if i.function == function]
    for name in ("float16", "bfloat16"):
        fmt, every = FORMATS[name], EVERY[name]
        some = np.random.default_rng(2).permutation(every)[:777]
        for order in (0, 1, 2):
            call = Call(order, mode)
            whole, apart = (made.evaluate(one, bits, fmt, call) for bits in (every, some))
            np.testing.assert_array_equal(whole[some], apart)
