"""Calls and derivatives in JAX. Imports jax; only ``JaxBackend`` imports this module, and late.

Arrays here are one-dimensional and of the format's dtype, committed to one device. Everything that touches
arrays runs inside ``configured``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Final, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from gradproof.backends.base import COMPILED_LENGTHS, Call, Implementation, padded, padded_length
from gradproof.backends.contract import (
    called,
    check_format,
    check_shape,
    check_unchanged,
    differentiated,
    error_text,
    handed_in,
    result_bits,
    unless_user,
    wrong,
)
from gradproof.backends.jax.programs import kept
from gradproof.backends.settings import FrameworkSetting, settings_kept
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

Function = Callable[[Any], Any]

DTYPES: Final[dict[str, Any]] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(jnp.bfloat16),
    "float8_e4m3fn": np.dtype(jnp.float8_e4m3fn),
    "float8_e5m2": np.dtype(jnp.float8_e5m2),
    "float8_e4m3fnuz": np.dtype(jnp.float8_e4m3fnuz),
    "float8_e5m2fnuz": np.dtype(jnp.float8_e5m2fnuz),
    "float8_e8m0fnu": np.dtype(jnp.float8_e8m0fnu),
    "float4_e2m1fn": np.dtype(jnp.float4_e2m1fn),
}

_INTEGER: Final = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}

_GAPS: Final = (
    "not implemented",
    "unimplemented",
    "forward-mode differentiation",
    "forward-mode autodiff",
    "reverse-mode differentiation does not work",
    "failed to materialize symbols",
)
"""What JAX says, in lower case, when it lacks a kernel, a derivative or an AD rule. The last is XLA's word for
an instruction that the processor lacks and that no routine of XLA's stands in for."""

RUNTIME_ERROR: Final = jax.errors.JaxRuntimeError
"""What XLA raises when it cannot compile or run."""

_UNTRACEABLE: Final = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


SETTINGS: Final = {
    name: FrameworkSetting(partial(getattr, jax.config, name), partial(jax.config.update, name))
    for name in (
        "jax_enable_x64",
        "jax_disable_jit",
        "jax_default_matmul_precision",
        "jax_numpy_dtype_promotion",
        "jax_debug_nans",
        "jax_debug_infs",
        "jax_numpy_rank_promotion",
        "jax_check_tracer_leaks",
        "jax_enable_custom_prng",
        "jax_default_prng_impl",
    )
}
"""Settings of JAX that a call must leave alone."""


@contextmanager
def configured(fmt: Format, device: Any) -> Iterator[None]:
    """New arrays on ``device``; 64-bit types for float64; compiled programs are kept. Nothing outlives the context."""
    before = jax.config.jax_enable_x64
    try:
        with ExitStack() as stack:
            stack.enter_context(jax.default_device(device))
            stack.enter_context(kept(device))
            if fmt.name == "float64":
                stack.enter_context(_enable_x64())
            yield
    finally:
        if jax.config.jax_enable_x64 != before:  # by a function of the user's, unseen inside the context of float64
            jax.config.update("jax_enable_x64", before)


def clear_caches() -> None:
    """Forget everything JAX has traced and compiled in this process."""
    jax.clear_caches()


def _enable_x64() -> Any:
    home: Any = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    return home.enable_x64(True)


def array(bits: Bits, fmt: Format, device: Any) -> Any:
    """An array on ``device`` with exactly these bits; shape kept. float64 takes ``configured``."""
    return jax.device_put(np.array(bits, dtype=storage(fmt), order="C").view(DTYPES[fmt.name]), device)


def bits_of(values: Any, fmt: Format) -> Bits:
    """The bits of an array of the format's dtype; shape kept."""
    return np.array(np.asarray(values), order="C").view(storage(fmt))


def consecutive(first: int, count: int, length: int, fmt: Format, device: Any) -> Any:
    """The bit patterns ``first`` to ``first + count - 1``, all of one sign, the last repeated up to shape (length,).

    Made on ``device``. float64 takes ``configured``.
    """
    kind = _INTEGER[fmt.width]
    signed = first - (1 << fmt.width if first & fmt.sign_bit else 0)
    wide = jnp.int64 if fmt.width == 64 else jnp.int32
    steps = jnp.minimum(jnp.arange(length, dtype=wide, device=device), wide(count - 1)) + wide(signed)
    return jax.lax.bitcast_convert_type(steps.astype(kind), DTYPES[fmt.name])


def _integers(values: Any, fmt: Format) -> Any:
    return jax.lax.bitcast_convert_type(values, _INTEGER[fmt.width])


def lacks(error: BaseException) -> bool:
    """Whether ``error`` says that JAX does not offer what was asked."""
    return isinstance(error, NotImplementedError) or any(gap in str(error).lower() for gap in _GAPS)


