"""Names as people write them: in any case, with other signs between the words, and as others call the same thing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

FORMAT_NAMES: Final = {
    "double": "float64", "fp64": "float64", "binary64": "float64",
    "single": "float32", "fp32": "float32", "binary32": "float32",
    "half": "float16", "fp16": "float16", "binary16": "float16",
    "bfloat": "bfloat16", "brainfloat16": "bfloat16",
    "e4m3": "float8_e4m3fn", "float8e4m3": "float8_e4m3fn", "fp8e4m3": "float8_e4m3fn", "fp8e4m3fn": "float8_e4m3fn",
    "e5m2": "float8_e5m2", "float8e5m2": "float8_e5m2", "fp8e5m2": "float8_e5m2",
    "fp8e4m3fnuz": "float8_e4m3fnuz", "fp8e5m2fnuz": "float8_e5m2fnuz",
    "e8m0": "float8_e8m0fnu", "float8e8m0": "float8_e8m0fnu", "fp8e8m0": "float8_e8m0fnu",
    "fp8e8m0fnu": "float8_e8m0fnu", "ue8m0": "float8_e8m0fnu",
    "e2m3": "float6_e2m3fn", "float6e2m3": "float6_e2m3fn", "fp6e2m3": "float6_e2m3fn", "fp6e2m3fn": "float6_e2m3fn",
    "e3m2": "float6_e3m2fn", "float6e3m2": "float6_e3m2fn", "fp6e3m2": "float6_e3m2fn", "fp6e3m2fn": "float6_e3m2fn",
    "e2m1": "float4_e2m1fn", "float4e2m1": "float4_e2m1fn", "fp4e2m1": "float4_e2m1fn", "fp4e2m1fn": "float4_e2m1fn",
    "fp4": "float4_e2m1fn", "float4": "float4_e2m1fn",
}  # fmt: skip
"""What else formats are called, beside the short names that they carry themselves. ``float`` is none of them: it is 64
bits in Python and NumPy, 32 in C and PyTorch."""

FUNCTION_NAMES: Final = {
    "swish": "silu", "swish1": "silu",
    "hardsilu": "hardswish",
    "logistic": "sigmoid", "logisticsigmoid": "sigmoid",
    "gelunew": "gelu_tanh", "gelupytorchtanh": "gelu_tanh", "gelufast": "gelu_tanh", "geluapproximate": "gelu_tanh",
    "geluerf": "gelu",
    "lrelu": "leaky_relu",
    "absolute": "abs", "fabs": "abs", "clip": "clamp",
    **{f"to{spelling}": f"to_{name}" for spelling, name in FORMAT_NAMES.items() if name != "float64"},
}  # fmt: skip
"""What else functions of the catalogue are called, at their usual parameters."""

BACKEND_NAMES: Final = {"pytorch": "torch", "np": "numpy", "jnp": "jax"}
DEVICE_NAMES: Final = {"gpu": "cuda"}


def spelled(name: str, known: Iterable[str], others: Mapping[str, str] | None = None) -> str:
    """The one of ``known`` that ``name`` is: itself, or else its spelling, or else what ``others`` says it means.

    Case and ``-``, ``_``, ``.`` and blanks do not count. What is none of them comes back as it is.
    """
    names = list(known)
    if name in names or not isinstance(name, str):
        return name
    folded = {_folded(one): one for one in reversed(names)}
    other = {_folded(key): value for key, value in (others or {}).items()}.get(_folded(name), "")
    return folded.get(_folded(name)) or (other if other in names else name)


def suggestion(name: str, known: Iterable[str], others: Mapping[str, str] | None = None, *, least: float = 0.6) -> str:
    """The one of ``known`` that ``name`` most likely means; empty where none is near.

    Letters in another order are the likeliest slip: bf61 is bf16, not fp64.
    """
    known = list(known)
    names = {_folded(key): value for key, value in (others or {}).items() if value in known}
    names |= {_folded(one): one for one in known}
    turned = {names[one] for one in names if sorted(one) == sorted(_folded(name))}
    if len(turned) == 1:
        return turned.pop()
    near = difflib.get_close_matches(_folded(name), names, n=1, cutoff=least)
    return names[near[0]] if near else ""


def backend_spelled(name: str, known: Iterable[str]) -> str:
    """``torch:cuda`` for ``PyTorch:GPU``; ``known`` are names of backends, whose devices are not looked at."""
    framework, colon, device = name.partition(":")
    return spelled(framework, known, BACKEND_NAMES) + colon + device_spelled(device)


def device_spelled(name: str) -> str:
    """``cuda`` for ``GPU``; devices have small letters."""
    return DEVICE_NAMES.get(name.casefold(), name.casefold())


def _folded(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name).casefold()
