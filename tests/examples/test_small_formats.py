"""The example of small formats passes, and what docs/small-formats.md shows is what it holds."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.architecture.imports import ROOT
from tests.docs.sessions import blocks

EXAMPLE = ROOT / "examples" / "small_formats" / "quantizers.py"


def test_both_are_right() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", "check", EXAMPLE.name, "--profile", "quick", "--jobs", "1"],
        cwd=EXAMPLE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b2 pass, 0 fail", done.stdout)


def test_the_page_shows_the_code_of_the_example() -> None:
    held = re.sub(r'    """.*?"""\n', "", EXAMPLE.read_text("utf-8"), flags=re.DOTALL)
    page = (ROOT / "docs" / "small-formats.md").read_text("utf-8")
    shown = [b.body[b.body.index("@gp.") :].strip() for b in blocks(page) if b.language == "python"]
    assert len(shown) == 2
    assert all(body in held for body in shown)
