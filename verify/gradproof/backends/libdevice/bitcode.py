"""Where CUDA's device functions are: ``libdevice.10.bc`` of an installed triton, or the file that a variable names."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from gradproof.errors import BackendUnavailable

VARIABLE: Final = "GRADPROOF_LIBDEVICE"
"""Environment variable with the path of a ``libdevice.10.bc``."""
IN_TRITON: Final = Path("backends", "nvidia", "lib", "libdevice.10.bc")


def located() -> Path:
    """The file, without importing triton. Raises BackendUnavailable that says what was looked for."""
    if given := os.environ.get(VARIABLE):
        if not Path(given).is_file():
            raise BackendUnavailable(f"{VARIABLE} names {given}, which is no file; expected a libdevice.10.bc")
        return Path(given)
    spec = importlib.util.find_spec("triton")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (file := Path(folder) / IN_TRITON).is_file():
            return file
    where = "the installed triton has no libdevice.10.bc" if spec else "triton, which has libdevice.10.bc, is not there"
    raise BackendUnavailable(f"{where}; pip install triton, or set {VARIABLE} to the path of the file")


@cache
def content(file: Path) -> bytes:
    """The bitcode. Raises BackendUnavailable where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as fault:
        raise BackendUnavailable(f"{file} cannot be read: {fault.strerror or fault}") from fault


def versions(file: Path) -> dict[str, str]:
    """SHA-256 of the file, and the version of triton where that brought it."""
    found = {"libdevice": f"sha256:{hashlib.sha256(content(file)).hexdigest()}"}
    if VARIABLE not in os.environ:
        try:
            found["triton"] = version("triton")
        except PackageNotFoundError:
            found["triton"] = "unknown"
    return found
