"""Properties of one's own as small functions: ``@gradproof.property``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from gradproof.backends.namespaces import names_kept
from gradproof.engine.properties.installed import define_property
from gradproof.engine.properties.property import Outcome, Property, Violations
from gradproof.engine.subject.probe import Probe
from gradproof.errors import Fault, ImplementationFault, UsageError, is_ours
from gradproof.execution.timelimit import time_limit
from gradproof.formats import arrays as fa
from gradproof.functions import Function
from gradproof.functions.registry import meant
from gradproof.measure.severity import LARGE_ERROR
from gradproof.names import World, caller_world
from gradproof.results.model import Evidence

Check = TypeVar("Check", bound=Callable[..., Any])
_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
EXTRAS = ("format", "params", "order", "function")
"""What a check may ask for by keyword beside the inputs and the results."""
BROKEN = 2.0
"""Error over bound of a claim of yes and no where the answer is no."""


def property(  # noqa: A001  the vocabulary's word, used as gp.property
    id: str,
    *,
    statement: str,
    functions: str | Function | Iterable[str | Function] | None = None,
    orders: int | Iterable[int] = (0,),
    source: str = "",
) -> Callable[[Check], Check]:
    """Declare a claim of your own: the decorated ``check(x, y)`` says where it holds.

    ``x`` are the inputs and ``y`` the implementation's f^(order)(x), float64 arrays of shape (n,), exact images of
    the numbers in the format: every bit pattern of a format of 16 bits or fewer; otherwise a spread with landmarks,
    the infinities and a NaN. The answer is a boolean array of shape (n,). A check may take ``format`` (its name),
    ``params`` (the function's, as floats), ``order`` and ``function`` (its name) by keyword. ``functions`` are those
    that the claim is about, as names or as what ``gradproof.function`` returned; all without it. Declaring an id again
    replaces it; a built-in id is refused.

    Raises UsageError for an id that is taken or no id, an empty statement, and a check of another signature. A check
    that raises or answers something else gives its cells the verdict ``error``. A claim that does not hold at an input
    is broken there by ``BROKEN``, whatever the result: a yes or no has no size. ``known(..., ceiling=)`` needs as much.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise UsageError(f"expected a property id of small letters, digits and '-', such as 'non-negative', got {id!r}")
    if not isinstance(statement, str) or not statement.strip(" ."):
        raise UsageError(f"property {id!r}: expected statement= as a sentence, got {statement!r}")
    about = _about(id, functions, caller_world())
    asked = (orders,) if isinstance(orders, int) else tuple(orders) if isinstance(orders, Iterable) else ()
    if not asked or any(order not in (0, 1, 2) for order in asked):
        raise UsageError(f"property {id!r}: expected orders= out of 0, 1, 2, got {orders!r}")

    def declare(check: Check) -> Check:
        kind = type(
            f"Own_{id.replace('-', '_')}",
            (_Own,),
            {
                "id": id, "title": statement.strip().rstrip("."), "statement": statement.strip(), "orders": asked,
                "source": source or "declared by the user", "__doc__": statement, "__module__": __name__,
            },
        )  # fmt: skip
        define_property(kind(check, about, _wanted(id, check)))
        return check

    return declare


def _about(id: str, functions: Any, world: World) -> frozenset[tuple[str, str | None]] | None:
    """Name and identity of each function that is given; None for an identity that is not known as yet.

    None for all functions. UsageError for an empty list and for what is no function.
    """
    if functions is None:
        return None
    listed = (functions,) if isinstance(functions, str | Function) else functions
    found = tuple(listed) if isinstance(listed, Iterable) else ()
    if not found or not all(isinstance(f, str | Function) for f in found):
        raise UsageError(f"property {id!r}: expected functions= as names or functions, at least one, got {functions!r}")
    return frozenset((f, _identity(f, world)) if isinstance(f, str) else (f.name, f.family) for f in found)


def _identity(name: str, world: World) -> str | None:
    try:
        return meant(name, (world,)).family
    except UsageError:  # another file defines it, or this one does later
        return None


def _wanted(id: str, check: Callable[..., Any]) -> tuple[str, ...]:
    """The keywords that a check takes; UsageError where it cannot be called with the inputs and the results."""
    if not callable(check):
        raise UsageError(f"property {id!r}: expected a function check(x, y), got {check!r}")
    try:
        signature = inspect.signature(check)
    except ValueError:
        return ()
    wanted = tuple(name for name in EXTRAS if name in signature.parameters)
    try:
        signature.bind(None, None, **dict.fromkeys(wanted))
    except TypeError as mismatch:
        raise UsageError(
            f"property {id!r}: the check must take (x, y), and of {', '.join(EXTRAS)} what it asks for; {mismatch}"
        ) from None
    return wanted


class _Own(Property):
    """A property made of one function."""

    tries_witnesses: ClassVar[bool] = True

    def __init__(
        self,
        check: Callable[..., Any],
        about: frozenset[tuple[str, str | None]] | None,
        wanted: tuple[str, ...],
    ) -> None:
        self._good = check
        self._about = about
        self.functions = None if about is None else frozenset(name for name, _ in about)
        self._wanted = wanted

    def applies(self, function: Function, order: int) -> bool:
        """The functions that were given, and none of the same name that is defined otherwise."""
        return self._about is None or any((function.name, i) in self._about for i in (None, function.family))

    def check(self, probe: Probe, order: int) -> Outcome:
        """Ask the function about every base point, and about the witnesses."""
        probe.require(order)
        fmt = probe.format
        bits = probe.base_points
        if not fmt.is_16_bit:
            # In place of an input, as compiling backends pay for every other length.
            bits = np.append(bits[:-1], fa.storage(fmt).type(fmt.nan_bits))
            if probe.witnesses:
                bits = np.append(bits, np.array(probe.witnesses, fa.storage(fmt)))
        got = probe.evaluate(bits, order)
        x, y = fa.values(bits, fmt), fa.values(got, fmt)
        known: Mapping[str, Any] = {
            "format": fmt.name,
            "params": {k: float(v) for k, v in probe.function.exact_params.items()},
            "order": order,
            "function": probe.function.name,
        }
        wrong = ~self._asked(x, y, {name: known[name] for name in self._wanted}, probe.selection.time_limit)
        evidence = Evidence("exhaustive" if fmt.is_16_bit else "sampled", int(bits.size))
        if not wrong.any():
            return Outcome(evidence)
        first = int(np.flatnonzero(wrong)[np.argmin(np.abs(np.nan_to_num(x[wrong], nan=np.inf)))])
        text = f"{self.statement.rstrip('.')}: not at x = {x[first]:.17g}, where the result is {y[first]:.17g}"
        count = int(wrong.sum())
        rows = np.argsort(np.abs(np.nan_to_num(x[wrong], nan=np.inf)), kind="stable")  # the one to show comes first
        violations = Violations(
            bits[wrong][rows], got[wrong][rows], np.full(count, BROKEN), np.full(count, LARGE_ERROR, np.int8),
            np.ones(count, bool), text, cause="fault", pointwise=False,
        )  # fmt: skip
        return Outcome(evidence, [violations], measured={"failing": count})

    def _asked(self, x: Any, y: Any, extras: Mapping[str, Any], limit: float) -> Any:
        what = f"the check of property {self.id!r}"
        try:
            with time_limit(limit, what), names_kept(what):
                given = self._good(x.copy(), y.copy(), **extras)
                if isinstance(given, np.ma.MaskedArray):
                    raise TypeError("it answered with a masked array; expected one bool per input")
                answer = np.asarray(given)
        except (Exception, SystemExit) as error:
            if isinstance(error, ImplementationFault) and is_ours(error):
                raise
            raise ImplementationFault(Fault.RAISED, f"{what} raised {type(error).__name__}: {error}") from error
        if answer.dtype != np.bool_ or answer.shape != x.shape:
            raise ImplementationFault(
                Fault.WRONG_TYPE,
                f"{what} returned {answer.dtype} of shape {answer.shape}, expected one bool per input, of shape "
                f"{x.shape}",
            )
        return answer
