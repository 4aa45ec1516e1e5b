"""What the whole suite shares: which tests need a framework, and reproducible Hypothesis runs.

``--framework NAME`` runs what a backend is tested with and no more: the tests marked ``framework(NAME)``,
those in files named after it (``test_torch_*.py``), and those whose parameter ``backend`` is ``NAME`` or
``NAME:device``. The framework must then be installed, so that nothing is skipped by mistake.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

FRAMEWORKS = ("numpy", "torch", "jax")

pytest_plugins = ["pytester"]

settings.register_profile(
    "suite",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--framework",
        choices=FRAMEWORKS,
        help="run only the tests of this framework's backend; it must be installed",
    )


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--framework")
    if wanted and importlib.util.find_spec(wanted) is None:
        raise pytest.UsageError(f"--framework {wanted}: {wanted} is not installed in this environment")
    _keep_out_of_the_users_cache(config)
    _be_strict_in_child_processes(config)


def _be_strict_in_child_processes(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    folder = str(pathlib.Path(__file__).with_name("child_processes"))
    before = os.environ.get("PYTHONPATH")
    _set_for_the_session(config, "PYTHONPATH", folder + (os.pathsep + before if before else ""))


def _keep_out_of_the_users_cache(config: pytest.Config) -> None:
    """Give the session a folder of its own for the oracle's tables, shared with xdist's workers and child processes."""
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.mkdtemp(prefix="gradproof-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    _set_for_the_session(config, "GRADPROOF_CACHE_DIR", folder)


def _set_for_the_session(config: pytest.Config, name: str, value: str) -> None:
    before = os.environ.get(name)

    def restore() -> None:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before

    os.environ[name] = value
    config.add_cleanup(restore)


def needed_by(item: pytest.Item) -> set[str]:
    """The frameworks that a test is about: marked, parametrised, or named by its file."""
    needed = {mark.args[0] for mark in item.iter_markers("framework")}
    parameters = getattr(item, "callspec", None)
    words = set(re.split(r"\W+|_", item.path.stem))
    if parameters:
        words.add(str(parameters.params.get("backend", "")).partition(":")[0])
    return needed | (words & set(FRAMEWORKS))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--framework")
    if wanted:
        others = [item for item in items if wanted not in needed_by(item)]
        items[:] = [item for item in items if wanted in needed_by(item)]
        config.hook.pytest_deselected(items=others)


@pytest.fixture(autouse=True)
def _framework(request: pytest.FixtureRequest) -> None:
    """Skip, with the reason, a test whose framework is not installed."""
    for name in sorted(needed_by(request.node)):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
