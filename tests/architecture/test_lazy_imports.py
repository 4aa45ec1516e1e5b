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
        ("import gradproof.extend", (*HEAVY, *ENGINE, "click", "rich", "jsonschema")),
        ("from gradproof.extend import Cell, RunResult, claim_verdicts, visible, write_text", HEAVY + ENGINE),
        ("from gradproof.extend import Backend, Format, Probe, Property, arrays", ("torch", "jax")),
        ("import gradproof.plugin.pytest_plugin", HEAVY + ENGINE),
        ("import gradproof.results.model", HEAVY + ENGINE),
        ("import gradproof.errors, gradproof.formats", HEAVY + ENGINE),
        ("import gradproof_reports", HEAVY + ENGINE),
        ("import gradproof.cli", ("torch", "jax")),
        ("import gradproof.engine.properties.property, gradproof.functions, gradproof.oracle", ("torch", "jax")),
        ("import gradproof_properties; gradproof_properties.properties()", ("torch", "jax")),
    ],
)
def test_an_import_loads_nothing_it_does_not_need(code: str, unwanted: tuple[str, ...]) -> None:
    loaded = loaded_by(code)
    assert any(name.startswith("gradproof") for name in loaded)
    assert not loaded & set(unwanted)


def test_a_heavy_import_would_be_seen() -> None:
    assert {"numpy", "gradproof.formats"} <= loaded_by("import gradproof.formats.arrays")


@pytest.mark.parametrize("module", ["gradproof", "gradproof.extend"])
def test_no_framework_is_loaded_by_listing_the_public_names(module: str) -> None:
    code = f"import {module} as public\nfor name in public.__all__: getattr(public, name)"
    assert not loaded_by(code) & {"torch", "jax"}
