"""What the NVIDIA driver says about itself, for the record of a run."""

from __future__ import annotations

import shutil
import subprocess


def driver_version() -> str:
    """The driver's version from ``nvidia-smi``; ``unknown`` where that is missing or does not answer."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return "unknown"
    try:
        answer = subprocess.run(
            [command, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.split("\n", 1)[0].strip() or "unknown"
