"""Finding backends: the built-in ones and those of the entry-point group ``gradproof.backends``.

A third party registers ``name = "module:Class"`` with Class a subclass of ``Backend`` whose ``name`` is the
entry point's. GRADPROOF_NO_PLUGINS=1 switches these off. No framework is imported before a backend is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Final

from gradproof.backends.base import Availability, Backend
from gradproof.entry_points import REMEDY, described, enabled_entry_points, loaded
from gradproof.errors import BackendUnavailable, UsageError
from gradproof.spelling import backend_spelled, suggestion

GROUP: Final = "gradproof.backends"

_BUILT_IN: Final = {
    "numpy": "gradproof.backends.numpy.backend:NumpyBackend",
    "torch": "gradproof.backends.torch.backend:TorchBackend",
    "jax": "gradproof.backends.jax.backend:JaxBackend",
    "libdevice": "gradproof.backends.libdevice.backend:LibdeviceBackend",
}
_ELSEWHERE: Final = {
    "bits": "gradproof.backends.bits:BitsBackend",
    "triton": "gradproof.backends.triton.backend:TritonBackend",
}
"""Backends without kernels of their own: they are named by implementations, and never part of what is installed."""


@cache
def available_backends() -> dict[str, type[Backend]]:
    """Every backend class known here by name, built-in ones first, whether or not it can run.

    Raises UsageError for an entry point that offers something else than a backend, or a taken name.
    """
    found: dict[str, type[Backend]] = {}
    for name, target in _BUILT_IN.items():
        found[name] = _imported(target)
    for point in enabled_entry_points(GROUP):
        if _BUILT_IN.get(point.name) == point.value:
            continue
        if point.name in found or point.name in _ELSEWHERE:
            raise UsageError(f"{described(point)} offers a second backend of that name; {REMEDY}")
        offered = loaded(point)
        if not (isinstance(offered, type) and issubclass(offered, Backend)):
            raise UsageError(f"{described(point)} must be a subclass of gradproof.Backend, got {offered!r}; {REMEDY}")
        if offered.name != point.name:
            raise UsageError(
                f"{described(point)} must carry its backend's name; the class says name={offered.name!r}; {REMEDY}"
            )
        found[point.name] = offered
    return found


def _imported(target: str) -> type[Backend]:
    module, _, attribute = target.partition(":")
    found: type[Backend] = getattr(import_module(module), attribute)
    return found


@cache
def elsewhere() -> dict[str, type[Backend]]:
    """The backends by name whose implementations compute somewhere else, and which have none of their own."""
    return {name: _imported(target) for name, target in _ELSEWHERE.items()}


def backend_ids() -> tuple[str, ...]:
    """``name:device`` of every backend and device known here, whether or not it can run."""
    return _ids(available_backends())


def elsewhere_ids() -> tuple[str, ...]:
    """The same of ``elsewhere``."""
    return _ids(elsewhere())


def _ids(kinds: Mapping[str, type[Backend]]) -> tuple[str, ...]:
    return tuple(f"{name}:{device}" for name, kind in kinds.items() for device in kind.devices)


def split_id(backend: str) -> tuple[type[Backend], str]:
    """Class and device of ``torch:cuda``, in any case, or ``PyTorch:GPU``; without a device, the backend's first.

    Raises UsageError with a suggestion for an unknown name or device.
    """
    kinds = {**available_backends(), **elsewhere()}
    named = backend_spelled(backend, kinds)
    name, _, device = named.partition(":")
    if not is_known(named):
        known = backend_ids()
        near = suggestion(backend, [*kinds, *known, *elsewhere_ids()])
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
        raise UsageError(f"unknown backend {backend!r}; {hint}")
    return kinds[name], device or kinds[name].devices[0]


def is_known(backend: str) -> bool:
    """Whether ``name`` or ``name:device`` may name a backend here, installed or not."""
    name, colon, device = backend.partition(":")
    kind = {**available_backends(), **elsewhere()}.get(name)
    return kind is not None and (not colon or kind.takes_device(device))


def availability(backend: str) -> Availability:
    """Whether ``torch:cpu`` and the like can be used here, and if not, why; UsageError for an unknown one."""
    kind, device = split_id(backend)
    return _availability(kind, device)


@cache
def _availability(kind: type[Backend], device: str) -> Availability:
    return kind.availability(device)


def get_backend(backend: str) -> Backend:
    """The backend ``torch:cuda``, made once per process.

    Raises UsageError for an unknown name, BackendUnavailable with the reason where it cannot run.
    """
    kind, device = split_id(backend)
    return _made(kind, device)


@cache
def _made(kind: type[Backend], device: str) -> Backend:
    state = _availability(kind, device)
    if not state.available:
        raise BackendUnavailable(f"{kind.name}:{device}: {state.reason}")
    try:
        return kind(device)
    except (ImportError, OSError, RuntimeError) as error:  # broken installations raise all three
        raise BackendUnavailable(f"{kind.name}:{device} is installed but does not start: {error}") from error
