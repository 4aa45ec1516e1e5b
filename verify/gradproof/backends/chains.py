"""The reverse pass of a chain ``h[k+1] = f(w[k] h[k])``, for every depth at once.

The derivative of ``h[k+1]`` by ``h[0]`` in reverse mode starts with 1 at step k and is pulled back through
steps k, k-1, ..., 0. The passes of different depths are independent and elementwise, so they run as rows of
one array: as many pull-backs as there are steps, each with the operations and the order a pass of its own
would have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

A = TypeVar("A")


def reverse_passes(depth: int, ones: A, pull: Callable[[int, A], A], start: Callable[[A, int], A]) -> A:
    """Cotangents of shape (depth, n) after the pass; row k is ``d h[k+1] / d h[0]``.

    ``pull(k, rows)`` pulls every row back through step k. ``start(rows, k)`` returns ``rows`` with row k
    set to 1. Rows whose pass has not begun carry numbers that ``start`` overwrites.
    """
    rows = ones
    for k in reversed(range(depth)):
        rows = pull(k, start(rows, k))
    return rows


def rows_of(values: Any, depth: int) -> list[Any]:
    """The rows of an array of shape (depth, n) as a list."""
    return [values[k] for k in range(depth)]
