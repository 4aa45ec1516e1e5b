"""The pytest hooks of gradproof, loaded by every session of an environment that has it.

Nothing heavy is imported here: no NumPy, no Hypothesis, no engine. A function under the marker ``gradproof``
(or registered with ``gradproof.implements``) loads the rest, through ``gradproof.plugin.collecting``.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from gradproof._version import __version__
from gradproof.plugin.options import UNDECIDED, Options, add_options
from gradproof.plugin.recorder import Recorder

MARKER = (
    "gradproof(function, *, backend, params=None, derivative=None, formats=None, orders=None, "
    "properties=None, modes=None, contract=None, profile=None, name=None, known=None): check an implementation of a "
    "function, one item per cell"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options, all under ``--gradproof-``."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and start recording verdicts."""
    config.addinivalue_line("markers", MARKER)
    undecided = config.getini("gradproof_undecided")
    if undecided not in UNDECIDED:
        raise pytest.UsageError(f"gradproof_undecided: expected fail, skip or pass, got {undecided!r}")
    _check_files(Options(config))
    config.pluginmanager.register(Recorder(config), "gradproof-recorder")
    # Before Hypothesis' own plugin looks the profile up, and only for those who ask for one of ours.
    if str(config.getoption("--hypothesis-profile", None) or "").startswith("gradproof-"):
        from gradproof.plugin.profiles import register_profiles

        register_profiles()


def _check_files(options: Options) -> None:
    """Refuse what cannot be written before anything is judged; only a session that wants a report looks closer."""
    try:
        wanted = any(name != "json" for name, _ in options.files)
    except ValueError as fault:
        raise pytest.UsageError(str(fault)) from None
    if wanted:
        from gradproof.plugin.outputs import check_files

        check_files(options)


def pytest_report_header(config: pytest.Config) -> str:
    """Version and profile."""
    options = Options(config)
    return (
        f"gradproof {__version__}: profile {options.single('profile').value}, "
        f"contract {options.single('contract').value}"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> pytest.Collector | list[pytest.Collector] | None:
    """Take over the functions that are gradproof's, whatever they are called."""
    if not (_is_marked(obj) or _is_registered(collector, obj)):
        return None
    from gradproof.plugin.collecting import collector_of

    made = collector_of(collector, name, obj)
    return [] if made is None else made


@pytest.fixture
def gradproof_check(request: pytest.FixtureRequest) -> Any:
    """Check a callable that a test makes: call it with the function's name, the callable, and the marker's arguments.

    Fails the test with the certificate of every failing cell; returns the cells.
    """
    from gradproof.plugin.checking import Checker

    checker = Checker(request.node)
    request.node.gradproof_finish = checker.gradproof_finish
    return checker


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let an item of gradproof put its verdict into its report."""
    report = yield
    finish = getattr(item, "gradproof_finish", None)
    if finish is not None:
        finish(report)
    return report


def _is_marked(obj: object) -> bool:
    # Read from __dict__: getattr would wake objects that invent attributes (mocks, lazy modules).
    own = getattr(obj, "__dict__", None)
    marks: Any = own.get("pytestmark") if isinstance(own, Mapping) else None
    return isinstance(marks, list) and callable(obj) and any(m.name == "gradproof" for m in marks)


def _is_registered(collector: pytest.Module | pytest.Class, obj: object) -> bool:
    engine = sys.modules.get("gradproof.engine.declared.implementations")
    if engine is None or not isinstance(collector, pytest.Module):
        return False
    if not engine.is_registered(obj):
        return False
    return bool(collector.config.getini("gradproof_collect_implements"))
