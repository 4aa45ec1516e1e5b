"""Every block of Python and every command of the pages runs in a test; those that do not are listed with the reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT
from tests.docs.sessions import Block, blocks, play, run
from tests.docs.test_commands import PAGES

IN_TESTS_OF_THEIR_OWN = {
    "docs/tour.md": "tests/docs/test_tour.py",
    "docs/anywhere.md": "tests/examples/test_elsewhere.py",
    "docs/formulas.md": "tests/docs/test_blocks.py",
}
"""Pages all of whose commands another test runs (of docs/anywhere.md but two, of 16 GiB)."""
PYTHON_IN_TESTS_OF_THEIR_OWN = {
    "README.md": "tests/examples/test_torch_docs.py",
    "docs/your-code.md": "tests/examples/test_torch_docs.py",
    "docs/anywhere.md": "tests/examples/test_torch_docs.py",
    "docs/explanations.md": "tests/properties/test_ledger.py",
    "docs/tour.md": "tests/docs/test_tour.py",
}
"""Pages all of whose Python another test runs."""

WHOLE = "a run over a catalogue, minutes to hours; the tests of the command line run it for a few functions"
CHECK = "all four formats take a minute; the tour runs it in one"
STUDY = "a minute and more; tests/studies runs it over small networks"
SWEEP = "2^24 inputs and more; tests/sweep runs smaller ranges"
NETWORK = "installs from a network; the tour's is looked up in pyproject.toml"
CLUSTER = "takes the machines of a cluster; tests/sweep and tests/engine have one of local processes"
LIBDEVICE = "takes the file of CUDA's libdevice; tests/backends/test_libdevice.py runs it where that is"
TRITON = "takes triton; tests/backends/test_triton.py runs the kernels of the example where that is"
COMPILED = "takes a compiler of C++ and half a minute; tests/properties/test_torch_compiled.py compiles small ones"
EVIDENCE = "makes the evidence anew; test_figures holds the file to the settings of these commands"
FILES = "runs in the example's folder, as docs/anywhere.md, whose test runs it"
PACK = "takes the package of examples/report_csv; tests/examples installs it"
NOT_HERE = {
    "README.md": {
        "pip install": NETWORK, "gradproof check": CHECK, "gradproof sweep": SWEEP, "gradproof vectors": FILES,
        "python accelerator.py": FILES, "gradproof judge": FILES,
        "gradproof explain": "test_tour runs it, and compares what it says",
    },
    "CONTRIBUTING.md": {
        "python -m venv": NETWORK, "pip install": NETWORK, "gradproof run --function NAME": "NAME is the reader's",
    },
    "docs/ci.md": {"gradproof check": CHECK},
    "docs/claims/zero-input.md": {"gradproof study relu-at-zero": STUDY},
    "docs/claims.md": {"gradproof run": WHOLE},
    "docs/command-line.md": {"gradproof check": CHECK, "tail": CHECK},
    "docs/evidence/answers.md": {
        "gradproof run": EVIDENCE, "gradproof combine": EVIDENCE,
        "python benchmarks/": "writes into docs/; test_figures compares what it would write",
    },
    "docs/evidence/relu-at-zero.md": {"gradproof study relu-at-zero": STUDY},
    "docs/explanations.md": {"gradproof run": WHOLE},
    "docs/extending.md": {"gradproof run": PACK, "gradproof report": PACK, "pytest": PACK},
    "docs/faq.md": {"gradproof run": "half a minute; the tests of the command line run narrower ones"},
    "docs/libdevice.md": {"pip install": NETWORK, "gradproof sweep": LIBDEVICE},
    "docs/pytest.md": {"pip install": NETWORK},
    "docs/scale.md": {
        "gradproof run --profile deep": WHOLE, "gradproof run --cluster": CLUSTER, "gradproof check": CLUSTER,
        "gradproof sweep silu": SWEEP, "pip install": NETWORK, "dask": CLUSTER,
        "gradproof sweep compiled.py": "a test below plays it, and compares what it says",
    },
    "docs/small-formats.md": {"gradproof check": "runs in the examples' folder; tests/examples/test_small_formats.py"},
    "docs/triton.md": {"pip install": NETWORK, "gradproof check": TRITON, "gradproof sweep": TRITON},
    "docs/your-code.md": {"gradproof run": COMPILED, "gradproof check": COMPILED, "gradproof repro": COMPILED},
}  # fmt: skip
"""How the commands of a page begin that are not run, and why."""
EXIT = {"gradproof sweep mine.py": 1}
"""How commands begin that end otherwise than with 0: the README's SiLU fails."""


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def of_pages(*languages: str) -> list[tuple[str, Block]]:
    """The blocks of the pages in some languages."""
    return [(named(page), b) for page in PAGES for b in blocks(page.read_text("utf-8")) if b.language in languages]


