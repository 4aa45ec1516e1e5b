"""What may stand in the marker, what is collected without it, and how mistakes are told."""

from __future__ import annotations

import types
from typing import Any

import pytest

import gradproof as gp
from gradproof.engine.declared.markers import marked_in, read_mark
from tests.plugin.sources import HEADER, RIGHT, WRONG, one_cell


def relu(x: Any) -> Any:
    return x


MISTAKES = [
    ((), {"backend": "numpy"}, "expected one function name first, as in @pytest.mark.gradproof(.*got none"),
    ((3,), {"backend": "numpy"}, "expected one function name first.*got 3"),
    (("silu", "relu"), {"backend": "numpy"}, "expected one function name first.*got 'silu', 'relu'"),
    (("sliu",), {"backend": "numpy"}, "unknown function 'sliu'; did you mean 'silu'?"),
    (("silu",), {}, "expected backend='numpy', 'torch' or 'jax', got backend=None"),
    (("silu",), {"backend": 7}, "expected backend='numpy', 'torch' or 'jax', got backend=7"),
    (("silu",), {"backend": "numpy", "format": ["float16"]}, "no argument format=; did you mean formats=?"),
    (("silu",), {"backend": "numpy", "params": {"a": 1}}, "function 'silu' has no parameter 'a'"),
    (("silu",), {"backend": "numpy", "params": 3}, "expected params= as a mapping .*got params=3"),
    (("silu",), {"backend": "numpy", "derivative": 3}, "expected derivative= as a callable f' or a pair"),
    (("silu",), {"backend": "numpy", "formats": ["float61"]}, "unknown format 'float61'"),
    (("silu",), {"backend": "numpy", "formats": 16}, "expected formats= as a list of names, got formats=16"),
    (("silu",), {"backend": "numpy", "orders": ["one"]}, "expected orders= as a list of orders (0.*['one']"),
    (("silu",), {"backend": "numpy", "orders": []}, "expected orders= as a list of orders.*got orders=[]"),
    (("silu",), {"backend": "numpy", "profile": 1}, "expected profile= as a name, got profile=1"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs", "words"), MISTAKES)
def test_a_mistake_in_the_marker_says_what_was_expected_and_what_came(
    args: tuple[Any, ...], kwargs: dict[str, Any], words: str
) -> None:
    mark = types.SimpleNamespace(name="gradproof", args=args, kwargs=kwargs)
    with pytest.raises(gp.UsageError) as caught:
        read_mark(mark, relu)
    start, _, end = words.partition(".*")
    assert start in str(caught.value)
    assert str(caught.value).endswith(end)


def test_a_class_is_no_implementation() -> None:
    mark = types.SimpleNamespace(name="gradproof", args=("silu",), kwargs={"backend": "numpy"})
    with pytest.raises(gp.UsageError, match="expected a function that takes the array, got the class Fraction"):
        read_mark(mark, __import__("fractions").Fraction)


def test_a_lone_value_is_a_list_of_one() -> None:
    mark = pytest.mark.gradproof("silu", backend="torch:cuda", orders=1, properties="accuracy", formats="float16")
    found = read_mark(mark.mark, relu)
    assert (found.orders, found.properties, found.implementation.formats) == (
        (1,),
        ("accuracy",),
        ("float16",),
    )
    assert (found.backend, found.implementation.backend) == ("torch:cuda", "torch")


def test_marked_functions_count_for_the_command_line_too() -> None:
    module = types.ModuleType("kernels")
    module.a = module.b = pytest.mark.gradproof("relu", backend="numpy")(lambda_free)  # type: ignore[attr-defined]
    assert [(i.function, i.name) for i in marked_in(module)] == [("relu", "test_marker:lambda_free")]


def lambda_free(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ('"sliu", backend="numpy"', "test_mine.py: mine: unknown function 'sliu'; did you mean 'silu'?"),
        ('"silu", backend="numpyy"', "test_mine.py: mine: unknown backend 'numpyy'; did you mean 'numpy'?"),
        (
            '"silu", backend="numpy", properties=["acuracy"]',
            "test_mine.py: mine: unknown property 'acuracy'; did you mean 'accuracy'?",
        ),
        ('"silu", backend="numpy", orders=[3]', "test_mine.py: mine: expected an order of 0, 1 or 2, got 3"),
        ('"silu", backend="numpy", contract="best"', "test_mine.py: mine: unknown contract 'best'; *"),
        (
            '"silu", backend="numpy", modes=["compiled"]',
            "test_mine.py: mine: expected at least one cell of *",
        ),
    ],
)
def test_a_mistake_stops_the_collection_naming_file_and_function(
    quiet: pytest.Pytester, marker: str, words: str
) -> None:
    quiet.makepyfile(test_mine=HEADER + f"@pytest.mark.gradproof({marker})\ndef mine(x): ...\n")
    result = quiet.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([words])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            'class TestMine:\n    @pytest.mark.gradproof("relu", backend="numpy")\n    def mine(s, x): ...',
            "*expected a function at the top level of a module, got a method of TestMine; *fixture gradproof_check*",
        ),
        (
            '@pytest.mark.usefixtures("a")\n@pytest.mark.gradproof("relu", backend="numpy")\ndef a(x): ...',
            "*expected no @pytest.mark.usefixtures beside gradproof*",
        ),
    ],
)
def test_what_the_items_cannot_do_is_refused(quiet: pytest.Pytester, source: str, words: str) -> None:
    quiet.makepyfile(HEADER + source)
    quiet.runpytest().stdout.fnmatch_lines([words])


