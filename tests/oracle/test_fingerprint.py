"""The key of a cached table: another definition, parameter, format or version is another key; nothing else is."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
import os
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import mpmath
import numpy as np
import pytest

from gradproof.cache import files
from gradproof.formats import BFLOAT16, FLOAT16
from gradproof.functions import CATALOGUE, Function, get_function, piecewise
from gradproof.functions.fingerprint import Indigestible, digest
from gradproof.oracle import arb_route, tables
from tests.architecture.imports import ROOT
from tests.oracle.building import SAMPLE, TINY, made, same

LOWER = 1 / 8


def closed_over(value: Any) -> Callable[..., Any]:
    return lambda m, x: value * x


def default(value: Any) -> Callable[..., Any]:
    return lambda m, x, c=value: c * x


def keyword(value: Any) -> Callable[..., Any]:
    return lambda m, x, *, c=value: c * x


def from_source(text: str, **world: Any) -> Callable[..., Any]:
    """The function ``f`` that a module with the globals ``world`` defines."""
    space: dict[str, Any] = dict(world)
    exec(text, space)
    made: Callable[..., Any] = space["f"]
    return made


def with_helper(body: str) -> Callable[..., Any]:
    return from_source(f"def helper(x):\n    return {body}\ndef f(m, x):\n    return helper(x)")


def catching(error: str) -> Callable[..., Any]:
    return from_source(f"def f(m, x):\n    try:\n        return m.a(x)\n    except {error}:\n        return x")


GLOBAL = "f = lambda m, x: K * x"
INNER = "def f(m, x):\n    return (lambda y: K * y)(x)"

DIFFERENT: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("a method", lambda m, x: m.tanh(x), lambda m, x: m.sigmoid(x)),
    ("an operator", lambda m, x: x + 1, lambda m, x: x - 1),
    ("a constant", lambda m, x: 2 * x, lambda m, x: 3 * x),
    ("an int and a float", lambda m, x: 2 * x, lambda m, x: 2.0 * x),
    ("an int and a bool", closed_over(1), closed_over(True)),
    ("the last bit of a float", closed_over(0.1), closed_over(math.nextafter(0.1, 1))),
    ("the sign of zero", closed_over(0.0), closed_over(-0.0)),
    ("text", lambda m, x: m.real("0.1") * x, lambda m, x: m.real("0.10") * x),
    ("the order", lambda m, x: m.exp(x) - x, lambda m, x: x - m.exp(x)),
    ("a closure", closed_over(2), closed_over(3)),
    ("a fraction", closed_over(Fraction(1, 3)), closed_over(Fraction(1, 4))),
    ("a list", closed_over([1, 2]), closed_over([2, 1])),
    ("the split of a nest", closed_over(((1,), 2)), closed_over((1, (2,)))),
    ("text that runs together", closed_over(("ab", "c")), closed_over(("a", "bc"))),
    ("a default", default(2), default(3)),
    ("a keyword's default", keyword(2), keyword(3)),
    ("a dictionary", closed_over({"a": 1}), closed_over({"a": 2})),
    ("a global", from_source(GLOBAL, K=2), from_source(GLOBAL, K=3)),
    ("a global of an inner function", from_source(INNER, K=2), from_source(INNER, K=3)),
    ("a helper's body", with_helper("x + x"), with_helper("x * x")),
    ("a helper's global", *(from_source(f"K = {k}\nh = lambda x: K * x\nf = lambda m, x: h(x)") for k in (1, 2))),
    ("a closure's function", closed_over(with_helper("x + x")), closed_over(with_helper("x * x"))),
    ("a partial's argument", *(functools.partial(lambda c, m, x: c * x, c) for c in (1, 2))),
    (
        "an attribute",
        from_source("def f(m, x):\n    return f.c * x\nf.c = 1"),
        from_source("def f(m, x):\n    return f.c * x\nf.c = 2"),
    ),
    ("a builtin", from_source("f = lambda m, x: pick(1, 2) * x", pick=max),
     from_source("f = lambda m, x: pick(1, 2) * x", pick=min)),
    ("a shadowed builtin", from_source("f = lambda m, x: max(1, 2) * x"),
     from_source("max = lambda a, b: 5\nf = lambda m, x: max(1, 2) * x")),
    ("a function of a module", closed_over(math.sqrt), closed_over(math.cbrt)),
    ("an exception's handler", catching("TypeError"), catching("ValueError")),
]  # fmt: skip


def ident(case: tuple[str, Any, Any]) -> str:
    return case[0]


@pytest.mark.parametrize("case", DIFFERENT, ids=ident)
def test_another_definition_of_the_same_name_has_another_key(case: tuple[str, Any, Any]) -> None:
    _, one, other = case
    keys = [tables.table_key(Function("f", (piece,)), TINY) for piece in (one, other)]
    assert None not in keys
    assert keys[0] != keys[1]
    names = [tables.file_name(Function("f", (SAMPLE.pieces[0],)), TINY, key) for key in keys if key]
    assert names[0] != names[1]


def test_the_same_definition_elsewhere_in_a_file_has_the_same_key() -> None:
    text = "def f(m, x):\n    return K * m.tanh(x) + max(1, 2)"
    here = from_source(text, K=2)
    there = from_source("\n\n# moved\n" + text, K=2, other=3)
    assert digest(here) == digest(there)
    assert digest(closed_over(2)) == digest(closed_over(2))


def test_a_global_that_changes_later_changes_the_key() -> None:
    definition = from_source(GLOBAL, K=2)
    before = digest(definition)
    definition.__globals__["K"] = 3  # type: ignore[attr-defined]
    assert digest(definition) != before


def test_running_a_definition_leaves_its_key_alone() -> None:
    # CPython rewrites the bytecode of what runs often; co_code shows it as it was compiled.
    loop = "def f(m, x):\n    total = 0\n    for k in range(8):\n        total = total + K * x\n    return total"
    definition = from_source(loop, K=2)
    before = digest(definition)
    for k in range(5000):
        definition(None, float(k))
    assert digest(definition) == before


def test_functions_that_call_themselves_or_each_other_are_digested() -> None:
    def power(n: int) -> str:
        return f"def f(m, x, n={n}):\n    return 1 if n == 0 else x * f(m, x, n - 1)"

    mutual = "def g(x, n):\n    return x if n == 0 else f(None, x, n - 1)\ndef f(m, x, n={n}):\n    return g(x, n)"
    assert digest(from_source(power(2))) == digest(from_source(power(2))) != digest(from_source(power(3)))
    assert digest(from_source(mutual.format(n=1))) != digest(from_source(mutual.format(n=2)))


def test_a_key_is_the_same_in_every_process() -> None:
    # Sets and dictionaries of text are ordered by a hash that differs from process to process.
    program = (
        "from tests.oracle.building import TINY; from gradproof.oracle import tables; "
        "from gradproof.functions import Function, get_function\n"
        "odd = Function('f', (lambda m, x: x if 'b' in {'a', 'b', 'c', 'd'} else 0 * x,))\n"
        "print(tables.table_key(odd, TINY), tables.table_key(get_function('selu'), TINY))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(said) == 1
    assert "None" not in said.pop().replace("None, None, None", "")


class Scale:
    factor = 2

    def __call__(self, m: Any, x: Any) -> Any:
        return self.factor * x

    def times(self, m: Any, x: Any) -> Any:
        return self.factor * x


def counting() -> Callable[..., Any]:
    calls = 0

    def f(m: Any, x: Any) -> Any:
        nonlocal calls
        calls += 1
        return calls * x

    return f


def unfinished() -> Callable[..., Any]:
    def f(m: Any, x: Any) -> Any:
        return later * x

    if not f:
        later = 1
    return f


ITSELF: list[Any] = []
ITSELF.append(ITSELF)

REFUSED: dict[str, Any] = {
    "an object": Scale(),
    "a method": Scale().times,
    "a class": closed_over(Scale),
    "a subclass of float": closed_over(type("Odd", (float,), {})(2.0)),
    "a number of NumPy": closed_over(np.float64(2)),
    "a kernel of NumPy": from_source("f = lambda m, x: np.sqrt(2.0) * x", np=np),
    "a module with a state": from_source("f = lambda m, x: random.random() * x", random=random),
    "a builtin of an object": closed_over(random.random),
    "an import": from_source("def f(m, x):\n    import math\n    return math.pi * x"),
    "a name without value": from_source("f = lambda m, x: nowhere * x"),
    "a name without value yet": unfinished(),
    "what reads the outside": from_source("f = lambda m, x: float(open('c').read()) * x"),
    "what runs text": from_source("f = lambda m, x: eval('2') * x"),
    "what counts its calls": counting(),
    "what writes a global": from_source("def f(m, x):\n    global c\n    c = 2\n    return c * x"),
    "what defines a class": from_source("def f(m, x):\n    class A:\n        c = 2\n    return A.c * x"),
    "what remembers": functools.lru_cache(lambda m, x: x),
    "an iterator": closed_over(itertools.count()),
    "a structure in itself": closed_over(ITSELF),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_seen_through_is_not_cached(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    with pytest.raises(Indigestible):
        digest(REFUSED[name])
    function = Function("f", (REFUSED[name],))
    assert tables.table_key(function, TINY) is None
    assert same(tables.table(function, TINY, made), made())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "value",
    [None, ..., 1j, b"x", {1, 2}, frozenset("ab"), slice(1, 2), operator.mul, math, max, Fraction, ValueError, int],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_constants_and_plain_names_are_understood(value: Any) -> None:
    assert digest(value) == digest(value)
    assert digest(value) != digest(0)


@pytest.mark.parametrize("function", CATALOGUE, ids=lambda f: f.name)
def test_every_catalogued_function_can_be_cached(function: Function) -> None:
    assert tables.table_key(function, FLOAT16)


def test_no_two_catalogued_tables_share_a_file() -> None:
    names = set()
    for function, fmt in itertools.product(CATALOGUE, (FLOAT16, BFLOAT16)):
        key = tables.table_key(function, fmt)
        assert key is not None
        names.add(tables.file_name(function, fmt, key))
    assert len(names) == 2 * len(CATALOGUE)


def key_of(**changed: Any) -> dict[str, str]:
    pieces, points = piecewise(lambda m, x, alpha: alpha * m.tanh(x), 0, lambda m, x, alpha: alpha * x)
    given: dict[str, Any] = {
        "name": "f", "pieces": pieces, "breakpoints": points, "params": {"alpha": 0.5},
        "limits": ((-1, 0, 0), ("inf", 1, 0)), **changed,
    }  # fmt: skip
    key = tables.table_key(Function(**given), TINY)
    assert key is not None
    return dict(key)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("function", {"name": "g"}),
        ("params", {"params": {"alpha": "0.1"}}),
        ("params", {"params": {"alpha": math.nextafter(0.5, 1)}}),
        ("breakpoints", {"breakpoints": (1,)}),
        ("breakpoints", {"breakpoints": (lambda p: p["alpha"],)}),
        ("closed", {"closed": "left"}),
        ("closed", {"closed": ("left",)}),
        ("function.seams", {"seams": frozenset({0})}),
        ("function.smooth", {"smooth": {0: 1}}),
        ("function.at", {"at": {1: (0,)}}),
        ("domain", {"domain": (-3, "inf")}),
        ("limits", {"limits": ((-1, 0, 0), ("inf", 0, 0))}),
        ("limits", {"limits": ((-1, 0, 0), ("inf", None, 0))}),
        ("limits", {"limits": ((-1, 0, 0), ("-inf", 1, 0))}),
        ("limits", {"limits": ((lambda p: -p["alpha"], 0, 0), ("inf", 1, 0))}),
    ],
)
def test_what_a_function_declares_is_in_the_key(field: str, changed: dict[str, Any]) -> None:
    plain, other = key_of(), key_of(**changed)
    assert {name for name in plain if plain[name] != other[name]} == {field}


@pytest.mark.parametrize(
    "changed",
    [
        {"params": {"alpha": "1/2"}},
        {"params": {"alpha": Fraction(1, 2)}},
        {"breakpoints": (lambda p: p["alpha"] - Fraction(1, 2),)},
        {"limits": ((lambda p: -2 * p["alpha"], 0, 0), (math.inf, 1.0, 0))},
        {"monotone": True, "range": (-1, "inf")},
    ],
)
def test_the_same_numbers_given_otherwise_are_the_same_key(changed: dict[str, Any]) -> None:
    assert key_of(**changed) == key_of()


def test_a_field_that_nobody_thought_of_is_in_the_key() -> None:
    @dataclasses.dataclass(frozen=True)
    class Later(Function):
        rounding: str = "nearest"
        secret: Any = None

    plain, other, hidden = (
        tables.table_key(Later("f", SAMPLE.pieces, **more), TINY)
        for more in ({}, {"rounding": "upward"}, {"secret": Scale()})
    )
    assert plain is not None
    assert other is not None
    assert {name for name in plain if plain[name] != other[name]} == {"function.rounding"}
    assert hidden is None


def test_the_pieces_count_in_their_order() -> None:
    pieces, _ = piecewise(lambda m, x, alpha: alpha * m.tanh(x), 0, lambda m, x, alpha: alpha * x)
    assert key_of(pieces=pieces)["pieces"] == key_of()["pieces"] != key_of(pieces=pieces[::-1])["pieces"]


def test_formats_have_keys_of_their_own() -> None:
    keys = [tables.table_key(get_function("gelu"), fmt) for fmt in (FLOAT16, BFLOAT16, TINY)]
    assert len({key["format"] for key in keys if key}) == 3


@pytest.mark.parametrize(
    ("holder", "name", "value", "field"),
    [
        (tables, "LAYOUT", 99, "layout"),
        (tables, "__version__", "99", "gradproof"),
        (tables, "_SOURCE", "99", "source"),
        (np, "__version__", "99", "numpy"),
        (mpmath, "__version__", "99", "mpmath"),
        (flint, "__version__", "99", "python-flint"),
        (flint, "__FLINT_VERSION__", "99", "python-flint"),
        (arb_route, "AVAILABLE", False, "python-flint"),
        (sys, "platform", "plan9", "machine"),
    ],
)
def test_versions_are_in_the_key(
    holder: Any, name: str, value: Any, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of()
    monkeypatch.setattr(holder, name, value)
    after = key_of()
    assert {n for n in before if before[n] != after[n]} == {field}


def test_the_source_of_the_oracle_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("oracle", "formats", "functions"):
        (tmp_path / room).mkdir()
    for file in ("oracle/balls.py", "formats/arrays.py", "functions/function.py", "functions/registry.py"):
        (tmp_path / file).write_text("a = 1")
    monkeypatch.setattr(tables, "__file__", str(tmp_path / "oracle" / "tables.py"))
    seen = [tables._source()]
    for file in ("oracle/balls.py", "formats/arrays.py", "functions/function.py"):
        (tmp_path / file).write_text("a = 2")
        seen.append(tables._source())
    assert len(set(seen)) == 4
    (tmp_path / "functions/registry.py").write_text("a = 2")
    assert tables._source() == seen[-1]
