"""The dependency arrows of docs/architecture.md: properties -> verify <- reports, and room to room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.imports import OPEN_ROOMS, ROOMS, SOURCES, broken_arrows, imports, modules, room_of

SEEDED = [
    ("gradproof.engine.running.run", "import gradproof_properties.values.accuracy", "entry points"),
    ("gradproof.cli.main", "def f():\n    from gradproof_reports import html", "entry points"),
    (
        "gradproof.engine.running.run",
        "from importlib import import_module\nimport_module('gradproof_reports')",
        "entry points",
    ),
    ("gradproof.engine.running.run", "import torch", "its own backend"),
    (
        "gradproof.engine.running.run",
        "try:\n    import jax.numpy as jnp\nexcept ImportError:\n    pass",
        "its own backend",
    ),
    ("gradproof.backends.numpy.backend", "from torch import nn", "its own backend"),
    ("gradproof.backends", "import torch", "its own backend"),
    ("gradproof.backends.torch.backend", "import jax", "its own backend"),
    ("gradproof.engine.torch_helpers", "import torch", "its own backend"),
    ("gradproof.formats.arrays", "from gradproof.oracle import Oracle", "formats may import errors"),
    ("gradproof.formats.arrays", "from gradproof import oracle", "formats may import errors"),
    ("gradproof.errors", "from gradproof.formats import Format", "no other room"),
    ("gradproof.functions.catalogue", "from gradproof.oracle import Oracle", "functions may import"),
    ("gradproof.functions.catalogue", "def f():\n    import gradproof.engine.running.run", "functions may import"),
    ("gradproof.functions.function", "from gradproof.backends.base import Backend", "functions may import"),
    (
        "gradproof.functions.function",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gradproof.engine import probe",
        "functions may import",
    ),
    ("gradproof.results.model", "import numpy as np", "no NumPy"),
    ("gradproof.results.model", "from gradproof.measure import judge", "results may import errors, files, formats"),
    ("gradproof.oracle.oracle", "from ..engine import probe", "name the package"),
    ("gradproof.oracle.oracle", "from gradproof.extend import Oracle", "where it lives"),
    ("gradproof.cli.main", "def f():\n    import gradproof.extend", "where it lives"),
    ("gradproof.engine.running.run", "from gradproof import extend", "where it lives"),
    ("gradproof_reports.html", "from gradproof.extend import Probe", "reads the results file"),
    ("gradproof_reports.html", "from gradproof.extend import oracle_of", "reads the results file"),
    ("gradproof_reports.html", "from gradproof.results.model import Cell", "gradproof.extend alone"),
    (
        "gradproof_properties.values.accuracy",
        "from gradproof.engine.subject.probe import Probe",
        "gradproof.extend alone",
    ),
    ("gradproof_properties.values.accuracy", "def f():\n    import gradproof.oracle", "gradproof.extend alone"),
    ("gradproof_properties.values.accuracy", "from gradproof import oracle", "gradproof.extend alone"),
    (
        "gradproof_properties.values.accuracy",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gradproof.formats import Format",
        "gradproof.extend alone",
    ),
    ("gradproof_properties.values.accuracy", "from gradproof.extend import Porbe", "has no Porbe"),
    ("gradproof_properties.values.accuracy", "from gradproof.extend import *", "has no *"),
    ("gradproof_reports.html", "import gradproof", "reads the results file"),
    ("gradproof_reports.html", "from gradproof_properties import properties", "do not know each other"),
    ("gradproof_properties.values.accuracy", "from gradproof_reports import html", "do not know each other"),
    ("gradproof_properties.values.accuracy", "def f():\n    import torch", "only a backend"),
]

ALLOWED = [
    ("gradproof.backends.torch.catalogue", "import torch"),
    ("gradproof.backends.torch.backend", "import torch\nfrom torch.func import jvp"),
    ("gradproof.backends.jax.backend", "import jax, jaxlib"),
    ("gradproof.cli.doctor", "def versions():\n    import torch\n    return torch.__version__"),
    ("gradproof.oracle.oracle", "from gradproof.oracle.certify import Certified\nimport mpmath, numpy"),
    (
        "gradproof.engine.running.run",
        "from gradproof._version import __version__\nfrom gradproof.measure import judge",
    ),
    ("gradproof_reports.html", "from gradproof.extend import Cell, UsageError, claim_verdicts"),
    ("gradproof_properties.values.accuracy", "from gradproof.extend import Probe, Property\nimport numpy"),
    ("gradproof_properties.values.accuracy", "import gradproof as gp\nfrom gradproof import Property"),
    ("gradproof.extend", "if TYPE_CHECKING:\n    from gradproof.engine.subject.probe import Probe"),
]


@pytest.mark.parametrize(("module", "text", "why"), SEEDED)
def test_a_broken_arrow_is_named_with_its_rule(module: str, text: str, why: str) -> None:
    (broken,) = broken_arrows(module, text)
    assert broken.startswith(f"{module}:")
    assert why in broken


@pytest.mark.parametrize(("module", "text"), ALLOWED)
def test_an_allowed_import_is_let_through(module: str, text: str) -> None:
    assert broken_arrows(module, text) == []


def test_imports_are_told_apart_by_when_they_happen() -> None:
    text = """
import a
if TYPE_CHECKING:
    import b
else:
    import c
def f():
    import d
x = lambda: __import__("e")
"""
    found = {i.target: (i.deferred, i.typing) for i in imports(text)}
    assert found == {
        "a": (False, False),
        "b": (False, True),
        "c": (False, False),
        "d": (True, False),
        "e": (True, False),
    }


@pytest.mark.parametrize("package", sorted(SOURCES))
def test_every_module_keeps_to_its_arrows(package: str) -> None:
    own = {name: file for name, file in modules().items() if name.partition(".")[0] == package}
    assert len(own) > 1, f"no source of {package} found under {SOURCES[package]}"
    broken = [line for name, file in own.items() for line in broken_arrows(name, file.read_text("utf-8"))]
    assert not broken, "\n".join(broken)


def test_every_room_of_the_engine_has_its_rule() -> None:
    found = {room for name in modules() if (room := room_of(name))}
    assert found <= set(ROOMS) | OPEN_ROOMS, "a new room needs its arrows in tests/architecture/imports.py"
    assert set(ROOMS) <= found


def test_architecture_names_every_room() -> None:
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")
    missing = [r for r in ROOMS if r != "errors" and f"{r}/" not in page and f"{r}.py" not in page]
    assert not missing
