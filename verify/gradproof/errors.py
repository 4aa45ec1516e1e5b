"""The errors that gradproof raises at its boundary. Each says what was expected, what came, what to do."""

from __future__ import annotations


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


class CacheWarning(UserWarning):
    """A cached table was damaged and computed anew, or tables cannot be kept; results are the same without."""


class OracleDisagreement(GradproofError):
    """The two oracle routes contradict each other: an error of the run, never a verdict."""


class Unsupported(GradproofError):
    """The backend or the implementation does not offer this (format, order, path); the message says why."""


class ImplementationFault(GradproofError):
    """An implementation broke its contract.

    ``kind`` is one of ``raised``, ``wrong-type``, ``wrong-shape``, ``wrong-format``, ``wrong-device``,
    ``wrote-input``, ``changed-settings``, ``timed-out``, ``crashed``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
