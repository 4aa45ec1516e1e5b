"""Arrays of bit patterns in files of others' making: what is read, what is written, and what is refused."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.external.vector_files import opened, spooled, write
from gradproof.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, Format

ONES = {BFLOAT16: 0x3F80, FLOAT16: 0x3C00, FLOAT32: 0x3F800000, FLOAT64: 0x3FF0000000000000, FLOAT8_E4M3FN: 0x38}
"""The bits of 1.0, from IEEE 754 and OFP8."""


def bits_of(path: Path, fmt: Format) -> list[int]:
    file = opened(str(path), (fmt,), "results")
    return [int(b) for b in file.read(0, file.count)]


@pytest.mark.parametrize("fmt", ONES, ids=lambda f: f.name)
@pytest.mark.parametrize("suffix", [".bin", ".raw", ".npy", ".safetensors"])
def test_what_is_written_is_read_again(tmp_path: Path, fmt: Format, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    dtype = np.dtype(f"u{fmt.width // 8}")
    write(str(path), fmt, 3, [np.array([ONES[fmt], 0], dtype), np.array([fmt.sign_bit], dtype)])
    assert bits_of(path, fmt) == [ONES[fmt], 0, fmt.sign_bit]


@pytest.mark.parametrize("fmt", ONES, ids=lambda f: f.name)
def test_numpy_reads_what_is_written_for_it(tmp_path: Path, fmt: Format) -> None:
    path = tmp_path / "in.npy"
    write(str(path), fmt, 1, [np.array([ONES[fmt]], f"u{fmt.width // 8}")])
    found = np.load(path)
    if fmt in (FLOAT16, FLOAT32, FLOAT64):
        assert found.tolist() == [1.0]
        assert found.dtype == fmt.name
    else:
        assert found.view(f"u{fmt.width // 8}").tolist() == [ONES[fmt]]


@pytest.mark.parametrize(
    ("saved", "fmt"),
    [
        (np.array([1.0, -0.0], "<f4"), FLOAT32),
        (np.array([[1.0], [-0.0]], "<f8"), FLOAT64),
        (np.array([1.0, -0.0], "<f2"), FLOAT16),
        (np.array([1.0, -0.0], ml_dtypes.bfloat16), BFLOAT16),
        (np.array([1.0, -0.0], ml_dtypes.float8_e4m3fn), FLOAT8_E4M3FN),
        (np.array([0x3F80, 0x8000 - 0x10000], "<i2"), BFLOAT16),
        (np.array([0x3F800000, 0x80000000], "<u4"), FLOAT32),
    ],
    ids=lambda value: getattr(value, "name", None) or str(value.dtype),
)
def test_arrays_that_numpy_saves_are_read_as_their_bits(tmp_path: Path, saved: np.ndarray, fmt: Format) -> None:
    path = tmp_path / "out.npy"
    np.save(path, saved)
    assert bits_of(path, fmt) == [ONES[fmt], fmt.sign_bit]


def safetensors(path: Path, tensors: dict[str, tuple[str, bytes]]) -> None:
    """A file as the format's own page describes it."""
    table, data = {"__metadata__": {"made": "by hand"}}, b""
    for name, (kind, content) in tensors.items():
        size = {"F32": 4, "BF16": 2, "F8_E4M3": 1, "I16": 2, "BOOL": 1}[kind]
        ends = [len(data), len(data) + len(content)]
        table[name] = {"dtype": kind, "shape": [len(content) // size], "data_offsets": ends}  # type: ignore[dict-item]
        data += content
    head = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def test_a_tensor_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    safetensors(path, {"y": ("BF16", b"\x80\x3f\x00\x80"), "z": ("I16", b"\x00\x00")})
    file = opened(f"{path}:y", (BFLOAT16,), "results")
    assert file.read(0, 2).tolist() == [0x3F80, 0x8000]
    assert file.at(np.array([1, 0, 1])).tolist() == [0x8000, 0x3F80, 0x8000]
    with pytest.raises(UsageError, match=r"in one tensor of .*, got 2; name one as .*:NAME, out of y, z"):
        opened(str(path), (BFLOAT16,), "results")
    with pytest.raises(UsageError, match="got no 'x'"):
        opened(f"{path}:x", (BFLOAT16,), "results")


def refused(path: Path, content: bytes, fmt: Format = BFLOAT16) -> str:
    path.write_bytes(content)
    with pytest.raises(UsageError) as fault:
        opened(str(path), (fmt,), "results")
    return str(fault.value)


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_what_cannot_be_meant_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    npy, raw, tensors = tmp_path / "a.npy", tmp_path / "a.bin", tmp_path / "a.safetensors"
    whole = saved(np.zeros(100, "<u2"))
    assert "5 bytes, which is no multiple: it is cut off" in refused(raw, b"12345")
    assert "expected 100 results in" in refused(npy, whole[:-20])
    assert "got 90: it is cut off" in refused(npy, whole[:-20])
    assert "cannot be read" in refused(npy, whole[:40])
    # NumPy hands a header to Python's tokenizer, whose own error comes out.
    assert "cannot be read: ('EOF in multi-line statement'" in refused(npy, whole[:40].ljust(len(whole), b"\x00"))
    assert "cannot be read" in refused(npy, b"")
    assert "as bfloat16, or its bit patterns as integers of 16 bits, got the type <f4" in refused(
        npy, saved(np.zeros(2, "<f4"))
    )
    assert "got the type <f2" in refused(npy, saved(np.zeros(2, "<f2")))
    assert "as little-endian numbers, got >u2" in refused(npy, saved(np.zeros(2, ">u2")))
    assert "got the type |b1" in refused(npy, saved(np.zeros(2, bool)))
    assert "in C order" in refused(npy, saved(np.asfortranarray(np.zeros((2, 2), "<u2"))))
    assert "Python objects, which are not loaded" in refused(npy, saved(np.array([None], object)))
    assert "cannot be read" in refused(tensors, b"\xff" * 8 + b"{}")
    assert "cannot be read" in refused(tensors, struct.pack("<Q", 2) + b"[]")
    safetensors(tensors, {"y": ("BOOL", b"\x00")})
    assert "got the type BOOL" in refused(tensors, tensors.read_bytes())
    safetensors(tensors, {"y": ("BF16", b"\x00" * 8)})
    assert "got 3: it is cut off" in refused(tensors, tensors.read_bytes()[:-1])
    (tmp_path / "a.txt").write_text("1")
    with pytest.raises(UsageError, match=r"as \.bin, \.raw, \.npy, \.safetensors or - "):
        opened(str(tmp_path / "a.txt"), (BFLOAT16,), "results")
    with pytest.raises(UsageError, match="a folder and no regular file"):
        opened(str(tmp_path), (BFLOAT16,), "results")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        opened(str(tmp_path / "absent.npy"), (BFLOAT16,), "results")


def test_a_file_that_shrinks_while_it_is_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    file = opened(str(path), (BFLOAT16,), "results")
    path.write_bytes(bytes(4))
    with pytest.raises(UsageError, match="became shorter while it was read"):
        file.read(0, 4)


@pytest.mark.parametrize("mapped", [1 << 28, 1])
def test_single_results_are_those_of_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: int) -> None:
    monkeypatch.setattr("gradproof.external.vector_files.MAPPED", mapped)
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1000, dtype="<u2"))
    file = opened(str(path), (BFLOAT16,), "results")
    assert file.at(np.array([7, 999, 0])).tolist() == [7, 999, 0]
    path.write_bytes(path.read_bytes()[:-2])
    if mapped == 1:  # a mapped file that shrinks is refused by NumPy
        with pytest.raises(UsageError, match="became shorter"):
            file.at(np.array([999]))


def test_a_stream_is_kept_in_a_file(tmp_path: Path) -> None:
    path = spooled(io.BytesIO(b"\x80\x3f"), tmp_path / "new" / "in.bin")
    assert bits_of(path, BFLOAT16) == [0x3F80]
