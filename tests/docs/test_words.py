"""A word that gradproof uses in a sense of its own is explained where a page first uses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "claims").glob("*.md"))]
DEFINE = {
    "glossary.md": {"u", "m", "felt", "excused", "stale", "known"},
    "explanations.md": {"known", "stale"},
    "results.md": {"u", "m", "felt", "excused"},
    "oracle.md": {"u", "m", "excused"},
    "scale.md": {"excused"},
    "accuracy.md": {"u", "m"},
    "underflow-noise.md": {"u", "m"},
    "architecture.md": {"u", "m", "known"},
}
"""Pages that define words at length, or mean something else by a letter; the architecture is for those who know."""
USES = {
    "u": r"\bu (?:<|≤|=) ?\d|\bu,? (?:and )?m\b|\bgreatest u\b",
    "m": r"\bm\]?(?:\([^)]*\))?(?: |`|` `)?(?:<=|≤) ?\d|\bu,? (?:and )?m\b",
    "felt": r"\bfelt\b",
    "excused": r"(?<!never )\bexcused\b(?! by)",
    "stale": r"\bstale\b",
    "known": r"\bknown\]?(?:\([^)]*\))? deviations?\b",
}


def paragraphs(text: str) -> list[str]:
    """The paragraphs, list items and table rows of a page, without blocks of code and contents lines."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"(<!--=).*?(-->)", "", text, flags=re.DOTALL)
    pieces = re.split(r"\n\s*\n|\n(?=\||[-*] |#)", text)
    return [" ".join(piece.split()) for piece in pieces if "](#" not in piece]


def unexplained(text: str, known: set[str]) -> list[str]:
    """First uses of a word that neither say what it means (in bold, or with a link to where that stands)."""
    found = []
    for word, use in USES.items():
        if word in known:
            continue
        first = next((piece for piece in paragraphs(text) if re.search(use, piece, re.IGNORECASE)), None)
        if first is not None and not re.search(
            rf"\*\*{word}\*\*|\*{word}[^*]*\* means|glossary\.md#{word}|explanations\.md", first, re.IGNORECASE
        ):
            found.append(f"{word}: {first[:150]}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_words_are_explained_where_they_first_appear(page: Path) -> None:
    assert unexplained(page.read_text("utf-8"), DEFINE.get(page.name, set())) == []


def test_a_word_without_an_explanation_is_noticed() -> None:
    assert unexplained("All is well.\n\nIt is felt, and u < 1.", set()) == [
        "u: It is felt, and u < 1.",
        "felt: It is felt, and u < 1.",
    ]
    assert unexplained("It is [felt](glossary.md#felt).\n\nIt is felt.", set()) == []
    assert unexplained("It is felt.\n\nIt is [felt](glossary.md#felt).", set()) == ["felt: It is felt."]


def test_the_glossary_has_what_pages_link_to() -> None:
    there = set(re.findall(r'<a id="(\w+)">', (DOCS / "glossary.md").read_text("utf-8")))
    linked = {w for page in PAGES for w in re.findall(r"glossary\.md#([\w-]+)", page.read_text("utf-8"))}
    assert linked <= there
    assert set(USES) <= there
