"""Files that hold an array of bit patterns: raw little-endian (.bin, .raw), NumPy's .npy, and .safetensors.

A file is opened by its header alone and read in parts, so that 16 GB take no memory. NumPy has no bfloat16 and no
8-bit numbers: what ``ml_dtypes`` saves comes as voids of the same width (``|V2``), and integers of the width are taken
as bit patterns of whatever format is expected.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from gradproof.errors import UsageError, WriteError
from gradproof.files.destinations import STDOUT, kind_of
from gradproof.formats import Format, get_format
from gradproof.formats.arrays import Bits, storage

RAW: Final = (".bin", ".raw")
NPY: Final = ".npy"
SAFETENSORS: Final = ".safetensors"
SUFFIXES: Final = (*RAW, NPY, SAFETENSORS)
SAFETENSORS_TYPES: Final = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
"""https://github.com/huggingface/safetensors, the formats that are judged here; U8 to U64 and I8 to I64 are bits."""
INTEGERS: Final = {f"{kind}{width}": width for kind in "UI" for width in (8, 16, 32, 64)}
MAPPED: Final = 1 << 28
"""Bytes up to which a file is mapped into memory for single results."""
LONGEST_HEADER: Final = 100_000_000
"""Bytes, the limit of the safetensors format itself."""


@dataclass(frozen=True)
class VectorFile:
    """``count`` bit patterns of ``format``, little-endian, from byte ``offset`` of the file at ``path`` on."""

    path: Path
    format: Format
    offset: int
    count: int

    def read(self, first: int, count: int) -> Bits:
        """The patterns ``first`` to ``first + count - 1``; OSError and UsageError where the file has changed."""
        dtype = storage(self.format)
        found = np.fromfile(self.path, dtype.newbyteorder("<"), count, offset=self.offset + first * dtype.itemsize)
        if found.size != count:
            raise UsageError(f"{self.path} became shorter while it was read; expected {self.count:,} results in it")
        return found.astype(dtype, copy=False)

    def at(self, positions: Any) -> Bits:
        """The patterns at ``positions``, int64 of shape (n,)."""
        dtype = storage(self.format)
        if not self.count:
            return np.empty(0, dtype)
        if self.count * dtype.itemsize > MAPPED:
            return self._one_by_one(np.asarray(positions), dtype)
        mapped = np.memmap(self.path, dtype.newbyteorder("<"), "r", self.offset, (self.count,))
        return np.ascontiguousarray(mapped[positions]).astype(dtype, copy=False)

    def _one_by_one(self, positions: Any, dtype: np.dtype[Any]) -> Bits:
        """Each read for itself: mapped pages of a large file, with what is read ahead, would fill the memory."""
        size = dtype.itemsize
        with self.path.open("rb", buffering=0) as stream:
            parts = [os.pread(stream.fileno(), size, self.offset + int(p) * size) for p in positions]
        content = b"".join(parts)
        if len(content) != size * len(parts):
            raise UsageError(f"{self.path} became shorter while it was read; expected {self.count:,} results in it")
        return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)


def opened(path: str, formats: Sequence[Format], what: str) -> VectorFile:
    """The array in the file at ``path``, of one of ``formats``: the first one that its type and its size fit.

    Of a .safetensors file with several tensors one is named as ``FILE.safetensors:NAME``. ``what`` names the array in
    errors (``inputs``). Raises UsageError for a file that is missing, cut off, of another type or of no known kind.
    """
    file, tensor = _split(path)
    size = _size(file, what)
    suffix = file.suffix.lower()
    if suffix in RAW:
        return _raw(file, size, formats, what)
    if suffix == NPY:
        return _npy(file, size, formats, what)
    if suffix == SAFETENSORS:
        return _safetensors(file, tensor, size, formats, what)
    raise UsageError(f"expected {what} as {', '.join(SUFFIXES)} or - for raw bits on standard input, got {path!r}")


