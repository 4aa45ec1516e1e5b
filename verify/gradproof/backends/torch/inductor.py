"""Whether torch.compile can generate code here: Inductor writes C++ for CPUs and Triton kernels for CUDA.

Imports torch and, when asked, Inductor, which takes about a second; only ``TorchBackend`` imports this module, late.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import torch

from gradproof.backends.base import Availability

CACHE: Final = "TORCHINDUCTOR_CACHE_DIR"
"""The variable that names the folder of Inductor's cache."""
LEAST_CAPABILITY: Final = (7, 0)
"""The least CUDA compute capability that Triton generates code for (``torch._inductor.utils.has_triton``)."""


def code_generation(device: torch.device) -> Availability:
    """Whether Inductor finds what it compiles with on ``device``, which tool that is, or what to install."""
    return _triton() if device.type == "cuda" else _cpp()


def _cpp() -> Availability:
    from torch._inductor import config
    from torch._inductor.cpp_builder import get_cpp_compiler

    tried = ", ".join(str(name) for name in config.cpp.cxx if name)
    try:
        compiler = get_cpp_compiler()
    except (RuntimeError, OSError):  # InvalidCxxCompiler, or what the start of the command raises
        return Availability(
            False,
            f"torch.compile needs a C++ compiler, and {tried} does not run here; install one (apt install g++, "
            "conda install gxx) or name it in the environment variable CXX",
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return Availability(
            False,
            f"torch.compile needs Python's headers beside {compiler}, and Python.h is missing; install them "
            f"(apt install python{sys.version_info.major}.{sys.version_info.minor}-dev)",
        )
    _keep_capabilities_apart()
    return Availability(True, tool=described(compiler))


def _keep_capabilities_apart() -> None:
    """Give a process that is held to a vector capability a cache of compiled code of its own.

    The key of Inductor's cache leaves ATEN_CPU_CAPABILITY out (PyTorch 2.13): code that steps by 16 elements is taken
    from it and compiled for vectors of 8, which leaves every other 8 as they were. A folder that the user named is left
    alone.
    """
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    level = os.environ.get("ATEN_CPU_CAPABILITY")
    if level and os.environ.get(CACHE, default_cache_dir()) == default_cache_dir():
        os.environ[CACHE] = f"{default_cache_dir()}-{level}"


def described(compiler: str) -> str:
    """``g++ 12.2.0``: the name of the command and the version it prints."""
    printed = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+(\.\d+)+", re.sub(r"\([^)]*\)", "", printed))
    return f"{Path(compiler).name} {version.group()}" if version else Path(compiler).name


def _triton() -> Availability:
    if importlib.util.find_spec("triton") is None:
        return Availability(
            False, "torch.compile needs Triton on CUDA, and it is not installed; pip install triton (Linux)"
        )
    capability = torch.cuda.get_device_capability()
    if capability < LEAST_CAPABILITY:
        found, least = (".".join(map(str, pair)) for pair in (capability, LEAST_CAPABILITY))
        return Availability(False, f"Triton needs compute capability {least}, this device has {found}")
    # triton.runtime.build compiles a launcher per kernel with CC, else gcc, else clang.
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return Availability(
            False, "Triton needs a C compiler, and there is no gcc or clang; install one (apt install gcc) or set CC"
        )
    return Availability(True, tool=f"Triton {importlib.metadata.version('triton')}")
