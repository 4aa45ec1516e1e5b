"""Everything that reads what others wrote: each surface with what is tried on it and what reads it.

A reader may refuse with an error of gradproof's own; any other exception is a fault. Hypothesis draws the examples, or
atheris does, through Hypothesis (``python -m tests.fuzz --help``).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

import gradproof as gp
from gradproof import config
from gradproof.cli.app import program
from gradproof.engine.ledger.files import read_ledger_file
from gradproof.errors import GradproofError
from gradproof.external.golden import read_golden
from gradproof.external.vector_files import npy_head, opened, safetensors_head
from gradproof.files.journal import read as read_journal
from gradproof.formats import get_format
from gradproof.results.changes import finding_changes
from gradproof.results.io import dumps, read_results
from gradproof.results.rows import facts, rows
from gradproof_reports.html import render_html
from gradproof_reports.junit import render_junit
from gradproof_reports.markdown import render_markdown
from tests.architecture.imports import ROOT
from tests.fuzz.mutations import HOSTILE, cut, edited, retyped

LEDGER: Final = ROOT / "properties" / "gradproof_properties" / "ledger" / "torch.toml"
EXITS: Final = range(6)
RENDERED: Final = 16
"""One in so many results files that can be read is rendered in every form, which takes longest."""


@dataclass(frozen=True)
class Surface:
    """``examples`` draws what ``read`` is given; ``read`` raises where that is handled badly."""

    name: str
    examples: Callable[[], st.SearchStrategy[Any]]
    read: Callable[[Any], None]

    def survives(self, example: Any) -> None:
        """Read the example in an empty folder; what gradproof refuses in words is refused well."""
        before = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                self.read(example)
            except GradproofError as fault:
                if not str(fault).strip():
                    raise AssertionError("an error without words") from fault
            finally:
                os.chdir(before)


def written(content: str | bytes, name: str) -> str:
    """A file of this name in the working folder."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    Path(name).write_bytes(data)
    return name


# -- results files -----------------------------------------------------------------------------------------------------


@cache
def documents() -> list[Any]:
    """Results of a right and of a wrong implementation, with findings, curves and certificates."""
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder) / "mine.py"
        mine.write_text(
            "import numpy as np, gradproof as gp\n@gp.implements('silu', backend='numpy')\n"
            "def silu(x):\n    with np.errstate(all='ignore'):\n        return x / (1 + np.exp(-x))\n"
        )
        claims = ["accuracy", "special-values", "saturation"]
        wrong = gp.run(files=[mine], format="float16", property=claims, profile="quick", jobs=0)
        right = gp.run("relu", backend="numpy", format="float16", property=claims, profile="quick", jobs=0)
    return [json.loads(dumps(result)) for result in (wrong, right)]


def read_document(example: Any) -> None:
    """Read a results file, write it again, and on occasion show it in every form."""
    text = json.dumps(example) if not isinstance(example, bytes) else example
    result = read_results(written(text, "results.json"))
    with contextlib.suppress(GradproofError):  # what a file may hold, and no result of a run
        dumps(result)
    facts(rows(result), result)
    finding_changes(result, result)
    if len(text) % RENDERED == 0:
        for render in (render_html, render_markdown, render_junit):
            shown = render(result)
            assert "<script>alert" not in (shown if isinstance(shown, str) else shown.decode())


# -- settings, ledgers, journals ---------------------------------------------------------------------------------------

SETTINGS: Final = """\
[tool.gradproof]
backend = ["numpy", "torch:cpu"]
format = ["float16", "bfloat16"]
order = [0, 1]
profile = "quick"
contract = "stable"
seed = 7
time-limit = 2.5
json = "out/results.json"
"""


def read_settings(example: str) -> None:
    """Settings of a pyproject.toml, and the same text as an environment variable."""
    config.from_file(Path(written(example, "pyproject.toml")))
    for name in ("GRADPROOF_FORMAT", "GRADPROOF_SEED", "GRADPROOF_JSON", "GRADPROOF_REPORT"):
        config.from_environment({name: example})


def read_ledger(example: str) -> None:
    """A ledger of known deviations."""
    read_ledger_file(Path(written(example, "ledger.toml")))


def deviations() -> list[str]:
    """The head of our ledger with two of its deviations each."""
    head, *tables = LEDGER.read_text("utf-8").split("[[deviation]]\n")
    return ["[[deviation]]\n".join([head, *tables[i : i + 2]]) for i in range(len(tables) - 1)]


def read_kept(example: bytes) -> None:
    """A journal of finished cells."""
    read_journal(Path(written(example, "journal")))


# -- vectors and golden values -----------------------------------------------------------------------------------------


