"""Rows of 784 pixels for the studies: a synthetic stand-in for MNIST, or the real files where the user has them.

MNIST itself is not shipped. Its files are read as they are distributed: IDX (``train-images-idx3-ubyte``, plain or
``.gz``, the labels beside it; format at yann.lecun.com/exdb/mnist), or Keras's ``mnist.npz``.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import Ints, UsageError

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE
ROWS: Final = 60_000
"""Rows of MNIST's training set: one epoch."""
CLASSES: Final = 10

STROKES: Final = 3
"""Line segments of one synthetic image."""
RADIUS: Final = (0.55, 1.42)
"""Half the thickness of a stroke in pixels, uniform per image: with EDGE it gives MNIST's 19 % of nonzero pixels."""
EDGE: Final = 1.4
"""Pixels over which a stroke fades to 0."""
REACH: Final = 9.0
"""Strokes end within this of the centre: MNIST's digits fill 20 x 20 of the 28 x 28 pixels."""
JITTER: Final = 1.2
"""Standard deviation, in pixels, by which a stroke's end differs from its class's."""
_CHUNK: Final = 1000

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """Pixels 0 to 255, shape (rows, 784), labels 0 to 9, shape (rows,), and where they come from."""

    pixels: Pixels
    labels: Ints
    source: str
    synthetic: bool

    def first(self, rows: int) -> Images:
        """The first so many rows."""
        return Images(self.pixels[:rows], self.labels[:rows], self.source, self.synthetic)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON: what somebody needs to know whether they have the same data."""
        digest = hashlib.sha256(self.pixels.tobytes() + self.labels.astype(np.uint8).tobytes()).hexdigest()
        return {
            "source": self.source,
            "synthetic": self.synthetic,
            "rows": len(self.pixels),
            "nonzero_share": float(np.count_nonzero(self.pixels) / max(self.pixels.size, 1)),
            "mean": float(self.pixels.mean() / 255),
            "std": float(self.pixels.std() / 255),
            "sha256": digest,
        }


def synthetic(seed: int, rows: int = ROWS) -> Images:
    """Images like MNIST's: thick strokes with soft edges about the centre, ten classes, values k/255.

    A class is STROKES line segments between random points, the same for every seed; an image moves their ends by
    JITTER. A pixel is 255 within the stroke's radius of a segment and fades linearly to 0 over EDGE. On average 19 % of
    the pixels are not 0 and the mean is 0.13 of white (MNIST: 19.1 % and 0.1307).
    """
    rng = np.random.default_rng([seed, PIXELS])
    classes = _inside(np.random.default_rng(PIXELS).uniform(-REACH, REACH, (CLASSES, STROKES, 2, 2)))
    labels = rng.integers(0, CLASSES, rows)
    pixels = np.empty((rows, PIXELS), np.uint8)
    for start in range(0, rows, _CHUNK):
        chosen = labels[start : start + _CHUNK]
        ends = classes[chosen] + rng.normal(0, JITTER, (len(chosen), STROKES, 2, 2))
        pixels[start : start + _CHUNK] = _drawn(_inside(ends), rng.uniform(*RADIUS, len(chosen)))
    return Images(pixels, labels, f"synthetic strokes, seed {seed}", synthetic=True)


def _inside(ends: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.clip(ends, -REACH, REACH)


def _drawn(ends: npt.NDArray[np.float64], radius: npt.NDArray[np.float64]) -> Pixels:
    """Images of strokes, shape (rows, 784); ``ends`` of shape (rows, STROKES, 2, 2) from the centre, in pixels."""
    axis = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    x, y = (a.ravel() for a in np.meshgrid(axis, axis))
    nearest = np.full((len(ends), PIXELS), np.inf, np.float32)
    for stroke in ends.astype(np.float32).transpose(1, 2, 3, 0):
        (ax, ay), (bx, by) = (end[:, :, None] for end in stroke)
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / np.maximum(dx * dx + dy * dy, 1e-6), 0, 1)
        np.minimum(nearest, (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2, out=nearest)
    ink = np.clip((radius[:, None].astype(np.float32) - np.sqrt(nearest)) / np.float32(EDGE) + 1, 0, 1)
    pixels: Pixels = np.rint(255 * ink).astype(np.uint8)
    return pixels


def load(path: str) -> Images:
    """MNIST's training set from a folder, an IDX file of images with its labels beside it, or an ``.npz``.

    Raises UsageError that says what is missing or damaged.
    """
    place = Path(path)
    if place.is_dir():
        names = [f"train-images{sep}idx3-ubyte{end}" for sep in ("-", ".") for end in ("", ".gz")]
        found = [place / name for name in (*names, "mnist.npz") if (place / name).is_file()]
        if not found:
            raise UsageError(
                f"expected train-images-idx3-ubyte (or .gz) or mnist.npz in {path}, and found neither; "
                "leave --data out for synthetic images"
            )
        place = found[0]
    if not place.is_file():
        raise UsageError(f"expected a file or folder of MNIST with --data, but there is no {path}")
    pixels, labels = _npz(place) if place.suffix == ".npz" else _idx_pair(place)
    _check(place, pixels, labels)
    return Images(
        pixels.reshape(len(pixels), PIXELS).astype(np.uint8), labels.astype(np.int64), place.name, synthetic=False
    )


def _check(place: Path, pixels: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
    if pixels.ndim != 3 or pixels.shape[1:] != (SIDE, SIDE) or not len(pixels) or pixels.dtype != np.uint8:
        raise UsageError(
            f"{place}: expected images of {SIDE} x {SIDE} bytes, got shape {pixels.shape} of {pixels.dtype}"
        )
    if labels.shape != (len(pixels),):
        raise UsageError(f"{place}: expected {len(pixels)} labels, one for each image, got shape {labels.shape}")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= CLASSES:
        raise UsageError(f"{place}: expected labels from 0 to {CLASSES - 1}")


def _npz(place: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return held["x_train"], held["y_train"]
    except KeyError as fault:
        raise UsageError(f"{place}: expected arrays x_train and y_train; {fault.args[0]}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
        raise UsageError(f"{place} is damaged or no .npz file: {fault}") from fault


def _idx_pair(images: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    labels = images.with_name(name)
    if name == images.name or not labels.is_file():
        other = labels.with_name(name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz")
        if name == images.name or not other.is_file():
            raise UsageError(f"expected the labels of {images} beside it, as {name}")
        labels = other
    return idx(images), idx(labels)


def idx(place: Path) -> npt.NDArray[np.uint8]:
    """The array of an IDX file of bytes, plain or gzipped.

    Two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension as 4 bytes with the highest
    first, the data. Raises UsageError for anything else.
    """
    try:
        raw = place.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as fault:
        raise UsageError(f"{place} is damaged or cannot be read: {fault}") from fault
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise UsageError(f"{place} is no IDX file of bytes: expected it to begin with 00 00 08, got {raw[:3].hex(' ')}")
    start = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3]))
    if len(raw) != start + math.prod(shape) or not shape:
        raise UsageError(f"{place} is damaged: its header announces {shape}, and {len(raw) - start} bytes follow")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
