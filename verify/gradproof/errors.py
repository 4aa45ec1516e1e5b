"""The errors that gradproof raises at its boundary. Each says what was expected, what came, what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class GradproofError(Exception):
    """Base of every error that gradproof raises on purpose."""


class UsageError(GradproofError):
    """The caller asked for something that cannot be: an unknown name, a value out of range, a bad file."""


class WriteError(GradproofError):
    """A file could not be written although its place is the right one, as on a full disk; ``why`` is the reason."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class BackendUnavailable(GradproofError):
    """A backend or device that was asked for is not here; the message is the reason."""


class GradproofWarning(UserWarning):
    """What a user should know and need not act on: shown once as one line, whichever process it comes from."""


class ChangedOnImport(GradproofWarning):
    """An import changed names of a framework, and everything is judged with that."""


class CacheWarning(GradproofWarning):
    """A cached table was damaged and computed anew, or tables cannot be kept; results are the same without."""


class OracleDisagreement(GradproofError):
    """The two oracle routes contradict each other: an error of the run, never a verdict."""


class Unsupported(GradproofError):
    """The backend or the implementation does not offer this (format, order, path); the message says why."""


class Fault(StrEnum):
    """What ends a check without a number: ``measured["fault"]`` of a cell that is an ``error``."""

    RAISED = "raised"
    WRONG_TYPE = "wrong-type"
    WRONG_SHAPE = "wrong-shape"
    WRONG_FORMAT = "wrong-format"
    WRONG_DEVICE = "wrong-device"
    WROTE_INPUT = "wrote-input"
    CHANGED_SETTINGS = "changed-settings"
    CHANGED_PROCESS = "changed-process"
    """So that the process cannot go on."""
    CHANGED_FILE = "changed-file"
    TIMED_OUT = "timed-out"
    CRASHED = "crashed"
    DEFINITION = "definition"
    """The oracle cannot evaluate the user's definition of the function."""
    INTERNAL = "internal"
    """gradproof's own, or a property's; no fault of the implementation."""


class ImplementationFault(GradproofError):
    """An implementation broke its contract; ``kind`` is a ``Fault``, but neither ``definition`` nor ``internal``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[ImplementationFault], tuple[str, str]]:
        return type(self), (self.kind, str(self))


SPOILING: Final = (Fault.TIMED_OUT, Fault.CHANGED_PROCESS)
"""Kinds of faults after which a process is not used again: an import cut short would be another's fault later."""


def is_ours(error: BaseException) -> bool:
    """Whether gradproof raised ``error``: a user's code may raise errors of our types too.

    It is told from where it was raised; call it where the error has been caught.
    """
    if not isinstance(error, GradproofError):
        return False
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0] in _OURS


_OURS: Final = ("gradproof", "gradproof_properties")
