"""SIMD levels of x86 processors, and how the environment holds a framework to less than the processor has."""

from __future__ import annotations

import os
import re
from typing import Final

LEVELS: Final = ("SSE4_2", "AVX", "AVX2", "AVX512", "AVX512_BF16")
"""From the least to the widest; other architectures have names of their own, which nothing here narrows."""

_XLA: Final = {"AVX512_VNNI": "AVX512", "AMX": "AVX512_BF16", "AMX_FP16": "AVX512_BF16"}
"""Values of ``--xla_cpu_max_isa`` that are none of LEVELS, as far as rounding is concerned."""
_ONEDNN: Final = {"SSE41": "SSE4_2", "AVX2_VNNI": "AVX2", "AVX2_VNNI_2": "AVX2"}
"""The same of ``ONEDNN_MAX_CPU_ISA``, whose names for AVX-512 begin with AVX512_CORE."""


def lesser(level: str, most: str) -> str:
    """``level``, or ``most`` where that is less; ``level`` where either is none of LEVELS."""
    if level in LEVELS and most in LEVELS:
        return min(level, most, key=LEVELS.index)
    return level


def xla_level(processor: str) -> str:
    """The level that XLA compiles for on a processor of level ``processor``: ``--xla_cpu_max_isa`` in XLA_FLAGS."""
    asked = re.findall(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    name = asked[-1].upper() if asked else processor
    return lesser(processor, _XLA.get(name, name))


def torch_level(processor: str, capability: str) -> str:
    """The level of PyTorch's CPU kernels, ATen's own and oneDNN's: both where they differ (``AVX2, oneDNN AVX512``).

    ``capability`` is ``torch.backends.cpu.get_cpu_capability()``, which heeds ATEN_CPU_CAPABILITY. ATen's AVX-512
    kernels are the same with bfloat16 instructions and without; oneDNN's are not.
    """
    onednn = lesser(processor, _onednn_level(processor))
    if capability == "AVX512":
        aten = onednn if onednn.startswith("AVX512") else "AVX512"
    else:
        aten = {"DEFAULT": LEVELS[0]}.get(capability, capability)
    aten = lesser(processor, aten)
    return aten if aten == onednn else f"{aten}, oneDNN {onednn}"


def _onednn_level(processor: str) -> str:
    asked = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if asked.startswith("AVX512_CORE"):
        return "AVX512" if asked in ("AVX512_CORE", "AVX512_CORE_VNNI") else "AVX512_BF16"
    return _ONEDNN.get(asked, asked or processor)