def vector_files() -> list[bytes]:
    """Sixteen numbers as .npy and .safetensors, in formats of 8 to 64 bits, and a header of NumPy's other versions."""
    files = []
    for name in ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn"):
        fmt = get_format(name)
        body = np.arange(16 * fmt.width // 8, dtype=np.uint8).tobytes()
        files += [npy_head(fmt, 16) + body, safetensors_head(fmt, 16) + body]
    npy = files[0]
    return [*files, npy[:6] + b"\x02\x00" + npy[8:10] + b"\x00\x00" + npy[10:], struct.pack("<Q", 2**40) + b"{}"]


def read_vectors(example: tuple[bytes, str, str]) -> None:
    """A file of bit patterns under each suffix."""
    content, suffix, name = example
    file = opened(written(content, f"in{suffix}"), [get_format(name), get_format("float32")], "inputs")
    assert file.read(0, min(file.count, 64)).size == min(file.count, 64)


GOLDEN: Final = (
    "x,y\n0.5,0.25\n0x1p-3,-1e-5\ninf,nan\n", "input,golden\n0x3c00,0x3800\n", '[[0.5, 0.25], ["0x1p3", "-inf"]]',
    '[{"x": 0.5, "y": 1}]', '{"inputs": [1, 2], "outputs": [3, 4]}',
)  # fmt: skip


def read_values(example: tuple[str, str]) -> None:
    """Golden values of a paper or a vendor."""
    text, name = example
    read_golden(written(text, "golden.json" if text.lstrip()[:1] in ("[", "{") else "golden.csv"), get_format(name))


# -- the command line --------------------------------------------------------------------------------------------------

WORDS: Final = [
    "silu",
    "relu",
    "SiLU",
    "leaky_relu",
    "gelux",
    "--format",
    "float16",
    "bf16",
    "f33",
    "--order",
    "0",
    "1",
    "-1",
    "two",
    "--bits",
    "0x3c00",
    "0x3c00..0x3c10",
    "1.5",
    "--backend",
    "numpy",
    "numpy:cpu",
    "torch",
    "tpu",
    "--property",
    "accuracy",
    "--seed",
    "99999999999999999999",
    "--contract",
    "stable",
    "--params",
    "negative_slope=0.1",
    "-o",
    "out.npy",
    "out.raw",
    "results.json",
    "missing.json",
    "--json",
    "--html",
    "--since",
    "--fail-on",
    "-",
    "--",
    "-v",
    "-q",
    "--help",
    "--range",
    "-1..1",
    "nan..inf",
    "--column",
    "--columns",
    "--notation",
    "hex",
    "--ftz",
    "--golden",
    "golden.csv",
]
COMMANDS: Final = (
    "repro", "vectors", "judge", "compare", "report", "combine", "list", "config", "claims", "completion", "",
    "nonsense",
)  # fmt: skip
"""Those that answer at once; what judges many results takes the same options as they do."""


def lines() -> st.SearchStrategy[list[str]]:
    """A command and up to eight words, most of which some command knows; without a slash files stay in the folder."""
    strange = st.sampled_from([w for w in HOSTILE if "/" not in w and "\x00" not in w and "\ud800" not in w])
    word = st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(WORDS), strange)
    return st.builds(lambda c, w: [c, *w], st.sampled_from(COMMANDS), st.lists(word, max_size=8))


def read_line(example: list[str]) -> None:
    """A command line in this process: it ends with a documented code, and never with an internal error."""
    written(json.dumps(documents()[1]), "results.json")
    written(GOLDEN[0], "golden.csv")
    out, told = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
        try:
            program.main(args=[a for a in example if a] or ["list"], prog_name="gradproof")
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
        told.flush()
    said = told.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]
    assert code in EXITS, (code, said)
    assert "internal error" not in said, said
    assert "Traceback" not in said, said
    assert "\x1b[31m" not in said, said


def _vectors() -> st.SearchStrategy[Any]:
    suffixes = st.sampled_from([".npy", ".safetensors", ".bin", ".raw", ".txt", ""])
    return st.tuples(cut(vector_files()), suffixes, st.sampled_from(["float16", "float64", "float8_e5m2"]))


SURFACES: Final = {
    surface.name: surface
    for surface in (
        Surface("results", lambda: edited(documents()), read_document),
        Surface("results-bytes", lambda: cut([json.dumps(d).encode() for d in documents()]), read_document),
        Surface("settings", lambda: retyped([SETTINGS]), read_settings),
        Surface("ledger", lambda: retyped(deviations()), read_ledger),
        Surface("journal", lambda: cut([b'{"gradproof": 1}\n', b'abc {"a":1}\n' * 3]), read_kept),
        Surface("vectors", _vectors, read_vectors),
        Surface("golden", lambda: st.tuples(retyped(GOLDEN), st.sampled_from(["float32", "bfloat16"])), read_values),
        Surface("command-line", lines, read_line),
    )
}