class Functions:
    """f^(order) as functions of one array, made once per implementation, order, path and mode."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self._made: dict[tuple[int, Call], tuple[Implementation, Function]] = {}

    def evaluated(self, implementation: Implementation, lanes: Bits, fmt: Format, call: Call) -> Bits:
        """Bits of f^(order) at ``lanes`` of shape (n,); the faults are those of ``Backend.evaluate``."""
        x = array(lanes, fmt, self.device)
        y = self._called(implementation, x, call)
        check_unchanged(implementation, lanes, bits_of(x, fmt))
        return result_bits(implementation, y, y.dtype == DTYPES[fmt.name], fmt, bits_of)

    def on_device(self, implementation: Implementation, first: int, count: int, fmt: Format, call: Call) -> Any:
        """f^(order) at consecutive bit patterns, as ``Backend.on_device`` says; nothing travels."""
        length = padded_length(count, few_lengths=True)
        x = consecutive(first, count, length, fmt, self.device)
        y = self._called(implementation, x, call)
        fresh = consecutive(first, count, length, fmt, self.device)
        if not bool(jnp.array_equal(_integers(x, fmt), _integers(fresh, fmt))):
            check_unchanged(implementation, bits_of(fresh, fmt), bits_of(x, fmt))
        return y[:count]

    def _called(self, implementation: Implementation, x: Any, call: Call) -> Any:
        function = self._function(implementation, call)
        compiled = call.mode == "compiled"

        def missing(error: BaseException) -> bool:
            # By now a user's own exceptions have become faults: what arrives here came from JAX.
            return lacks(error) or (compiled and isinstance(error, _UNTRACEABLE))

        y = differentiated(implementation, call.order, lambda: function(x).block_until_ready(), missing)
        self._check_placed(implementation, y)
        if x.is_deleted():
            raise ImplementationFault(
                "wrote-input",
                f"{implementation.name} donated its input's buffer; the input must survive the call",
            )
        return y

    def _check_placed(self, implementation: Implementation, y: Any) -> None:
        if y.devices() != {self.device}:
            placed = ", ".join(sorted(map(str, y.devices())))
            raise wrong("wrong-device", implementation, "an array on", str(self.device), placed)

    def _function(self, implementation: Implementation, call: Call) -> Function:
        if call.layout != "vmap":
            call = replace(call, layout="contiguous")  # one function for all shapes
        key = (id(implementation), call)
        if key not in self._made:
            made = _derivative(implementation, call)
            made = _mapped(made) if call.layout == "vmap" else made
            # The implementation is kept beside the function, so that its id stays its own.
            self._made[key] = implementation, jax.jit(made) if call.mode == "compiled" else made
        return self._made[key][1]


def guarded(implementation: Implementation, *, compiled: bool = False) -> Function:
    """The implementation's callable; exceptions translated; type, shape and format of the result checked.

    The checks hold for tracers as well, so they work inside jit and AD.
    """
    own = unless_user(implementation, lacks)

    def missing(error: BaseException) -> bool:
        return (compiled and isinstance(error, _UNTRACEABLE)) or own(error) or _no_rule(error)

    def call(x: Any) -> Any:
        try:
            with settings_kept(implementation, SETTINGS if implementation.user else {}):
                y = called(implementation, implementation.call, x, missing)
        except (ImplementationFault, Unsupported) as fault:
            if not isinstance(fault.__cause__, _UNTRACEABLE):
                raise
            _untraceable(implementation, fault.__cause__, compiled=compiled)
        if not isinstance(y, jax.Array):
            raise wrong("wrong-type", implementation, "a", "a jax.Array", type(y).__name__)
        check_shape(implementation, y.shape, x.shape)
        check_format(implementation, y.dtype, x.dtype, lambda narrow: DTYPES[narrow.name])
        return y

    return call


def _untraceable(implementation: Implementation, error: BaseException, *, compiled: bool) -> NoReturn:
    """Raise what it means that JAX's tracers met NumPy, an ``if`` or an index: Unsupported by jit, a fault in AD."""
    if compiled:
        raise Unsupported(f"jax.jit cannot trace {implementation.name}: {error_text(error)}") from error
    raise ImplementationFault(
        "raised",
        f"JAX cannot differentiate {implementation.name}, which leaves JAX on the way; use jax.numpy and jax.lax "
        f"throughout: {error_text(error)}",
    ) from error


def _no_rule(error: BaseException) -> bool:
    """JAX refuses a custom_vjp in forward mode inside the user's call, yet it is no fault of the user's."""
    return isinstance(error, TypeError) and "forward-mode" in str(error).lower()


def _derivative(implementation: Implementation, call: Call) -> Function:
    compiled = call.mode == "compiled"
    if implementation.derivatives:
        return guarded(handed_in(implementation, call.order), compiled=compiled)
    function = guarded(implementation, compiled=compiled)
    if call.order == 0:
        return function
    if call.path == "reverse":
        for _ in range(call.order):
            function = partial(_reverse, function, cotangent=call.cotangent, unequal=call.unequal)
        return function
    if call.path == "forward":
        return partial(_forward, function if call.order == 1 else partial(_reverse, function))
    raise Unsupported(f"jax has no path {call.path!r} for {implementation.name}; no derivative was handed in")