def test_several_marks_on_one_function_are_several_implementations(quiet: pytest.Pytester) -> None:
    mark = '@pytest.mark.gradproof("leaky_relu", backend="numpy", params={"negative_slope": 1.0},'
    quiet.makepyfile(
        HEADER
        + f"""
{mark} formats="float16", orders=0, properties="accuracy")
@pytest.mark.gradproof("prelu", backend="numpy", params={{"weight": 1.0}}, formats="float16", orders=0,
                       properties="accuracy")
def identity(x):
    return x.copy()
"""
    )
    result = quiet.runpytest("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::identity::prelu-*", "*::identity::leaky_relu-*"])


IMPLEMENTS = (
    HEADER
    + """
@gp.implements("relu", backend="numpy", formats=["float16"])
def mine(x):
    return np.maximum(x, np.zeros_like(x))

class Layer:
    def __call__(self, x):
        return np.abs(x)

layer = gp.implements("relu", backend="numpy", formats=["float16"])(Layer())
alias = layer
"""
)
NARROW = ("--gradproof-property", "accuracy", "--gradproof-order", "0")


def test_what_implements_registers_is_collected_once(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=IMPLEMENTS)
    result = quiet.runpytest("-v", "-m", "gradproof", *NARROW)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*::mine::relu-*PASSED*", "*::layer::relu-*FAILED*"])
    result.stdout.no_fnmatch_line("*::alias::*")


def test_collecting_what_implements_registers_can_be_switched_off(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(IMPLEMENTS)
    result = quiet.runpytest("-o", "gradproof_collect_implements=false", *NARROW)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_an_imported_implementation_belongs_to_the_file_that_has_it_first(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_a=one_cell(RIGHT), test_b="from test_a import mine\n")
    result = quiet.runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_a.py::mine::*"])


def test_two_implementations_of_one_name_are_refused(quiet: pytest.Pytester) -> None:
    for folder in ("a", "b"):
        quiet.mkpydir(folder)
        (quiet.path / folder / "test_mine.py").write_text(one_cell(WRONG), "utf-8")
    result = quiet.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*expected one implementation called 'test_mine:mine'*tell them apart by name="])


def test_other_functions_stay_pytests(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(
        """
        from unittest.mock import MagicMock
        from pytest import mark
        invented = MagicMock()
        def test_plain(): pass
        def helper(): raise AssertionError
        """
    )
    quiet.runpytest().assert_outcomes(passed=1)
