"""The state of the process and of the processor that a call must leave as it found it, whatever the framework.

Arithmetic is the floor that everything stands on here: an oracle whose sums round upwards, or in a process that
flushes subnormal numbers, proves nothing. So that is a fault; what only other callables would notice (the precision
of mpmath and decimal, filters of warnings, the current folder) is put back without a word.
"""

from __future__ import annotations

import contextlib
import ctypes
import decimal
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.backends.namespaces import names_kept
from gradproof.backends.settings import FrameworkSetting, settings_kept

_HALF, _LARGE, _LEAST_NORMAL, _LEAST = 0.5, 2.0**600, 2.0**-1022, 2.0**-1074
_ONE, _TINY = 1.0, 2.0**-60

_ROOM: Final = 512
"""Bytes for a C fenv_t; 32 on x86-64."""


@dataclass(frozen=True)
class FloatingPoint:
    """How this thread rounds, what it does with subnormal numbers, and what C knows of it to put it back."""

    rounding: str
    flushes_results: bool
    zeros_inputs: bool
    kept: bytes | None = field(compare=False, repr=False)

    def __str__(self) -> str:
        flushing = (", flushing subnormal results" * self.flushes_results) + (
            ", reading subnormal inputs as 0" * self.zeros_inputs
        )
        return f"rounding {self.rounding}{flushing}"


def floating_point() -> FloatingPoint:
    """The floating-point environment of this thread, as it acts."""
    rounding = "to nearest"
    if _ONE + _TINY > _ONE:
        rounding = "upward"
    elif _ONE - _TINY < _ONE:
        rounding = "downward" if -_ONE - _TINY < -_ONE else "toward zero"
    zeros = _LEAST * _LARGE == 0
    flushes = _bits(_LEAST_NORMAL * _HALF) == 0
    return FloatingPoint(rounding, flushes, zeros, _kept())


def _bits(value: float) -> int:
    return int.from_bytes(ctypes.c_double(value), sys.byteorder)


def _kept() -> bytes | None:
    if _C is None:
        return None
    _C.fegetenv(_BUFFER)
    return bytes(_BUFFER.raw)


def put_floating_point(before: FloatingPoint) -> None:
    """Put the environment of this thread back, where C can."""
    if _C is not None and before.kept is not None:
        _C.fesetenv(ctypes.create_string_buffer(before.kept, _ROOM))


def _c_library() -> Any:
    for name in (None, "libm.so.6"):
        with contextlib.suppress(OSError, AttributeError, TypeError):
            library = ctypes.CDLL(name)
            _ = library.fegetenv, library.fesetenv
            return library
    return None


_C: Final = _c_library()
_BUFFER: Final = ctypes.create_string_buffer(_ROOM)


FAULTS: Final = {
    "the floating-point environment": FrameworkSetting(floating_point, put_floating_point),
    "NumPy's error handling": FrameworkSetting(np.geterr, lambda before: np.seterr(**before)),
}
"""State in words -> how it is read and put back; a call that changes it is at fault."""


@contextlib.contextmanager
def arithmetic_kept(what: str) -> Iterator[None]:
    """Put back what the block changes in how this process calculates, and warn of it; ``what`` names the block."""
    before = {name: setting.get() for name, setting in FAULTS.items()}
    try:
        yield
    finally:
        for name, setting in FAULTS.items():
            if (after := setting.get()) != before[name]:
                setting.put(before[name])
                warnings.warn(
                    f"{what} changed {name} to {after}; it is {before[name]} again", RuntimeWarning, stacklevel=2
                )


@contextlib.contextmanager
def state_kept(implementation: Implementation, settings: Mapping[str, FrameworkSetting]) -> Iterator[None]:
    """Around calls of a user's implementation: the process is afterwards as it was, in so far as later calls can tell.

    ``settings`` are those of the framework. Raises the faults ``changed-settings`` and ``changed-process``. It takes
    some 60 microseconds.
    """
    before = [setting.get() for setting in QUIET]
    try:
        # Names first: what puts the rest back rests on them.
        with settings_kept(implementation, FAULTS | dict(settings)), names_kept(implementation.name):
            yield
    finally:
        for setting, value in zip(QUIET, before, strict=True):
            if setting.get() != value:
                setting.put(value)


def _put_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]  # typeshed calls it a sequence
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it is gone
        return ""


def _put_folder(before: str) -> None:
    with contextlib.suppress(OSError):
        os.chdir(before)


def _precision(package: str, context: str) -> FrameworkSetting:
    """The working precision of a package, once something has imported it."""

    def get() -> int | None:
        module = sys.modules.get(package)
        return None if module is None else int(getattr(module, context).prec)

    def put(before: int | None) -> None:
        if before is not None:
            getattr(sys.modules[package], context).prec = before

    return FrameworkSetting(get, put)


QUIET: Final = (
    FrameworkSetting(lambda: list(warnings.filters), _put_filters),
    FrameworkSetting(
        lambda: decimal.getcontext().copy(), decimal.setcontext
    ),  # no two are equal: it is always put back
    FrameworkSetting(sys.getrecursionlimit, sys.setrecursionlimit),
    FrameworkSetting(_folder, _put_folder),
    _precision("mpmath", "mp"),
    _precision("flint", "ctx"),
)
"""What a call may change as far as its author is concerned, and the next callable must not meet."""
