"""What the tox environments ``torch-cuda`` and ``jax-cuda`` do: say why they skip, or check the device.

    python -m tests.architecture.cuda_env torch-cuda

The driver is asked first, through its C library and without any framework, so that a machine without a device
downloads nothing. With a device, the project is installed with the framework's extra into this environment,
which sees the interpreter's own packages: a framework that is there already is the one that is checked.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHARDS = ROOT / ".gradproof" / "tox"

Load = Callable[[str], Any]


def backend_of(name: str) -> str:
    """The backend of a tox environment: ``torch:cuda`` for ``torch-cuda``, ``torch:cpu`` for ``torch``."""
    framework, _, hardware = name.partition("-")
    return f"{framework}:{hardware or 'cpu'}"


def device(load: Load = ctypes.CDLL) -> tuple[int, str]:
    """The driver's CUDA version (13000 is 13.0), and why there is no device ("" when there is one).

    ``load`` opens a shared library by name and raises OSError when it is not there.
    """
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = load(library)
    except OSError:
        return 0, f"no NVIDIA driver on this machine ({library} was not found)"
    status = driver.cuInit(0)
    if status:
        return 0, f"the NVIDIA driver finds no usable device (cuInit returned {status})"
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    driver.cuDriverGetVersion(ctypes.byref(version))
    if count.value < 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hint = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible!r})"
        return version.value, f"the NVIDIA driver lists no device{hint}"
    return version.value, ""


def requirements(framework: str, driver: int, installed: Callable[[str], bool]) -> list[str]:
    """What pip installs to check a framework on a device; JAX also needs its GPU plugin."""
    wanted = [f"{ROOT}[{framework},pytest]"]
    if framework == "jax" and not any(installed(f"jax_cuda{n}_plugin") for n in (12, 13)):
        wanted.append(f"jax[cuda{13 if driver >= 13000 else 12}]")
    return wanted


def installed(module: str) -> bool:
    """Whether a top-level module can be imported here, without importing it."""
    return importlib.util.find_spec(module) is not None


def check(name: str, driver: int) -> int:
    """Install, test and run on the device; the first exit status that is not 0."""
    framework, backend = name.partition("-")[0], backend_of(name)
    SHARDS.mkdir(parents=True, exist_ok=True)
    shard, suite = SHARDS / f"{name}.json", SHARDS / f"{name}-pytest.xml"
    shard.unlink(missing_ok=True)
    if status := python("-m", "pip", "install", *requirements(framework, driver, installed)):
        return status
    tests = python("-m", "pytest", "tests", "--framework", framework, "--junitxml", str(suite))
    quick = ("--profile", "quick", "--json", str(shard))
    return call(command("gradproof"), "run", "--backend", backend, *quick) or tests


def command(name: str) -> str:
    """A command that is installed beside this environment's interpreter."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise SystemExit(f"{name} is not installed beside {sys.executable}; run this through tox")
    return found


def call(program: str, *arguments: str) -> int:
    """Exit status of a program, run in the root of the repository and announced before."""
    print("+", Path(program).name, *arguments, flush=True)
    return subprocess.run([program, *arguments], cwd=ROOT, check=False).returncode


def python(*arguments: str) -> int:
    """Exit status of this environment's interpreter."""
    return call(sys.executable, *arguments)


def main(arguments: Sequence[str]) -> int:
    """Skip with the reason (exit status 0), or check."""
    if list(arguments) not in (["torch-cuda"], ["jax-cuda"]):
        print(__doc__, file=sys.stderr)
        return 4
    driver, reason = device()
    if reason:
        print(f"SKIPPED: {arguments[0]}: {reason}")
        return 0
    return check(arguments[0], driver)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
