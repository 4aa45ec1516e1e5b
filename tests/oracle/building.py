"""A small synthetic table, and a process that builds it and may be killed at a chosen moment.

    python -m tests.oracle.building MOMENT [FOLDER]

builds the table in $GRADPROOF_CACHE_DIR and kills itself at MOMENT; see ``MOMENTS``.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.functions import Function
from gradproof.oracle import Reference, tables

TINY = Format("tiny", "t8", 8, 4)
"""256 bit patterns, so that a table takes 23 kB."""
SAMPLE = Function("sample", (lambda m, x: m.tanh(x),), limits=((-1, 0, 0), (1, 0, 0)))
ROUNDS = 200


def made(fmt: Format = TINY, seed: int = 0) -> list[Reference]:
    """Three references of arbitrary content, the same for each seed."""
    rng = np.random.default_rng(seed)
    n = 1 << fmt.width
    return [
        Reference(
            rng.uniform(-1, 1, n), rng.uniform(-1, 1, n) * 2.0**-53, rng.integers(-8192, 8193, n),
            rng.exponential(1, n), rng.integers(-8192, 8193, n), rng.integers(0, n, n).astype(fa.storage(fmt)),
            rng.integers(0, 5, n).astype(np.uint8), rng.integers(0, 4, n).astype(np.uint8),
        )
        for _ in range(3)
    ]  # fmt: skip


def same(a: list[Reference], b: list[Reference]) -> bool:
    """Whether two tables agree in every bit, and in their types."""
    fields = [(getattr(x, f), getattr(y, f)) for x, y in zip(a, b, strict=True) for f in vars(x)]
    return all(p.dtype == q.dtype and p.shape == q.shape and p.tobytes() == q.tobytes() for p, q in fields)


def sample() -> list[Reference]:
    """The table of SAMPLE, from disk or built."""
    return tables.table(SAMPLE, TINY, made)


def die(*_: object) -> None:
    """End this process at once, as the kernel or an administrator would."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_build() -> None:
    """In the middle of the computation."""
    tables.table(SAMPLE, TINY, die)  # type: ignore[arg-type]


def die_half_written() -> None:
    """When half of the bytes are in the file: the kernel kills a process that passes its limit."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    sample()


def die_before_sync() -> None:
    """When all is written and nothing synchronised."""
    os.fsync = die
    sample()


def die_before_replace() -> None:
    """When the temporary file is whole and not yet in its place."""
    Path.replace = die  # type: ignore[assignment, method-assign]
    sample()


def die_after_replace() -> None:
    """When the file is in its place and nothing tidied."""
    replace = Path.replace

    def replace_and_die(self: Path, target: Path) -> Path:
        replace(self, target)
        die()
        return target

    Path.replace = replace_and_die  # type: ignore[assignment, method-assign]
    sample()


def write_on() -> None:
    """Write the table again and again, until somebody kills this process."""
    print("ready", flush=True)
    while True:
        sample()
        forget()


def share() -> None:
    """Build, read and delete beside others; exit 1 for a table that is not right in every bit."""
    print("ready", flush=True)
    go = Path(sys.argv[2])
    while not go.exists():
        time.sleep(0.002)
    for k in range(ROUNDS):
        if not same(sample(), made()):
            sys.exit(1)
        if k % 3 == 0:
            forget()


def forget() -> None:
    """Delete what is stored."""
    for file in Path(os.environ["GRADPROOF_CACHE_DIR"], "tables").glob("*.table"):
        file.unlink(missing_ok=True)


MOMENTS = {
    f.__name__: f for f in (die_in_build, die_half_written, die_before_sync, die_before_replace, die_after_replace)
}

if __name__ == "__main__":
    (MOMENTS | {"write_on": write_on, "share": share})[sys.argv[1]]()
