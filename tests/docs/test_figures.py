"""The figures and pictures of docs/ are those of the committed evidence, and what is said beside them holds of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import TemplateError

from tests.architecture.imports import ROOT
from tests.docs.scripts import script

FIGURES = script("doc_figures")
PICTURES = script("claim_pictures")
PAGES: list[Path] = FIGURES.pages()
MARKED = [page for page in PAGES if FIGURES.MARK.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", MARKED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_figures_of_a_page_are_those_of_the_evidence(page: Path) -> None:
    text = page.read_text("utf-8")
    assert FIGURES.filled(text) == text, f"run: python benchmarks/{FIGURES.__name__.removeprefix('benchmarks_')}.py"


def test_the_faq_and_the_stories_are_among_them() -> None:
    names = {page.relative_to(ROOT / "docs").as_posix() for page in MARKED if page.is_relative_to(ROOT / "docs")}
    assert {"faq.md", "evidence/relu-at-zero.md", "claims/zero-input.md", "claims/kink-convention.md"} <= names


def test_another_figure_in_a_page_is_noticed() -> None:
    page = "P is <!--= figure(study('float32', 3, 256).rate) -->9e-9<!--/--> there"
    assert FIGURES.filled(page) == page.replace("9e-9", "1.4e-8")  # 66 zeros in 4.608e9 calls


def test_a_table_stands_between_blank_lines() -> None:
    made = FIGURES.filled("before\n\n<!--= zero_table() --><!--/-->\n\nafter")
    assert made.startswith("before\n\n<!--= zero_table() -->\n\n| format |")
    assert made.endswith(" |\n\n<!--/-->\n\nafter")


@pytest.mark.parametrize("expression", ["nothing()", "study('float32', 3, 256).nothing", "study('float32', 9, 9).rate"])
def test_an_expression_that_finds_nothing_is_an_error(expression: str) -> None:
    with pytest.raises((TemplateError, ValueError, LookupError, TypeError)):
        FIGURES.filled(f"<!--= {expression} --><!--/-->")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_mark_never_begins_a_line_of_a_sentence(page: Path) -> None:
    # Markdown takes a comment at the beginning of a line for a block of HTML, and ends the paragraph there.
    begun = re.findall(r"^ *<!--=(?!.*_table\([^()]*\) -->$).*", page.read_text("utf-8"), re.MULTILINE)
    assert begun == []


LOOKS_MEASURED = re.compile(
    r"-?\d(?:\.\d+)?e[-−+]?\d+|\d+,\d{3}|\d+ of \d[\d,]*|\d+ cells|\d[\d.]* %|\d+(?:\.\d+)? ulps?\b|-?\b\d+\.\d{2,}\b"
)
"""Figures with an exponent or two decimals, in per cent, in ulp, counts of thousands, of cells and out of some."""
SETTINGS = {
    "bias.md": {"4,096", "1 of 16"},
    "consistency.md": {"11 %", "-1e-8", "2,300", "1,024", "16,384", "131,072"},
    "conventions-train.md": {"0.01", "1e-8"},
    "curvature-by-depth.md": {"0.0015", "0.01", "0.046"},
    "fd-jump.md": {"1e-4"},
    "saturation.md": {"9.01", "4.51", "-103.97"},
    "conversion.md": {"1.0078125"},
    "second-order.md": {"65,536", "1,024"},
    "shape.md": {"2.71", "0.15"},
    "smooth-descent.md": {"0.78", "5e−9", "3.4e−6"},
    "taylor.md": {"9 ulp"},
    "vanishing.md": {"0.01", "3e-8"},
    "zero-input.md": {"3 of 16", "3 %", "17 %", "600 of 65,536", "19 %", "95 %", "60,000", "0.13"},
    "explanations.md": {"90 %"},
}
"""What looks so and is none: settings of a check, mathematics, other people's figures."""
STORIES = [page for page in PAGES if page.parent.name == "claims" or page.name in ("faq.md", "explanations.md")]


def typed(text: str) -> list[str]:
    """Figures of a page that look measured and stand outside marks, code, links and names of versions."""
    for left_out in (r"<!--=.*?<!--/-->", r"^```.*?^```", r"\]\([^)]*\)|`[^`\n]*`", r"(?i:numpy|torch|jax) \d[\d.]*"):
        text = re.sub(left_out, "", text, flags=re.MULTILINE | re.DOTALL)
    return LOOKS_MEASURED.findall(text)


