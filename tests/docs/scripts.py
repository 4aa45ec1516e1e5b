"""The scripts in benchmarks/ that write the pages and the pictures, as modules."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.architecture.imports import ROOT


def script(name: str) -> ModuleType:
    """The script ``benchmarks/NAME.py``, loaded once."""
    known = f"benchmarks_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, ROOT / "benchmarks" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]
