"""Names are looked up in the file that says them: its own functions, those that it imports, the catalogue's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gradproof.errors import UsageError
from gradproof.functions import all_functions, get_function
from gradproof.functions.registry import forget, meant

CAP = "cap = gp.function('cap', oracle=lambda m, x: {0} * m.tanh(x / {0}))\n"
HEAD = "import gradproof as gp\n"


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before, loaded = set(all_functions()), set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files of one size and second
    yield
    forget(set(all_functions()) - before)
    for name in set(sys.modules) - loaded:
        del sys.modules[name]


def module(folder: Path, name: str, text: str) -> ModuleType:
    (folder / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(HEAD + text)
    importlib.invalidate_caches()
    return importlib.import_module(name.replace("/", "."))


def called(name: str, file: ModuleType) -> Any:
    return meant(name, (vars(file),))


def test_each_file_means_its_own(tmp_path: Path) -> None:
    one, other = module(tmp_path, "one", CAP.format(30)), module(tmp_path, "other", CAP.format(10))
    assert called("cap", one) is one.cap
    assert called("cap", other) is other.cap
    assert one.cap.identity != other.cap.identity
    assert get_function("cap").identity == other.cap.identity  # nobody says whose: the one defined last


def test_a_file_does_not_mean_what_happens_to_be_loaded_beside_it(tmp_path: Path) -> None:
    module(tmp_path, "one", "\n\n" + CAP.format(30))
    lonely = module(tmp_path, "lonely", "x = 1\n")
    with pytest.raises(UsageError) as caught:
        called("cap", lonely)
    assert str(caught.value) == (
        "unknown function 'cap' in this file; one.py, line 4 defines one: import it from there and give it instead "
        "of its name"
    )


@pytest.mark.parametrize(
    "line", ["import one", "from one import cap", "from one import helper", "from one import Kind"]
)
def test_a_file_means_what_it_imports(line: str, tmp_path: Path) -> None:
    one = module(tmp_path, "one", CAP.format(30) + "def helper(): ...\nclass Kind: ...\n")
    module(tmp_path, "last", CAP.format(10))
    assert called("cap", module(tmp_path, "user", line)) is one.cap


def test_a_file_means_what_a_module_of_a_package_defines_that_it_imports(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    inner = module(tmp_path, "pack/inner", CAP.format(30))
    module(tmp_path, "last", CAP.format(10))
    assert called("cap", module(tmp_path, "user", "import pack.inner")) is inner.cap


def test_a_conftest_above_lends_its_functions(tmp_path: Path) -> None:
    conftest = module(tmp_path, "conftest", CAP.format(30))
    assert called("cap", module(tmp_path, "test_it", "")) is conftest.cap
    (tmp_path / "elsewhere").mkdir()
    sys.path.insert(0, str(tmp_path / "elsewhere"))
    try:
        (tmp_path / "elsewhere" / "conftest.py").write_text(HEAD + CAP.format(10))
        del sys.modules["conftest"]
        importlib.invalidate_caches()
        importlib.import_module("conftest")
    finally:
        sys.path.pop(0)
    assert called("cap", sys.modules["test_it"]) is conftest.cap


def test_a_factory_of_another_file_defines_for_the_file_that_binds_its_answer(tmp_path: Path) -> None:
    module(tmp_path, "factory", "def make(k):\n    return gp.function('cap', oracle=lambda m, x: k * m.tanh(x / k))\n")
    one, other = (module(tmp_path, f"by{k}", f"import factory\nkept = factory.make({k})\n") for k in (30, 10))
    assert called("cap", one) is one.kept
    assert called("cap", other) is other.kept
    assert one.kept.identity != other.kept.identity


def test_a_second_definition_in_a_file_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        module(tmp_path, "twice", CAP.format(30) + "\n\n" + CAP.format(10))
    assert str(caught.value) == (
        "twice.py, line 5: the function 'cap' is defined in line 2 of the same file already; give one of them another "
        "name"
    )


def test_a_file_that_is_run_again_may_define_its_functions_again(tmp_path: Path) -> None:
    one = module(tmp_path, "one", CAP.format(30))
    before = one.cap
    (tmp_path / "one.py").write_text(HEAD + "\n" + CAP.format(10))
    importlib.reload(one)
    assert called("cap", one) is one.cap
    assert one.cap.identity != before.identity


def test_functions_that_run_one_after_the_other_may_define_one_name(tmp_path: Path) -> None:
    tests = (f"def test_{k}():\n    {CAP.format(k)}    return cap\n" for k in (30, 10))
    file = module(tmp_path, "tests_of_it", "".join(tests))
    for test in (file.test_30, file.test_10, file.test_30):
        made = test()
        assert called("cap", file) is made


def test_the_catalogue_is_everybodys_and_its_names_are_taken(tmp_path: Path) -> None:
    assert called("relu", module(tmp_path, "plain", "x = 1\n")).identity == get_function("relu").identity
    with pytest.raises(UsageError, match="the function 'relu' is catalogued already; choose another name"):
        module(tmp_path, "taking", "gp.function('relu', oracle=lambda m, x: x)\n")
    other = module(tmp_path, "bound", "relu = gp.Function('relu', (lambda m, x: x,))\n")
    assert called("relu", other).identity == get_function("relu").identity


def test_a_misspelt_name_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown function 'rleu'; did you mean 'relu'\?"):
        called("rleu", module(tmp_path, "plain", "x = 1\n"))