def _reverse(function: Function, x: Any, cotangent: float = 1.0, *, unequal: bool = False) -> Any:
    y, pull = jax.vjp(function, x)
    if unequal:
        second = jnp.arange(y.size).reshape(y.shape) % 2 == 1
        return pull(jnp.where(second, 2 * cotangent, cotangent).astype(y.dtype))[0]
    return pull(jnp.ones_like(y) if cotangent == 1.0 else jnp.full_like(y, cotangent))[0]


def _forward(function: Function, x: Any) -> Any:
    return jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


def _mapped(function: Function) -> Function:
    """``function`` under ``jax.vmap``: one element at a time, batched by JAX."""
    mapped = jax.vmap(function)

    def call(x: Any) -> Any:
        try:
            return mapped(x)
        except ImplementationFault as fault:
            if fault.kind != "raised":
                raise
            # Nobody promised that a function can be batched; a wrong answer is what would be a fault.
            raise Unsupported(f"under vmap: {fault}") from fault

    return call


class JaxChain:
    """The steps ``h -> f(w h)`` of one chain, and their pull-backs on rows of shape (depth, n).

    Rows are bits and are moved by NumPy; what JAX calculates on has the few lengths of ``padded``. JAX would compile
    every copy, and every operation once more for each length. It traces each derivative anew, which takes it longer
    than 65536 elements do: so many steps as fill that length, each with its rows, are one vjp, whose pull-back is
    called once for each of them. Operations act on each element by itself, so the others may hold anything.
    """

    def __init__(
        self,
        implementation: Implementation,
        weights: Sequence[float],
        start: Bits,
        fmt: Format,
        functions: Functions,
    ) -> None:
        self.implementation = implementation
        self.fmt = fmt
        self.functions = functions
        self.weights = [np.asarray(w, np.float64).astype(DTYPES[fmt.name]) for w in weights]
        self.hidden: list[Bits] = []
        self.inputs: list[Bits] = []
        self._call = guarded(implementation)
        self._steps = range(0)
        """Those of the vjp that is at hand."""
        self._pull: Function = lambda cotangent: (cotangent,)
        lanes = padded(start, few_lengths=True)
        for w in self.weights:
            self.hidden.append(lanes[: start.size])
            into = bits_of(w * self._array(lanes), fmt)
            self.inputs.append(into[: start.size])
            lanes = functions.evaluated(implementation, into, fmt, Call())

    def ones(self) -> Bits:
        """Rows of ones."""
        return np.ones((len(self.weights), self.hidden[0].size), DTYPES[self.fmt.name]).view(storage(self.fmt))

    def start(self, rows: Bits, k: int) -> Bits:
        """``rows`` with row k set to 1."""
        rows = rows.copy()
        rows[k] = np.ones((), DTYPES[self.fmt.name]).view(storage(self.fmt))
        return rows

    def pull(self, k: int, rows: Bits) -> Bits:
        """The rows from k on times d h[k+1] / d h[k]; those before k, whose pass has not begun, as they are."""
        if k not in self._steps:
            self._steps = self._together(k)
            self._pull = differentiated(self.implementation, 1, self._vjp, lacks)
        first = sum(self._size(step) for step in self._steps if step > k)
        here = slice(first, first + self._size(k))
        cotangents = np.zeros(first + self._size(k), rows.dtype)
        cotangents[here] = rows[k:].ravel()
        lanes = self._array(padded(cotangents, few_lengths=True))
        pulled = bits_of(differentiated(self.implementation, 1, lambda: self._pull(lanes)[0], lacks), self.fmt)
        return np.concatenate([rows[:k], pulled[here].reshape(rows[k:].shape)])

    def _size(self, k: int) -> int:
        """Elements of the rows from k on."""
        return (len(self.weights) - k) * self.hidden[k].size

    def _together(self, last: int) -> range:
        """The steps up to ``last`` that fill one length, in the order of reverse mode."""
        size, first = self._size(last), last
        while first and size + self._size(first - 1) <= COMPILED_LENGTHS[-1]:
            first -= 1
            size += self._size(first)
        return range(last, first - 1, -1)

    def _vjp(self) -> Function:
        """What pulls back through the steps at hand, side by side."""

        def side_by_side(values: Sequence[Any]) -> Any:
            rows = [np.tile(values[k], len(self.weights) - k) for k in self._steps]
            return self._array(padded(np.concatenate(rows), few_lengths=True))

        w = side_by_side([np.full(h.size, w).view(h.dtype) for w, h in zip(self.weights, self.hidden, strict=True)])
        if self.implementation.derivatives:
            into = bits_of(side_by_side(self.inputs), self.fmt)
            slope = self._array(self.functions.evaluated(self.implementation, into, self.fmt, Call(order=1)))
            return lambda cotangent: ((cotangent * slope) * w,)
        pull: Function = jax.vjp(lambda h: self._call(w * h), side_by_side(self.hidden))[1]
        return pull

    def _array(self, bits: Bits) -> Any:
        return array(bits, self.fmt, self.functions.device)
