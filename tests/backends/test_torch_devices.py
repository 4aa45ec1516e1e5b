"""torch on devices that are neither the CPU nor CUDA: what may be named, what is said, and one that is registered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradproof.backends import availability, is_known
from gradproof.backends.registry import split_id
from gradproof.errors import UsageError
from gradproof.results import read_results

SOURCE = Path(__file__).with_name("abacus.cpp")

pytestmark = pytest.mark.framework("torch")


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "xpu", "mps", "npu", "hpu", "privateuseone:0", "my_chip"])
def test_any_device_may_be_named(device: str) -> None:
    assert is_known(f"torch:{device}")
    assert split_id(f"torch:{device}")[1] == device


@pytest.mark.parametrize("device", ["cudda", "cuad", "cppu", "", "My Chip", "npu:x", "1"])
def test_slips_of_the_pen_and_what_is_no_name_are_refused(device: str) -> None:
    assert device == "" or not is_known(f"torch:{device}")
    if device:
        with pytest.raises(UsageError, match="unknown backend"):
            split_id(f"torch:{device}")


def test_no_other_backend_takes_another_device() -> None:
    assert not is_known("numpy:npu")
    assert not is_known("jax:npu")


def test_a_device_that_torch_does_not_know_says_what_was_expected() -> None:
    state = availability("torch:no_such_chip")
    assert not state.available
    assert "knows no device 'no_such_chip': Expected one of cpu, cuda," in state.reason
    assert "once its package is imported" in state.reason


def test_a_device_without_numbers_is_not_available() -> None:
    state = availability("torch:meta")
    assert not state.available
    assert state.reason.startswith("the device 'meta' runs no kernel of PyTorch")


FILE = """
import types

import torch
from torch.utils import cpp_extension

import gradproof as gp

module = types.ModuleType("torch.abacus")
module.is_available = module.is_initialized = lambda: True
module.device_count = lambda: 1
module.current_device = lambda: 0
module._is_in_bad_fork = lambda: False
module.manual_seed_all = lambda seed: None
torch.utils.rename_privateuse1_backend("abacus")
torch._register_device_module("abacus", module)
cpp_extension.load("abacus_device", [SOURCE], extra_cflags=["-O0"])


@gp.implements("silu", backend="torch:abacus", formats=["bfloat16"])
def silu(x):
    return torch.nn.functional.silu(x)


@gp.implements("relu", backend="torch:abacus", formats=["bfloat16"])
def relu(x):
    return torch.relu(x)
"""


@pytest.mark.skipif(
    shutil.which("c++") is None or shutil.which("ninja") is None,
    reason="building a device takes a C++ compiler (c++) and ninja",
)
def test_a_device_registered_under_privateuse1_is_checked(tmp_path: Path) -> None:
    (tmp_path / "device.py").write_text(FILE.replace("SOURCE", repr(str(SOURCE))))
    claims = ("--property", "accuracy", "--order", "0", "--order", "1", "--time-limit", "500", "--json", "r.json")
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", "check", "device.py", "--jobs", "1", *claims],
        cwd=tmp_path, env={**os.environ, "TORCH_EXTENSIONS_DIR": str(tmp_path / "built")}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    result = read_results(tmp_path / "r.json")
    assert result.run.backends["torch:abacus"]["versions"]["device"] == "abacus"
    assert {(c.backend, c.device) for c in result.cells} == {("torch", "abacus")}
    cells = {(c.function, c.order): c for c in result.cells}
    assert [cells["relu", order].status for order in (0, 1)] == ["pass", "pass"]
    assert cells["silu", 0].status == "fail"
    certificate = cells["silu", 0].certificate
    assert certificate is not None
    # Its kernel gives 0 below -20, and -20.125 is the first bfloat16 there.
    assert -20.125 in [float.fromhex(interval.hi.hex) for interval in certificate.region]