COMMANDS = [
    (page, command)
    for page, block in of_pages("console", "bash")
    if page not in IN_TESTS_OF_THEIR_OWN
    for command, _ in block.commands
]
HERE = [(page, c) for page, c in COMMANDS if not c.startswith(tuple(NOT_HERE.get(page, ())))]
PYTHON = [(page, block.body) for page, block in of_pages("python") if page not in PYTHON_IN_TESTS_OF_THEIR_OWN]

KERNELS = """
import pytest
import torch


@pytest.mark.gradproof("silu", backend="torch:cpu", formats=["bfloat16"], orders=[1], properties=["accuracy"])
def my_silu(x):
    return torch.nn.functional.silu(x)


def test_another():
    assert my_silu(torch.zeros(1)) == 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name: results of runs, a kernel, a test of one."""
    made = tmp_path_factory.mktemp("pages")
    for name in ("results", "base", "head", "cpu", "cuda"):
        shutil.copy(ROOT / "docs/evidence/answers.json", made / f"{name}.json")
    readme = blocks((ROOT / "README.md").read_text("utf-8"))
    (made / "mine.py").write_text(next(b.body for b in readme if b.file == "mine.py"), "utf-8")
    (made / "tests").mkdir()
    (made / "tests" / "test_kernels.py").write_text(KERNELS, "utf-8")
    return made


@pytest.mark.framework("torch")
@pytest.mark.parametrize(("page", "command"), HERE, ids=[f"{page}: {command}" for page, command in HERE])
def test_a_command_of_a_page_runs(page: str, command: str, folder: Path) -> None:
    status, output = run(command, folder)
    due = next((status for begun, status in EXIT.items() if command.startswith(begun)), 0)
    assert status == due, "\n".join(output)
    assert output


@pytest.mark.parametrize("page", NOT_HERE)
def test_what_is_not_run_is_on_its_page(page: str) -> None:
    there = [command for name, command in COMMANDS if name == page]
    unknown = [begun for begun in NOT_HERE[page] if not any(command.startswith(begun) for command in there)]
    assert unknown == []


@pytest.mark.parametrize(
    ("page", "test"), [*IN_TESTS_OF_THEIR_OWN.items(), *PYTHON_IN_TESTS_OF_THEIR_OWN.items()], ids=str
)
def test_the_tests_that_run_whole_pages_are_there(page: str, test: str) -> None:
    text = (ROOT / test).read_text("utf-8")
    assert Path(page).name in text


PRELUDES = {
    "docs/scale.md": "from concurrent.futures import ThreadPoolExecutor\n\nexecutor = ThreadPoolExecutor(1)\n",
    "docs/formulas.md": (
        "import numpy as np\n\nfrom gradproof.formats import get_format\n\nfmt = get_format('bfloat16')\n"
        "bits = got = np.array([0x3F80], np.uint16)\n"
    ),
    "docs/pytest.md": "import pytest\nimport torch\n\nimport gradproof\n\nMyGELU = torch.nn.GELU\n",
}
"""What a page's Python leaves to the reader."""


@pytest.mark.framework("torch")
@pytest.mark.parametrize(("page", "body"), PYTHON, ids=[f"{page}: {n}" for n, (page, _) in enumerate(PYTHON)])
def test_python_of_a_page_runs(page: str, body: str, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(PRELUDES.get(page, "") + body, "utf-8")
    done = subprocess.run([sys.executable, "block.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout) == ("print(" in body)


@pytest.mark.framework("torch")
def test_the_formulas_are_ranked_as_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs/formulas.md").read_text("utf-8")
    _, faults = play(page, tmp_path, "formulas")
    assert not faults, "\n\n".join(["run: python -m tests.docs.sessions docs/formulas.md formulas", *faults])


@pytest.mark.framework("torch")
def test_two_modes_differ_as_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs/scale.md").read_text("utf-8")
    _, faults = play(page, tmp_path, "sweep compiled.py")
    assert not faults, "\n\n".join(["run: python -m tests.docs.sessions docs/scale.md 'sweep compiled.py'", *faults])


def test_there_are_no_commands_outside_consoles() -> None:
    plain = [block.body for _, block in of_pages("text", "sh", "shell")]
    assert [body for body in plain if "$ gradproof" in body] == []
    unnamed = [named(page) for page in PAGES if "\n\n```\n$ " in page.read_text("utf-8")]
    assert unnamed == []


def test_pages_whose_commands_run_are_many() -> None:
    assert {page for page, _ in HERE} >= {"README.md", "docs/ci.md", "docs/faq.md", "docs/pytest.md", "docs/scale.md"}
    assert [reason for told in NOT_HERE.values() for reason in told.values() if len(reason) < 15] == []