@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.name)
def test_no_measured_figure_is_typed_by_hand(page: Path) -> None:
    assert set(typed(page.read_text("utf-8"))) == SETTINGS.get(page.name, set())


def test_a_figure_that_is_typed_by_hand_is_noticed() -> None:
    page = (
        "of torch 2.13: 24 of 136 cells, 84 million, off by 2.06e-9 at `1e-8`, <!--= lost() -->0.41<!--/--> ulp, 2.7\n%"
    )
    assert typed(page) == ["24 of 136", "2.06e-9"]
    assert typed("at -5.1325 by 127 ulps, in 15 cells, 2,026 times, 52 %") == [
        "-5.1325", "127 ulps", "15 cells", "2,026", "52 %",
    ]  # fmt: skip


def test_ways_that_the_story_calls_equal_gave_the_same_bits() -> None:
    found = [c.measured["ways"] for c in FIGURES.answers().cells if c.property == "consistency"]
    ways = ("offset", "batched", "vmap", "large", "the second call")
    assert [ways_of[way]["different"] for ways_of in found for way in ways] == [0] * len(found) * len(ways)
    assert found


def test_the_verdicts_of_a_processor_are_read_from_its_page() -> None:
    page = (ROOT / "docs/evidence/claims-cpu.md").read_text("utf-8")
    assert len(FIGURES.verdicts()) == len(re.findall(r"\b(?:numpy|torch|jax):cpu", page))
    assert FIGURES.verdicts()["values", "torch:cpu"] == (7, 7, 3, 6)
    assert FIGURES.verdicts()["vanishing-gradient", "numpy:cpu"] == (0, 0, 0, 0)
    assert FIGURES.excepted("jax:cpu", "local-linearity", "jump-near-zero") == 18 + 5


def test_the_pictures_are_those_of_the_evidence() -> None:
    drawn = PICTURES.drawn()
    there = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs" / "pictures").glob("*.svg")}
    assert sorted(there) == sorted(drawn)
    assert [name for name in there if there[name] != drawn[name]] == []


def test_every_picture_is_shown_on_a_page() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    shown = set(re.findall(r"!\[[^\]]+\]\([./a-z]*pictures/([\w.-]+)\)", text))
    assert shown == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}


def test_noise_outgrows_a_chain_where_the_faq_says_so_and_nowhere_else() -> None:
    found = {(f, fmt): FIGURES.chain(f, fmt)["snr_below_1_at"] for f in CHAINS for fmt in FIGURES.FORMATS}
    assert {key for key, depth in found.items() if depth} == {
        ("sigmoid", "float16"), ("silu", "float16"), ("gelu", "float16"), ("sigmoid", "bfloat16"),
    }  # fmt: skip


CHAINS = ("sigmoid", "silu", "gelu", "relu")


def test_no_convention_wins_under_every_optimiser() -> None:
    forced = FIGURES.training()["forced"].values()
    best = {min(run["loss"], key=run["loss"].get) for run in forced}
    assert len(best) > 1


def test_the_published_shares_lie_in_the_measured_intervals() -> None:
    beside = [(row["share_interval"], p / 100) for row in FIGURES.rows() for p in row["published_percent"]]
    assert beside
    assert all(low <= p <= high for (low, high), p in beside)


def test_the_evidence_is_of_the_commands_that_its_page_names() -> None:
    page = (ROOT / "docs/evidence/answers.md").read_text("utf-8")
    named = re.findall(r"^\$ gradproof run (.*)$", page, re.MULTILINE)
    runs = FIGURES.answers().shards
    assert len(named) == len(runs)
    for command, run in zip(named, runs, strict=True):
        settings = run.settings
        assert re.findall(r"--function (\S+)", command) == settings["functions"]
        assert re.findall(r"--property (\S+)", command) == settings["properties"]
        assert re.findall(r"--backend (\S+)", command) == settings["backends"]
        assert settings["profile"] == ("deep" if "--profile deep" in command else "default")
        assert run.complete
