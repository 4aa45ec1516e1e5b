"""Changed documents: a JSON tree, a text or bytes with a few places that are not what a reader expects."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

HOSTILE: Final = (
    "", " ", "\x00", "\x1b[31m", "\u202e", "\u2028", "\ud800", "\N{SNOWMAN}" * 300, "<script>alert(1)</script>",
    "../../x", "0x", "0xzz", "0x" + "f" * 40, "nan", "-inf", "1e999", "torch", "float16", "{{7*7}}",
    "%s%n", "=1+1", "\\", "'\"",
)  # fmt: skip
NUMBERS: Final = (0, -1, 1, 2**31, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e308, 5e-324, 2**-1074)
CHARACTERS: Final = "\x00\t\n\r \"#'(),-./0123456789:=ENabefnx[]_{}\u00e9\u202e"


def leaves() -> st.SearchStrategy[Any]:
    """Values of every type that JSON has."""
    return st.one_of(
        st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(HOSTILE), st.text(max_size=8),
        st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.just([]), st.just({}),
        st.just([[]]), st.just({"": None}),
    )  # fmt: skip


@st.composite
def edited(draw: st.DrawFn, documents: Sequence[Any]) -> Any:
    """One of some JSON documents with one to four places replaced, left out, added or moved."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    chance = draw(st.randoms(use_true_random=False))
    for _ in range(draw(st.integers(1, 4))):
        _edit(document, chance, draw(leaves()))
    return document


def _edit(document: Any, chance: random.Random, value: Any) -> None:
    place = document
    while place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = chance.choice(keys)
        if not isinstance(place[key], dict | list) or not place[key] or chance.random() < 0.15:
            break
        place = place[key]
    else:
        return
    match chance.randrange(6):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[f"{key}2"] = value
        case 1:
            place.insert(key, value)
        case 2:  # another part of the document in its place
            other = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            place[key] = copy.deepcopy(place[other])
        case _:
            place[key] = value


@st.composite
def cut(draw: st.DrawFn, contents: Sequence[bytes]) -> bytes:
    """One of some files with some bytes overwritten, left out, doubled or cut off."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 4)):
            case 0:
                del content[at:]
            case 1:
                del content[at : at + draw(st.integers(1, 16))]
            case 2:
                content[at:at] = draw(st.binary(min_size=1, max_size=8))
            case 3:
                content[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case _:
                content[at:at] = content[at : at + draw(st.integers(1, 64))]
    return bytes(content)


@st.composite
def retyped(draw: st.DrawFn, texts: Sequence[str]) -> str:
    """One of some texts with a few words of it, or of no text at all, elsewhere."""
    words = draw(st.sampled_from(texts)).split(" ")
    strange = st.one_of(st.sampled_from(HOSTILE), st.text(CHARACTERS, max_size=6), st.sampled_from([*words, ""]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words)))
        words[at : at + draw(st.integers(0, 2))] = [draw(strange)]
    return " ".join(words)
