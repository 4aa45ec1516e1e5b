"""Two files with functions of one name: each implementation is judged by the function that its own file means."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradproof.engine.properties.installed import forget_properties
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.errors import UsageError
from gradproof.functions import all_functions
from gradproof.functions.registry import forget
from gradproof.measure.contracts import forget_contracts
from gradproof.results.model import RunResult
from gradproof.sweep.api import run_sweep
from gradproof.sweep.judging.implementations import resolve
from gradproof.sweep.running.folder import Folder, folder_path
from gradproof.sweep.targets import Wanted, plan

DEFINED = """
import gradproof as gp
import numpy as np

cap = gp.function("cap", oracle=lambda m, x: {0} * m.tanh(x / {0}), odd=True, monotone=True, range=(-{0}, {0}),
                  limits=((-{0}, 0, 0), ({0}, 0, 0)))
"""
TENS = """
@gp.implements({}, backend="numpy", formats=["float16"])
def tens(x):
    return (10 * np.tanh(x.astype(np.float64) / 10)).astype(x.dtype)
"""
"""Right where cap is 10 tanh(x/10). Where it is 30 tanh(x/30), results above 10 are missing."""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(all_functions())
    yield
    forget(set(all_functions()) - before)
    forget_properties(["within-ten"])
    forget_contracts(["kernels"])
    for name in ("kernels", "kernels.functions", "lie", "true", "b"):  # pytester's sessions have modules of these names
        sys.modules.pop(name, None)


def written(folder: Path, stem: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.py").write_text(text)
    return str(folder / f"{stem}.py")


def judged(*files: str, jobs: int = 0, **more: object) -> RunResult:
    chosen = {"orders": (0,), "properties": ("accuracy",), "profile": "quick", "jobs": jobs, **more}
    return run(Selection(files=files, **chosen))  # type: ignore[arg-type]


def statuses(result: RunResult) -> dict[str, str]:
    return {c.implementation: c.status for c in result.cells}


@pytest.mark.parametrize("given", ["cap", '"cap"'], ids=["as an object", "by its name"])
@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("jobs", [0, 2])
def test_each_file_has_the_verdict_that_it_has_alone(jobs: int, turn: int, given: str, tmp_path: Path) -> None:
    lie = written(tmp_path, "lie", DEFINED.format(30) + TENS.format(given))
    true = written(tmp_path, "b", DEFINED.format(10) + TENS.format(given))
    result = judged(*[lie, true][::turn], jobs=jobs)
    assert statuses(result) == {"lie:tens": "fail", "b:tens": "pass"}
    failing = next(c.certificate for c in result.cells if c.status == "fail")
    assert failing is not None
    assert failing.got is not None
    assert failing.expected is not None
    assert float(failing.expected.decimal) > 10 >= float(failing.got.decimal)
    assert f"--file {lie}" in failing.reproduce
    if not jobs:
        assert [statuses(judged(file)) for file in (lie, true)] == [{"lie:tens": "fail"}, {"b:tens": "pass"}]


@pytest.mark.parametrize("turn", [1, -1])
def test_modules_of_one_name_beside_two_files_stay_with_their_file(turn: int, tmp_path: Path) -> None:
    files = []
    for stem, size in (("lie", 30), ("true", 10)):
        (tmp_path / stem / "kernels").mkdir(parents=True)
        (tmp_path / stem / "kernels" / "__init__.py").touch()
        written(tmp_path / stem / "kernels", "functions", DEFINED.format(size))
        head = "import gradproof as gp\nimport numpy as np\nfrom kernels.functions import cap\n"
        files.append(written(tmp_path / stem, stem, head + TENS.format("cap")))
    assert statuses(judged(*files[::turn])) == {"lie:tens": "fail", "true:tens": "pass"}


def test_two_files_that_results_would_call_alike_are_refused_by_their_places(tmp_path: Path) -> None:
    files = [
        written(tmp_path / d, "kernels", DEFINED.format(n) + TENS.format("cap")) for d, n in (("a", 30), ("b", 10))
    ]
    with pytest.raises(UsageError) as caught:
        judged(*files)
    assert str(caught.value) == (
        f"expected one implementation of cap called 'kernels:tens' on numpy, got two, from {files[0]} and {files[1]}, "
        "which results call by one name; tell them apart by name="
    )
    with pytest.raises(UsageError, match="called 'kernels:tens' on numpy, got two, from"):
        run_sweep(files, backend="numpy", format="float16", workers=0, folder=tmp_path / "sweeps")


def test_files_of_one_stem_with_other_callables_are_two_and_named_by_their_places(tmp_path: Path) -> None:
    fives = TENS.replace("tens", "fives").replace("10", "5").format("cap")
    lie = written(tmp_path / "a", "kernels", DEFINED.format(30) + TENS.format("cap"))
    other = written(tmp_path / "b", "kernels", DEFINED.format(10) + fives)
    result = judged(lie, other)
    assert statuses(result) == {"kernels:tens": "fail", "kernels:fives": "fail"}
    commands = {c.implementation: c.certificate.reproduce for c in result.cells if c.certificate}
    assert f"--file {lie}" in commands["kernels:tens"]
    assert f"--file {other}" in commands["kernels:fives"]


def test_a_name_that_only_another_file_defines_is_unknown_in_any_order(tmp_path: Path) -> None:
    lender = written(tmp_path, "lender", DEFINED.format(10) + TENS.format("cap"))
    user = written(tmp_path, "user", "import gradproof as gp\nimport numpy as np\n" + TENS.format('"cap"'))
    for files in itertools.permutations([lender, user]):
        with pytest.raises(UsageError, match="unknown function 'cap'"):
            judged(*files)
        forget(["cap"])


def test_a_second_definition_in_a_file_is_refused_with_both_lines(tmp_path: Path) -> None:
    twice = written(tmp_path, "twice", DEFINED.format(30) + TENS.format("cap") + DEFINED.format(10))
    with pytest.raises(
        UsageError, match=r"twice\.py, line 15: the function 'cap' is defined in line 5 of the same file"
    ):
        judged(twice)


def test_a_function_object_under_a_catalogued_name_is_refused(tmp_path: Path) -> None:
    own = "import gradproof as gp\nimport numpy as np\nrelu = gp.Function('relu', (lambda m, x: x,))\n"
    with pytest.raises(UsageError, match="the function 'relu' is catalogued already; choose another name"):
        judged(written(tmp_path, "own", own + TENS.format("relu")))


def test_a_property_about_a_function_is_not_about_its_namesake(tmp_path: Path) -> None:
    bounded = """
