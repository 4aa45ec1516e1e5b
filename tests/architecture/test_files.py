"""Between files: no import leads back to where it came from, what is private stays so, no two classes share a name."""

from __future__ import annotations

import pytest

from tests.architecture.imports import circles, file_of, modules, private_imports, repeated_classes

CIRCLES = [
    ({"p.a": "import p.b", "p.b": "import p.a"}, [["p.a", "p.b"]]),
    ({"p.a": "from p import b", "p.b": "from p.a import name"}, [["p.a", "p.b"]]),
    ({"p.a": "import p.b", "p.b": "import p.c", "p.c": "def f():\n    import p.a"}, [["p.a", "p.b", "p.c"]]),
    ({"p.a": "import p.b", "p.b": "if TYPE_CHECKING:\n    from p.a import A"}, [["p.a", "p.b"]]),
    ({"p.a": "import p.b", "p.b": "importlib.import_module('p.a')"}, [["p.a", "p.b"]]),
    (
        {"p.a": "import p.b", "p.b": "import p.a", "q.a": "import p.a, q.b", "q.b": "import q.a"},
        [["p.a", "p.b"], ["q.a", "q.b"]],
    ),
    ({"p.a": "import p.b, p.c", "p.b": "import p.c", "p.c": "import torch"}, []),
]

PRIVATE = [
    ("p.a.x", "from p.b.y import _name", "p.a.x:1 imports _name, which is private to p.b"),
    ("p.a.x", "def f():\n    from p.b.y import _name", "p.a.x:2 imports _name, which is private to p.b"),
    ("p.a.x", "from p.b import _y", "p.a.x:1 imports _y, which is private to p.b"),
    ("p.b.y", "from p.b import _z", ""),
    ("p.a.x", "from p.a.z import _name", ""),
    ("p.a.x", "from p.b.y import name, __version__", ""),
    ("p.a.x", "from other import _name", ""),
]
KNOWN = ("p", "p.a", "p.a.x", "p.a.z", "p.b", "p.b.y")


@pytest.mark.parametrize(("texts", "due"), CIRCLES)
def test_a_circle_is_named_by_its_files(texts: dict[str, str], due: list[list[str]]) -> None:
    assert circles(texts) == due


@pytest.mark.parametrize(("module", "text", "why"), PRIVATE)
def test_a_private_name_of_another_folder_is_named(module: str, text: str, why: str) -> None:
    assert private_imports(module, text, KNOWN) == ([why] if why else [])


def test_a_class_that_two_files_define_is_named_with_both() -> None:
    texts = {"p.a": "class Row: ...\nclass A: ...", "p.b": "def f():\n    class Row: ...", "p.c": "class B: ..."}
    assert repeated_classes(texts) == ["Row is defined in p.a and in p.b"]
    assert repeated_classes({"p.a": "class Row: ...\nclass Row: ..."}) == ["Row is defined in p.a and in p.a"]


def test_an_import_reaches_the_file_that_holds_the_name() -> None:
    assert file_of("p.b.y.name", KNOWN) == "p.b.y"
    assert file_of("torch.nn", KNOWN) == ""


def test_no_two_files_import_each_other() -> None:
    assert circles({name: file.read_text("utf-8") for name, file in modules().items()}) == []


@pytest.mark.parametrize("room", ["engine", "sweep", "formulas", "backends"])
def test_no_two_rooms_of_a_folder_import_each_other(room: str) -> None:
    inside = f"gradproof.{room}."
    texts: dict[str, str] = {}
    for name, file in modules().items():
        if name.startswith(inside):
            inner, _, rest = name.removeprefix(inside).partition(".")
            if rest or file.stem == "__init__":
                texts[inside + inner] = texts.get(inside + inner, "") + file.read_text("utf-8") + "\n"
    assert len(texts) > 1
    assert circles(texts) == []


def test_what_is_private_to_a_folder_is_imported_there_alone() -> None:
    found = modules()
    broken = [line for name, file in found.items() for line in private_imports(name, file.read_text("utf-8"), found)]
    assert not broken, "\n".join(broken)


def test_no_two_classes_share_a_name() -> None:
    assert repeated_classes({name: file.read_text("utf-8") for name, file in modules().items()}) == []
