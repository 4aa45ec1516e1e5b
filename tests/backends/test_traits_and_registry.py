"""Probed flushing, and finding backends by name."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from gradproof.backends import Traits, availability, available_backends, backend_ids, get_backend, registry
from gradproof.backends import traits as probing
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.errors import BackendUnavailable, UsageError
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa


def product(a: fa.Floats, b: fa.Floats, fmt: Format, *, ftz: bool, daz: bool, first: int) -> fa.Bits:
    """Exact products with chosen flushing from element ``first`` on."""
    least = float(fmt.min_normal)
    a = a.copy()
    if daz:
        a[first:][np.abs(a[first:]) < least] = 0.0
    out = fa.values(fa.round_values(a * b, fmt), fmt).copy()
    if ftz:
        out[first:][np.abs(out[first:]) < least] = 0.0
    return fa.round_values(out, fmt)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("ftz", [False, True])
@pytest.mark.parametrize("daz", [False, True])
def test_the_probe_tells_flushed_results_from_flushed_inputs(fmt: Format, ftz: bool, daz: bool) -> None:
    """Flushing that starts beyond the part a first thread would take is seen as well."""

    def multiply(a: fa.Bits, b: fa.Bits) -> fa.Bits:
        return product(fa.values(a, fmt), fa.values(b, fmt), fmt, ftz=ftz, daz=daz, first=1 << 17)

    assert probing.probe(multiply, fmt) == Traits(flushes_results=ftz, zeros_inputs=daz)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_float16_is_not_flushed_and_traits_are_kept(backend: str) -> None:
    made = get_backend(backend)
    traits = made.traits(FORMATS["float16"])
    assert traits == Traits(flushes_results=False, zeros_inputs=False)
    assert made.traits(FORMATS["float16"]) is traits


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_versions_name_the_framework(backend: str) -> None:
    versions = get_backend(backend).versions()
    assert versions[backend] == __import__(backend).__version__
    assert all(isinstance(v, str) for v in versions.values())


def test_the_built_in_backends_and_their_devices() -> None:
    assert backend_ids()[:5] == ("numpy:cpu", "torch:cpu", "torch:cuda", "jax:cpu", "jax:cuda")


def test_a_backend_is_made_once_and_knows_its_id() -> None:
    assert get_backend("numpy") is get_backend("numpy:cpu")
    assert get_backend("numpy").id == "numpy:cpu"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torhc", "did you mean 'torch'"),
        ("torch:cdua", "did you mean 'torch:cuda'"),
        ("numpy:cuda", "unknown backend 'numpy:cuda'"),
        ("zzzzzz", "known: numpy:cpu"),
        ("", "unknown backend ''"),
    ],
)
def test_an_unknown_backend_is_a_usage_error_with_a_hint(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        get_backend(name)


def test_a_missing_framework_is_unavailable_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    registry._availability.cache_clear()
    registry._made.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    try:
        assert "PyTorch is not installed" in availability("torch:cpu").reason
        with pytest.raises(BackendUnavailable, match=r"jax:cpu: JAX is not installed; pip install"):
            get_backend("jax")
    finally:
        registry._availability.cache_clear()
        registry._made.cache_clear()


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that these entry points are installed."""

    def install(*points: EntryPoint) -> None:
        monkeypatch.delenv("GRADPROOF_NO_PLUGINS", raising=False)
        found = {registry.GROUP: points}
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found.get(group, ()))
        available_backends.cache_clear()

    yield install
    available_backends.cache_clear()


class Mine(NumpyBackend.__base__):  # type: ignore[name-defined, misc]
    """A third party's backend, never made here."""

    name = "mine"
    devices = ("cpu", "tpu")


NOT_A_BACKEND = 7


def point(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{attribute}", registry.GROUP)


def test_a_third_party_backend_is_found_and_switched_off(offered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    offered(point("mine", "Mine"))
    assert available_backends()["mine"] is Mine
    assert "mine:tpu" in backend_ids()
    monkeypatch.setenv("GRADPROOF_NO_PLUGINS", "1")
    available_backends.cache_clear()
    assert "mine" not in available_backends()
    assert "numpy" in available_backends()


@pytest.mark.parametrize(
    ("name", "attribute", "words"),
    [
        ("mine", "NOT_A_BACKEND", "must be a subclass of .*Backend, got 7"),
        ("other", "Mine", "name='mine'"),
        ("numpy", "Mine", "second backend of that name"),
        ("mine", "Missing", "cannot be loaded"),
    ],
)
def test_a_broken_entry_point_is_named(offered: Any, name: str, attribute: str, words: str) -> None:
    offered(point(name, attribute))
    with pytest.raises(UsageError, match=words) as caught:
        available_backends()
    assert f"entry point {name!r}" in str(caught.value)


def test_no_framework_is_imported_before_a_backend_is_made() -> None:
    program = (
        "import sys, json\n"
        "import gradproof.backends as b\n"
        "b.available_backends(), b.backend_ids(), b.availability('torch:cpu'), b.availability('jax:cpu')\n"
        "b.get_backend('numpy').catalogue()\n"
        "print(json.dumps([m for m in ('torch', 'jax', 'jaxlib', 'scipy') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
