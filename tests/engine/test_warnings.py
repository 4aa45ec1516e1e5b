"""A warning about cached tables reaches whoever started the run, once, whichever processes it came from."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.errors import CacheWarning

# Warns where the oracle would: inside a cell, in the process that judges it.
SUBJECT = """
import warnings
import numpy as np
import gradproof as gp
from gradproof.errors import CacheWarning

def step(x):
    return (x > 0).astype(x.dtype)

@gp.implements("relu", backend="numpy", formats=["float16", "bfloat16"], derivative=step)
def noisy(x):
    warnings.warn("no tables can be cached here", CacheWarning)
    warnings.warn(f"the table of {x.dtype} was damaged", CacheWarning)
    return np.maximum(x, 0)
"""


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_warning_of_the_cache_reaches_the_caller_once(jobs: int, tmp_path: Path) -> None:
    file = tmp_path / "subject.py"
    file.write_text(SUBJECT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        result = run(Selection(files=(str(file),), properties=("accuracy",), orders=(0, 1), profile="quick", jobs=jobs))
    assert {cell.status for cell in result.cells} == {"pass"}
    told = sorted(str(w.message) for w in caught if issubclass(w.category, CacheWarning))
    assert told == [
        "no tables can be cached here",
        "the table of bfloat16 was damaged",
        "the table of float16 was damaged",
    ]