@gp.property("within-ten", statement="The result is at most 10.", functions={})
def within_ten(x, y):
    return (abs(y) <= 10) | (x != x)
"""
    thirty = TENS.replace("10", "30").replace("tens", "thirties").format("cap")
    for given in ("cap", "'cap'"):
        files = [
            written(tmp_path, "ten", DEFINED.format(10) + bounded.format(given) + TENS.format("cap")),
            written(tmp_path, "thirty", DEFINED.format(30) + thirty),
        ]
        for order in itertools.permutations(files):
            assert statuses(judged(*order, properties=("within-ten",))) == {"ten:tens": "pass"}


@pytest.mark.parametrize("given", ["kernels", '"kernels"'], ids=["as an object", "by its name"])
@pytest.mark.parametrize("turn", [1, -1])
def test_each_file_is_held_to_its_own_contract(turn: int, given: str, tmp_path: Path) -> None:
    # relu times 1 - 2^-8 is off by 4 to 8 ulp of float16's 11 bits, and half an ulp of rounding.
    text = """
import gradproof as gp
import numpy as np

kernels = gp.contract("kernels", metric="u", bounds={})

@gp.implements("relu", backend="numpy", formats=["float16"], contract={})
def nudged(x):
    return np.maximum(x * np.float16(1 - 2**-8), np.zeros_like(x))
"""
    files = [written(tmp_path, stem, text.format(u, given)) for stem, u in (("lax", 9), ("tight", 7))]
    assert statuses(judged(*files[::turn])) == {"lax:nudged": "pass", "tight:nudged": "fail"}
    swept = run_sweep(files[::turn], backend="numpy", format="float16", workers=0, folder=tmp_path / "sweeps")
    assert statuses(swept) == {"lax:nudged": "pass", "tight:nudged": "fail"}


@pytest.mark.parametrize("turn", [1, -1])
def test_a_sweep_judges_each_file_by_its_own_function(turn: int, tmp_path: Path) -> None:
    lie = written(tmp_path, "lie", DEFINED.format(30) + TENS.format('"cap"'))
    true = written(tmp_path, "b", DEFINED.format(10) + TENS.format('"cap"'))
    for names in ([lie, true], ["cap", lie, true]):
        result = run_sweep(names[::turn], backend="numpy", format="float16", workers=0, folder=tmp_path / "sweeps")
        assert statuses(result) == {"lie:tens": "fail", "b:tens": "pass"}


def test_a_sweep_refuses_another_function_of_the_name_where_it_works_and_where_it_goes_on(tmp_path: Path) -> None:
    file = written(tmp_path, "b", DEFINED.format(10) + TENS.format("cap"))
    (job,) = plan(Wanted((file,), backends=("numpy",), formats=("float16",))).jobs
    function, implementation = resolve(job.target)
    assert function.digest == implementation.specification.digest == job.target.definition
    other = replace(job.target, definition=hashlib.sha256(b"30 tanh(x/30)").hexdigest())
    with pytest.raises(
        UsageError, match="defines cap otherwise here than where cap-numpy-cpu-float16-order0 was planned"
    ):
        resolve(other)
    first = Folder(folder_path(job.target, 0, 1, tmp_path), {"target": job.target.to_json()})
    with first:
        pass
    again = Folder(folder_path(other, 0, 1, tmp_path), {"target": other.to_json()})
    assert again.path == first.path
    with (
        pytest.raises(UsageError, match=r"was made by another sweep: target definition is .* there and .* here"),
        again,
    ):
        pass
