"""``gradproof.extend``: what it lists, what it imports for type checkers and where each name lives are one thing."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from gradproof import extend
from tests.architecture.imports import ROOT, SOURCES, SURFACE, homes, imports, past_the_surface

TEXT = (SOURCES["gradproof"] / "gradproof" / "extend.py").read_text("utf-8")
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
SEEDED = [
    ("from gradproof.engine.subject.probe import Probe", "gradproof.extend alone"),
    ("import gradproof.backends", "gradproof.extend alone"),
    ("import gradproof as gp\ndef f():\n    from gradproof import formats", "gradproof.extend alone"),
    ("import importlib\nimportlib.import_module('gradproof.oracle')", "gradproof.extend alone"),
    ("from gradproof.extend import Backend, Porbe", "has no Porbe"),
]


def for_type_checkers(text: str) -> dict[str, str]:
    """What a module imports for type checkers alone: each name with the dotted name of what it stands for."""
    found = {}
    for node in ast.parse(text).body:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                for line in body:
                    assert isinstance(line, ast.ImportFrom)
                    found |= {n.asname or n.name: f"{line.module}.{n.name}" for n in line.names}
    return found


def test_the_list_the_table_and_the_imports_for_type_checkers_agree() -> None:
    assert sorted(extend.__all__) == sorted(homes())
    assert for_type_checkers(TEXT) == homes()


@pytest.mark.parametrize("name", extend.__all__)
def test_every_name_is_what_lives_at_its_home(name: str) -> None:
    module, _, attribute = homes()[name].rpartition(".")
    value = getattr(extend, name)
    there = getattr(importlib.import_module(module), attribute)
    assert value is there
    assert dir(extend).count(name) == 1


def test_the_page_for_those_who_extend_names_all_of_it_and_nothing_else() -> None:
    page = (ROOT / "docs" / "extending.md").read_text("utf-8")
    heads = [line.partition("|")[2].partition("|")[0] for line in page.splitlines() if line.startswith("|")]
    named = {name for head in heads for name in re.findall(r"`(\w+)`", head)}
    assert named == set(extend.__all__)


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"module 'gradproof.extend' has no attribute 'Porbe'"):
        _ = extend.Porbe  # type: ignore[attr-defined]  # seeded


def test_nothing_is_offered_that_nobody_here_would_miss_unless_it_completes_a_set() -> None:
    """A surface grows by need: what neither a pack nor an example imports is listed here with its reason."""
    completes = {
        *("BFLOAT16", "FLOAT16", "FLOAT8_E4M3FN", "FLOAT8_E5M2"),  # the other formats
        *("Arrays", "FrameworkSetting"),  # what optional methods of a backend return
        *("contract", "exact", "function", "get_function", "piecewise"),  # what makes a function and its contract
    }
    files = [f for p in ("gradproof_properties", "gradproof_reports") for f in (SOURCES[p] / p).rglob("*.py")]
    used = {i.target.removeprefix(f"{SURFACE}.") for f in (*files, *EXAMPLES) for i in imports(f.read_text("utf-8"))}
    assert set(homes()) - used == completes


@pytest.mark.parametrize(("text", "why"), SEEDED)
def test_an_import_past_the_surface_is_named(text: str, why: str) -> None:
    (broken,) = filter(None, map(past_the_surface, imports(text)))
    assert why in broken


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.relative_to(ROOT / "examples").as_posix())
def test_examples_import_what_is_offered(file: Path) -> None:
    broken = [f"{i.line}: {i.target}: {why}" for i in imports(file.read_text("utf-8")) if (why := past_the_surface(i))]
    assert not broken, "\n".join(broken)
