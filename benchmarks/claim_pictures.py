"""The pictures of docs/: those of the claims from the committed results, and of relu-at-zero from the study's files.

$ python benchmarks/claim_pictures.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradproof.extend import Cell
from gradproof.results import read_results
from gradproof_reports.html.charts import Plotted, chart, linear, logarithmic
from gradproof_reports.html.pictures import pictures

DOCS = Path(__file__).parent.parent / "docs"


def published(rows: list[dict[str, Any]], key: str, name: str) -> str:
    """Shares of initialisations that f'(0) reaches against depth or width, beside the published ones."""
    series = []
    for n, fmt in enumerate(dict.fromkeys(row["format"] for row in rows)):
        mine = sorted((r for r in rows if r["format"] == fmt), key=lambda r: r[key])
        shares = [(float(r[key]), 100 * r["share"]) for r in mine]
        bars = [(100 * r["share_interval"][0], 100 * r["share_interval"][1]) for r in mine]
        theirs = [(float(r[key]), p) for r in mine for p in r["published_percent"] or []]
        series += [
            Plotted(f"{fmt}", shares, bars=bars, colour=n),
            Plotted("published", theirs, line=False, hollow=True, colour=n),
        ]
    places = sorted({float(r[key]) for r in rows})
    x = logarithmic(name, places, 2) if key == "width" else linear(name, range(int(max(places)) + 1))
    return str(
        chart(
            f"Initialisations that f'(0) reaches, by {name}",
            x,
            linear("% of initialisations", (0, 25, 50, 75, 100)),
            series,
        )
    )


def sawtooth(cells: Sequence[Cell]) -> str:
    """The error of sawtooth layers against x² by depth in float32, by slope; with the weights fitted and as ReLU's."""
    found = {
        c.function: c.measured
        for c in cells
        if c.property == "curvature-by-depth" and c.format == "float32" and c.mode == "eager"
    }
    lines = [
        ("ReLU", found["relu"], False),
        ("leaky (0.01)", found["leaky_relu"], False),
        ("PReLU (1/4)", found["prelu"], False),
        ("leaky as ReLU", found["leaky_relu"]["with_relus_weights"], True),
        ("PReLU as ReLU", found["prelu"]["with_relus_weights"], True),
    ]
    series = [
        Plotted(label, [(i + 1.0, e) for i, e in enumerate(one["error_by_depth"]) if e > 0], hollow=hollow)
        for label, one, hollow in lines
    ]
    depth = max(len(s.points) for s in series)
    return str(
        chart(
            "x^2 by depth, by slope",
            linear("depth", list(range(0, depth + 3, 3))),
            logarithmic("largest error against x²", [e for s in series for _, e in s.points], 2),
            series,
        )
    )


def drawn() -> dict[str, str]:
    """The pictures as SVG, by the names of their files."""
    result = read_results(str(DOCS / "evidence" / "answers.json"))
    made = {claim: str(picture.svg) for claim, picture in pictures(result).items()}
    made["leaky-by-depth"] = sawtooth(result.cells)
    rows = [
        r
        for file in sorted((DOCS / "evidence/relu-at-zero").glob("float*.json"))
        for r in json.loads(file.read_text("utf-8"))["rows"]
    ]
    made["relu-at-zero-by-depth"] = published(
        [r for r in rows if r["width"] == 256 and r["format"] != "float64"], "layers", "layers"
    )
    made["relu-at-zero-by-width"] = published(
        [r for r in rows if r["layers"] == 3 and r["format"] != "float64"], "width", "width"
    )
    return {name: svg + "\n" for name, svg in made.items()}


def main() -> None:
    """Write docs/pictures/*.svg."""
    for name, svg in drawn().items():
        (DOCS / "pictures" / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
