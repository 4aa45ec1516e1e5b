"""MNIST's files as they are distributed, made up and damaged; and the synthetic stand-in."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof_properties.studies import mnist

PIXELS = (np.arange(3 * 784) % 251).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], np.uint8)
HEAD = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28])
IMAGES_FILE = HEAD + PIXELS.tobytes()
LABELS_FILE = bytes([0, 0, 8, 1, 0, 0, 0, 3]) + LABELS.tobytes()


def held(images: mnist.Images) -> bool:
    return (
        np.array_equal(images.pixels, PIXELS.reshape(3, 784))
        and images.labels.tolist() == LABELS.tolist()
        and not images.synthetic
    )


@pytest.mark.parametrize("separator", ["-", "."])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read_from_their_folder_and_by_name(tmp_path: Path, separator: str, zipped: bool) -> None:
    pack: Callable[[bytes], bytes] = gzip.compress if zipped else bytes
    end = ".gz" if zipped else ""
    images = tmp_path / f"train-images{separator}idx3-ubyte{end}"
    images.write_bytes(pack(IMAGES_FILE))
    (tmp_path / f"train-labels{separator}idx1-ubyte{end}").write_bytes(pack(LABELS_FILE))
    assert held(mnist.load(str(tmp_path)))
    assert held(mnist.load(str(images)))


def test_keras_archive_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=PIXELS, y_train=LABELS, x_test=PIXELS[:1], y_test=LABELS[:1])
    assert held(mnist.load(str(tmp_path)))
    assert held(mnist.load(str(tmp_path / "mnist.npz")))


DAMAGED = {
    "one byte short": (IMAGES_FILE[:-1], "2351 bytes follow"),
    "one byte long": (IMAGES_FILE + b"\0", "2353 bytes follow"),
    "another type": (b"\0\0\x0d" + IMAGES_FILE[3:], "begin with 00 00 08"),
    "no header": (b"", "begin with 00 00 08"),
    "half a header": (HEAD[:9], "damaged"),
    "half an archive": (gzip.compress(IMAGES_FILE)[:-20], "damaged"),
    "a broken archive": (b"\x1f\x8b" + b"\x08" + b"\xff" * 40, "damaged"),
    "labels in its place": (LABELS_FILE, "28 x 28"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, damage: str) -> None:
    raw, why = DAMAGED[damage]
    (tmp_path / "train-images-idx3-ubyte").write_bytes(raw)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(LABELS_FILE)
    with pytest.raises(UsageError, match=why) as caught:
        mnist.load(str(tmp_path))
    assert "train-images-idx3-ubyte" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "why"),
    [(b"\0\0\x08\x01\0\0\0\x02\x01\x02", "3 labels"), (LABELS_FILE[:-1] + b"\x0a", "labels from 0 to 9")],
)
def test_labels_must_fit_the_images(tmp_path: Path, labels: bytes, why: str) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(IMAGES_FILE)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(UsageError, match=why):
        mnist.load(str(tmp_path))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found neither"):
        mnist.load(str(tmp_path))
    with pytest.raises(UsageError, match="there is no"):
        mnist.load(str(tmp_path / "nowhere"))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(IMAGES_FILE)
    with pytest.raises(UsageError, match="expected the labels of"):
        mnist.load(str(tmp_path))


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"no archive at all"])
def test_a_damaged_archive_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "mnist.npz").write_bytes(raw)
    with pytest.raises(UsageError, match=r"mnist\.npz is damaged"):
        mnist.load(str(tmp_path))


def test_an_archive_without_the_arrays_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", images=PIXELS)
    with pytest.raises(UsageError, match="x_train"):
        mnist.load(str(tmp_path))


@pytest.mark.parametrize("seed", [0, 1])
def test_synthetic_images_are_as_dark_as_mnist(seed: int) -> None:
    # MNIST's training set: 19.1 % of the pixels are not 0, their mean is 0.1307 and their deviation 0.3081.
    told = mnist.synthetic(seed, 2000).to_json()
    assert told["nonzero_share"] == pytest.approx(0.191, abs=0.01)
    assert told["mean"] == pytest.approx(0.1307, abs=0.01)
    assert told["std"] == pytest.approx(0.3081, abs=0.01)


def test_synthetic_images_lie_in_the_middle_and_have_ten_classes() -> None:
    images = mnist.synthetic(3, 1000)
    assert set(images.labels.tolist()) == set(range(10))
    square = images.pixels.reshape(-1, 28, 28)
    assert not square[:, [0, -1]].any()
    assert not square[:, :, [0, -1]].any()
    same = square[images.labels == 0].astype(float).mean(0)
    other = square[images.labels == 1].astype(float).mean(0)
    assert np.abs(same - other).max() > 60  # a class looks alike


def test_synthetic_images_follow_the_seed() -> None:
    first, again, other = (mnist.synthetic(seed, 50).to_json()["sha256"] for seed in (5, 5, 6))
    assert first == again != other
