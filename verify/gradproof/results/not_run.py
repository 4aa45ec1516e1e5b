"""Why a cell was not run: programs ask ``NotRun``, people read what ``worded`` makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class NotRun(StrEnum):
    """The reasons for which a planned cell has no verdict."""

    MISSING_BACKEND = "missing-backend"
    MISSING_COMPILER = "missing-compiler"
    LEFT_TO_DEFAULT = "left-to-default"
    DEADLINE = "deadline"
    INTERRUPTED = "interrupted"
    GAVE_UP = "gave-up"
    SKIPPED = "skipped"


_WORDS: Final = {
    NotRun.MISSING_BACKEND: "{}",
    NotRun.MISSING_COMPILER: "{}",
    NotRun.LEFT_TO_DEFAULT: "left to the default profile: whole networks are compiled anew for every format; "
    "name the property or the format to have it in quick",
    NotRun.DEADLINE: "not reached within --max-seconds {}",
    NotRun.INTERRUPTED: "not reached: the run was interrupted{}",
    NotRun.GAVE_UP: "{} hung in an earlier cell, or its process ended there or could not go on; "
    "it was not called again",
    NotRun.SKIPPED: "{}",
}


def worded(why: NotRun, subject: object = "") -> str:
    """The reason in words; ``subject`` is what was missing, what gave up, or how many seconds there were."""
    return _WORDS[why].format(subject)
