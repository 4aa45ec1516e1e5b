"""A backend that is not here: skips with the reason, failures where it is required."""

from __future__ import annotations

import pytest

from gradproof.backends import Availability
from gradproof.backends.numpy.backend import NumpyBackend
from tests.plugin.sources import RELU, RIGHT, one_cell

TORCH = one_cell("return x").replace('backend="numpy"', 'backend="torch"')


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def availability(backend: str) -> Availability:
        return Availability(backend == "numpy:cpu", "torch has left")

    monkeypatch.setattr("gradproof.engine.planning.plan.availability", availability)


def test_every_cell_of_a_missing_backend_is_a_skip_with_the_reason(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=TORCH)
    result = quiet.runpytest("-rs", "--gradproof-device", "cpu")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["1 cell: 1 not-run", "SKIPPED [[]1[]] test_mine.py:*: not run: torch:cpu: torch has left"]
    )


def test_each_device_of_a_backend_has_its_cells(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(TORCH)
    result = quiet.runpytest("-v")
    result.stdout.fnmatch_lines(["*::relu-torch-cpu-float16-*SKIPPED*", "*::relu-torch-cuda-float16-*SKIPPED*"])


@pytest.mark.parametrize("required", ["torch", "torch:cpu"])
def test_a_required_backend_that_is_missing_fails_on_that_device_only(quiet: pytest.Pytester, required: str) -> None:
    quiet.makepyfile(TORCH)
    result = quiet.runpytest("--gradproof-require-backend", "numpy", "--gradproof-require-backend", required)
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["--gradproof-require-backend: torch:cpu is required, but it cannot run here: torch has left"]
    )


def test_a_required_backend_that_is_here_changes_nothing(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(RELU)
    quiet.runpytest("--gradproof-require-backend", "numpy").assert_outcomes(passed=4)


def test_a_mark_may_name_the_device(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(TORCH.replace('"torch"', '"torch:cuda"'))
    result = quiet.runpytest("-v", "--gradproof-require-backend", "torch:cuda")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*::relu-torch-cuda-float16-order0-accuracy FAILED*"])


@pytest.mark.parametrize(
    ("required", "outcome"), [((), "skipped"), (("--gradproof-require-backend", "numpy"), "failed")]
)
def test_a_required_backend_without_the_compiler_of_a_mode_fails(
    quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, required: tuple[str, ...], outcome: str
) -> None:
    monkeypatch.setattr(NumpyBackend, "modes", ("eager", "compiled"))
    monkeypatch.setattr(
        NumpyBackend, "mode_availability", lambda self, mode: Availability(mode == "eager", "the compiler has left")
    )
    quiet.makepyfile(test_mine=one_cell(RIGHT, more='modes=["eager", "compiled"]'))
    result = quiet.runpytest("-rs", *required)
    result.assert_outcomes(passed=1, **{outcome: 1})
    text = {
        "skipped": "*not run: numpy:cpu: the compiler has left",
        "failed": "*numpy:cpu is required, but the mode compiled cannot run here: the compiler has left",
    }
    result.stdout.fnmatch_lines([text[outcome]])
