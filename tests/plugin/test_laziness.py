"""What the plugin costs a session that has nothing to do with it."""

from __future__ import annotations

import pytest

PLAIN = """
import sys

HEAVY = ("numpy", "hypothesis", "torch", "jax", "mpmath", "flint",
         "gradproof.engine", "gradproof.results", "gradproof.plugin.collecting")

def test_nothing_heavy_is_loaded(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("gradproof-recorder")
    assert [name for name in HEAVY if name in sys.modules] == []

def helper(x):
    return x
"""
AFTERWARDS = """
import sys

def pytest_unconfigure(config):
    loaded = [n for n in ("numpy", "hypothesis", "gradproof.engine", "gradproof.results") if n in sys.modules]
    print("loaded at the end:", loaded)
"""


def test_a_session_without_gradproof_items_loads_nothing_heavy(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(PLAIN)
    quiet.makeconftest(AFTERWARDS)
    result = quiet.runpytest_subprocess("-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["gradproof *: profile quick, contract stable", "loaded at the end: [[][]]"])
    result.stdout.no_fnmatch_line("*= gradproof =*")


def test_the_check_would_see_a_heavy_import(quiet: pytest.Pytester) -> None:
    quiet.makepyfile("import gradproof.engine.planning.plan\n" + PLAIN)
    result = quiet.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*'numpy'*"])
