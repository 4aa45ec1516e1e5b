"""What an import of gradproof costs the one who imports it, seen from a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "torch", "jax", "hypothesis", "mpmath", "flint", "scipy")
ENGINE = ("gradproof.engine", "gradproof.oracle", "gradproof.functions", "gradproof.backends")


def loaded_by(code: str) -> set[str]:
    """Names of the modules that running ``code`` in a new interpreter adds to those it started with."""
    before = "import sys, json; before = set(sys.modules)"
    program = f"{before}\n{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import gradproof", HEAVY + ENGINE),
        ("import gradproof.plugin.pytest_plugin", HEAVY + ENGINE),
        ("import gradproof.results.model", HEAVY + ENGINE),
        ("import gradproof.errors, gradproof.formats", HEAVY + ENGINE),
        ("import gradproof_reports", HEAVY + ENGINE),
        ("import gradproof.cli", ("torch", "jax")),
        ("import gradproof.engine.property, gradproof.functions, gradproof.oracle", ("torch", "jax")),
        ("import gradproof_properties; gradproof_properties.properties()", ("torch", "jax")),
    ],
)
def test_an_import_loads_nothing_it_does_not_need(code: str, unwanted: tuple[str, ...]) -> None:
    loaded = loaded_by(code)
    assert any(name.startswith("gradproof") for name in loaded)
    assert not loaded & set(unwanted)


def test_a_heavy_import_would_be_seen() -> None:
    assert {"numpy", "gradproof.formats"} <= loaded_by("import gradproof.formats.arrays")


def test_no_framework_is_loaded_by_listing_the_public_names() -> None:
    code = "import gradproof\nfor name in gradproof.__all__: getattr(gradproof, name)"
    assert not loaded_by(code) & {"torch", "jax"}