def spooled(source: IO[bytes], path: Path) -> Path:
    """Raw bits from a stream, written to ``path``: they are read more than once. WriteError for a full disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except OSError as fault:
        why = fault.strerror or str(fault)
        raise WriteError(f"what came on standard input could not be kept at {path}: {why}", why) from fault
    return path


def write(path: str, fmt: Format, count: int, parts: Iterable[Bits]) -> None:
    """Write ``count`` bit patterns of ``fmt``, which come in ``parts``, as the name of ``path`` says; - is raw stdout.

    A .npy file holds unsigned integers of the format's width, which every program can read, or the numbers themselves
    for float16, float32 and float64. Raises UsageError for another ending and a place that cannot be written,
    WriteError where writing fails on the way.
    """
    if path == STDOUT:
        _write(sys.stdout.buffer, b"", parts, path)
        return
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"expected a file that ends in {', '.join(SUFFIXES)}, or - for raw bits, got {path!r}")
    head = b"" if suffix in RAW else npy_head(fmt, count) if suffix == NPY else safetensors_head(fmt, count)
    try:
        with Path(path).open("wb") as target:
            _write(target, head, parts, path)
    except OSError as fault:
        raise UsageError(
            f"expected a place for the vectors, but {path} cannot be written: {fault.strerror or fault}"
        ) from fault


def npy_head(fmt: Format, count: int) -> bytes:
    """The header of a .npy file of version 1.0 (numpy.lib.format)."""
    own = {"float64": "<f8", "float32": "<f4", "float16": "<f2"}
    kind = own.get(fmt.name, f"<u{fmt.stored_bytes}" if fmt.width > 8 else "|u1")
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


def safetensors_head(fmt: Format, count: int) -> bytes:
    """The header of a .safetensors file with one tensor, ``vectors``."""
    kind = next(name for name, own in SAFETENSORS_TYPES.items() if own == fmt.name)
    tensor = {"dtype": kind, "shape": [count], "data_offsets": [0, count * fmt.stored_bytes]}
    text = json.dumps({"vectors": tensor}).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write(target: IO[bytes], head: bytes, parts: Iterable[Bits], path: str) -> None:
    try:
        target.write(head)
        for part in parts:
            target.write(part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes())
        target.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        return
    except OSError as fault:
        why = fault.strerror or str(fault)
        raise WriteError(f"the vectors could not be written to {path}: {why}", why) from fault


def _split(path: str) -> tuple[Path, str]:
    """``FILE.safetensors:NAME`` in its two parts."""
    file, found, tensor = path.partition(f"{SAFETENSORS}:")
    return (Path(file + SAFETENSORS), tensor) if found and not Path(path).exists() else (Path(path), "")


def _size(file: Path, what: str) -> int:
    try:
        found = file.stat()
    except (OSError, ValueError) as fault:  # ValueError: a path with a null character
        why = getattr(fault, "strerror", None) or fault
        raise UsageError(f"expected {what} at {file}, but it cannot be read: {why}") from fault
    if kind := kind_of(found.st_mode):
        hint = "; name a file in it" if stat.S_ISDIR(found.st_mode) else "; - reads raw bits from standard input"
        raise UsageError(f"expected {what} at {file}, which is {kind} and no regular file{hint}")
    if not os.access(file, os.R_OK):
        raise UsageError(f"expected {what} at {file}, but it cannot be read: permission denied")
    return found.st_size


def _names(formats: Sequence[Format]) -> str:
    return " or ".join(f.name for f in formats)


def _raw(file: Path, size: int, formats: Sequence[Format], what: str) -> VectorFile:
    fmt = formats[0]
    if size % (fmt.stored_bytes):
        raise UsageError(
            f"expected {what} in {file} as {fmt.stored_bytes} bytes each ({fmt.name}), got {size:,} bytes, which is no "
            "multiple: it is cut off, or of another format"
        )
    return VectorFile(file, fmt, 0, size // fmt.stored_bytes)


def _checked(
    file: Path, size: int, kind: tuple[str | None, int], shown: str, formats: Sequence[Format], where: tuple[int, int],
    what: str,
) -> VectorFile:  # fmt: skip
    """The array whose type is ``kind``: a format by name and width, or of integers the width alone.

    ``where``: the offset of the first element, and how many there are.
    """
    name, width = kind
    fitting = [f for f in formats if name == f.name or (name is None and width == 8 * f.stored_bytes)]
    if not fitting:
        raise UsageError(
            f"expected {what} in {file} as {_names(formats)}, or its bit patterns as integers of "
            f"{' or '.join(dict.fromkeys(str(8 * f.stored_bytes) for f in formats))} bits, got {shown}"
        )
    offset, count = where
    have = (size - offset) // (width // 8)
    if have < count:
        raise UsageError(
            f"expected {count:,} {what} in {file}, as its header says, got {max(have, 0):,}: it is cut off"
        )
    return VectorFile(file, fitting[0], offset, count)


def _npy(file: Path, size: int, formats: Sequence[Format], what: str) -> VectorFile:
    try:
        with file.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
            offset = stream.tell()
    except Exception as fault:  # NumPy has Python's own parser read the header, which raises whatever it likes
        why = " ".join(str(fault).split())[:120]
        raise UsageError(f"expected {what} as an array of NumPy's in {file}, which cannot be read: {why}") from fault
    if dtype.hasobject:
        raise UsageError(f"expected {what} in {file} as {_names(formats)}, got Python objects, which are not loaded")
    if fortran and len(shape) > 1:
        raise UsageError(f"expected {what} in {file} in C order, got an array of shape {shape} in Fortran order")
    if dtype.byteorder == ">" and dtype.itemsize > 1:
        raise UsageError(f"expected {what} in {file} as little-endian numbers, got {dtype.str}; use array.byteswap()")
    own = {"float64", "float32", "float16"}
    name = dtype.name if dtype.name in own else None
    fits = name or dtype.kind in "uiV"
    kind = (name, 8 * dtype.itemsize) if fits and dtype.names is None else ("", 8 * max(dtype.itemsize, 1))
    return _checked(file, size, kind, f"the type {dtype.str}", formats, (offset, math.prod(shape)), what)


def _safetensors(file: Path, tensor: str, size: int, formats: Sequence[Format], what: str) -> VectorFile:
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(size, LONGEST_HEADER):
                raise ValueError("its header is longer than the file")
            table = json.loads(stream.read(length))
        tensors = {k: v for k, v in table.items() if k != "__metadata__"}
        if not tensor and len(tensors) == 1:
            (tensor,) = tensors
        if tensor in tensors:
            kind, shape = str(tensors[tensor]["dtype"]), [int(n) for n in tensors[tensor]["shape"]]
            begin, end = (int(n) for n in tensors[tensor]["data_offsets"])
    except (ValueError, TypeError, KeyError, AttributeError, struct.error, OSError, RecursionError) as fault:
        why = " ".join(str(fault).split())[:120]
        raise UsageError(f"expected {what} as a safetensors file in {file}, which cannot be read: {why}") from fault
    if tensor not in tensors:
        got = f"no {tensor!r}" if tensor else f"{len(tensors)}"
        named = ", ".join(sorted(tensors)[:8])
        raise UsageError(f"expected {what} in one tensor of {file}, got {got}; name one as {file}:NAME, out of {named}")
    name = SAFETENSORS_TYPES.get(kind)
    width = get_format(name).width if name else INTEGERS.get(kind, 0)
    known = (name, width) if width else ("", 8)
    if width and end - begin != math.prod(shape) * width // 8:
        raise UsageError(f"expected {what} in {file} as {shape} of {kind}, got {end - begin:,} bytes of it")
    return _checked(file, size, known, f"the type {kind}", formats, (8 + length + begin, math.prod(shape)), what)
