"""Golden files as people publish them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradproof.errors import UsageError
from gradproof.external.golden import parsed, read_golden
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32


@pytest.mark.parametrize(
    ("text", "bits", "exact"),
    [
        ("1", 0x3F800000, True),
        ("-0.0", 0x80000000, True),
        ("0.1", 0x3DCCCCCD, False),
        ("1e-45", 0x00000001, False),
        ("0x1.8p+0", 0x3FC00000, True),
        ("-0x1p-149", 0x80000001, True),
        ("0x3fc00000", 0x3FC00000, True),
        ("inf", 0x7F800000, True),
        ("-Infinity", 0xFF800000, True),
        ("NaN", 0x7FC00000, True),
        ("3.5e38", 0x7F800000, False),
        # A decimal just above the middle of two float32, which float64 would round to the middle first.
        ("1.00000005960464477540", 0x3F800001, False),
        ("1.000000059604644775390625", 0x3F800000, False),
    ],
)
def test_numbers_of_any_notation_are_rounded_once(text: str, bits: int, exact: bool) -> None:
    assert parsed(text, FLOAT32, "auto", "here") == (bits, exact)


def test_a_declared_notation_is_held_to() -> None:
    assert parsed("3f80", BFLOAT16, "bits", "here") == (0x3F80, True)
    assert parsed("0x3f80", BFLOAT16, "hex", "here") == (BFLOAT16.round(BFLOAT16.value(0x467E)), True)
    with pytest.raises(UsageError, match=r"here: expected a bit pattern of bfloat16 such as 0x7f7f, got '0x3f800000'"):
        parsed("0x3f800000", BFLOAT16, "bits", "here")
    with pytest.raises(UsageError, match=r"here: expected a number such as 0.5, 0x1p-1 or the bits 0x7f7f, got 'one'"):
        parsed("one", BFLOAT16, "auto", "here")
    with pytest.raises(UsageError, match="expected a decimal number"):
        parsed("0x1p0", BFLOAT16, "decimal", "here")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", "x,y\n1,2\n-1,0.5\n"),
        ("g.csv", "1;2\n-1;0.5\n"),
        ("g.csv", "# made by hand\nOutput,Input\n2,1\n0.5,-1\n"),
        ("g.csv", "1 2\n-1 0.5\n"),
        ("g.json", "[[1, 2], [-1.0, 0.5]]"),
        ("g.json", '[{"x": 1, "y": 2}, {"y": "0x1p-1", "x": -1}]'),
        ("g.json", '{"input": [1, "0xbc00"], "expected": [2, 5e-1]}'),
    ],
)
def test_layouts_that_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = read_golden(str(tmp_path / name), FLOAT16)
    assert found.inputs.tolist() == [0x3C00, 0xBC00]
    assert found.outputs.tolist() == [0x4000, 0x3800]
    assert found.moved == 0


def test_columns_are_named_and_rows_keep_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("# by hand\nv,ref,torch\n\n0.1,2,3\n")
    found = read_golden(str(path), FLOAT32, ("v", "torch"))
    assert (found.outputs.tolist(), found.lines, found.moved) == ([0x40400000], ("line 4",), 1)
    with pytest.raises(UsageError, match=r"expected the columns a, torch in .*, got v, ref, torch"):
        read_golden(str(path), FLOAT32, ("a", "torch"))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("g.csv", "x,y\n1\n", "line 2: expected an input and an output"),
        ("g.csv", "x,y\n1,abc\n", "line 2, output: expected a number such as"),
        ("g.csv", "", "got no row"),
        ("g.json", "[[1, 2, 3]]", "number 0: expected an input and an output"),
        ("g.json", "[[1, null]]", "number 0: expected numbers, got None"),
        ("g.json", '{"x": [1], "y": [1, 2]}', "two lists of one length"),
        ("g.json", "[[1, 2]", "which breaks"),
        ("g.json", "7", "as a list or an object"),
        ("g.txt", "1,2", "as .csv or .json"),
    ],
)
def test_what_is_no_golden_file_says_where(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as fault:
        read_golden(str(tmp_path / name), FLOAT32)
    assert told in str(fault.value)
