"""Holding an implementation to its contract: what may go in, what must come out, and what an exception means.

Shared by every backend. The fault kinds are those of ``gradproof.errors.ImplementationFault``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.errors import ImplementationFault, Unsupported, is_ours
from gradproof.formats import Format, get_format
from gradproof.formats.arrays import Bits, round_by_quantum, values

T = TypeVar("T")
Missing = Callable[[BaseException], bool]
"""Whether an exception says that the framework lacks a kernel or a derivative."""

ORDINAL = ("the value", "the first derivative", "the second derivative")


def check_offered(implementation: Implementation, fmt: Format, order: int) -> None:
    """Raise Unsupported for a format that the implementation does not claim, or an order nobody offers."""
    if implementation.formats is not None and fmt.name not in implementation.formats:
        claimed = ", ".join(implementation.formats)
        raise Unsupported(f"{implementation.name} claims {claimed} only, not {fmt.name}")
    if order not in (0, 1, 2):
        raise Unsupported(f"order {order} is not offered; expected 0, 1 or 2")


def handed_in(implementation: Implementation, order: int) -> Implementation:
    """What was handed in for f^(order), as an implementation that faults can name; itself for order 0.

    Raises Unsupported where the hand-in does not go that far.
    """
    if order == 0:
        return implementation
    given = len(implementation.derivatives)
    if order > given:
        reason = (
            "no derivative= was handed in"
            if given == 0
            else f"derivative= covers order {given} only; hand in a pair (f', f'') for order 2"
        )
        raise Unsupported(f"{ORDINAL[order]} of {implementation.name}: {reason}")
    name = f"derivative {order} of {implementation.name}"
    return replace(implementation, name=name, call=implementation.derivatives[order - 1], derivatives=(), variants={})


def called(implementation: Implementation, call: Callable[[Any], Any], x: Any, missing: Missing) -> Any:
    """``call(x)``, its exceptions translated: Unsupported where ``missing`` says so, a fault otherwise.

    The faults that gradproof itself finds pass through, and an interrupt by the user; a SystemExit would end the run,
    so it does not, and neither does an error of gradproof's that the callable raises.
    """
    try:
        return call(x)
    except KeyboardInterrupt as error:
        if _interruptible():
            raise
        raised(implementation, error)
    except (Exception, SystemExit, GeneratorExit) as error:
        if found(error):
            raise
        if missing(error):
            raise Unsupported(f"{implementation.name}: {error_text(error)}") from error
        raised(implementation, error)


def found(error: BaseException) -> bool:
    """Whether an exception out of a call is gradproof's verdict on it, and not something that the callable raised."""
    return isinstance(error, ImplementationFault | Unsupported) and is_ours(error)


def _interruptible() -> bool:
    """Whether Ctrl-C reaches this process; in a worker it does not, and what looks like it comes from the callable."""
    return not hasattr(signal, "pthread_sigmask") or signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def unless_user(implementation: Implementation, missing: Missing) -> Missing:
    """``missing`` for a framework's own function; never for a user's, whose exceptions are its faults."""
    return lambda error: not implementation.user and missing(error)


def differentiated(implementation: Implementation, order: int, action: Callable[[], T], missing: Missing) -> T:
    """``action()``, which runs the framework's AD over the implementation, its exceptions translated.

    A derivative that the framework lacks is Unsupported whoever wrote the function: its author did not raise.
    """
    try:
        return action()
    except (Exception, SystemExit) as error:
        if found(error):
            raise
        refused(implementation, order, error, missing)


def refused(implementation: Implementation, order: int, error: BaseException, missing: Missing) -> NoReturn:
    """Raise what an exception met in deriving the implementation means: Unsupported, or its fault."""
    if missing(error):
        raise Unsupported(f"{ORDINAL[order]} of {implementation.name}: {error_text(error)}") from error
    raised(implementation, error)


def raised(implementation: Implementation, error: BaseException) -> NoReturn:
    """Raise the fault of an implementation that raised ``error``."""
    raise ImplementationFault("raised", f"{implementation.name} raised {error_text(error)}") from error


def error_text(error: BaseException) -> str:
    """Type and message of an exception on one line, cut at 300 characters."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def wrong(kind: str, implementation: Implementation, what: str, expected: str, got: str) -> ImplementationFault:
    """The fault of a result that is not what the contract says; the caller raises it."""
    return ImplementationFault(
        kind,
        f"{implementation.name} returned {what} {got}, expected {expected}: "
        "one result per input, in the input's format and on its device",
    )


def check_shape(implementation: Implementation, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise the fault ``wrong-shape`` when the shapes differ."""
    if tuple(got) != tuple(expected):
        raise wrong("wrong-shape", implementation, "shape", str(tuple(expected)), str(tuple(got)))


def check_format(implementation: Implementation, got: Any, expected: Any, dtypes: Callable[[Format], Any]) -> None:
    """Raise the fault ``wrong-format`` when a result's dtype is neither the input's nor a conversion's target.

    ``dtypes`` gives the framework's dtype of a format.
    """
    if got == expected:
        return
    target = implementation.narrows_to
    if target is None:
        raise wrong("wrong-format", implementation, "dtype", str(expected), str(got))
    narrow = dtypes(get_format(target))
    if got != narrow:
        raise wrong("wrong-format", implementation, "dtype", f"{expected} or {narrow}", str(got))


def result_bits(
    implementation: Implementation, results: T, kept: bool, fmt: Format, bits_of: Callable[[T, Format], Bits]
) -> Bits:
    """The bits in ``fmt`` of results that ``kept`` the input's type; ``bits_of`` reads an array in its own format.

    What a conversion returns in its target format is widened here, exactly: a framework might flush on the way.
    """
    target = implementation.narrows_to
    if target is None or kept:
        return bits_of(results, fmt)
    narrow = get_format(target)
    return round_by_quantum(values(bits_of(results, narrow), narrow), fmt)


def check_unchanged(implementation: Implementation, before: Bits, after: Bits) -> None:
    """Raise the fault ``wrote-input`` when the input's bits, or its shape, have changed."""
    if before.shape != after.shape:
        raise ImplementationFault(
            "wrote-input",
            f"{implementation.name} changed its input: the shape was {before.shape}, is {after.shape} after the call; "
            "return a new array instead",
        )
    if not np.array_equal(before, after):
        before, after = before.ravel(), after.ravel()
        at = int(np.flatnonzero(before != after)[0])
        raise ImplementationFault(
            "wrote-input",
            f"{implementation.name} wrote into its input: element {at} was {int(before[at]):#x}, "
            f"is {int(after[at]):#x} after the call; return a new array instead",
        )
