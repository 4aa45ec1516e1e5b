"""The pictures of docs/: those of the claims from a results file, and of relu-at-zero from the study's files.

$ python benchmarks/claim_pictures.py results.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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


def main(results: str) -> None:
    """Write docs/pictures/*.svg."""
    folder = DOCS / "pictures"
    folder.mkdir(exist_ok=True)
    drawn = {claim: str(picture.svg) for claim, picture in pictures(read_results(results)).items()}
    rows = [
        r
        for file in sorted((DOCS / "evidence/relu-at-zero").glob("float*.json"))
        for r in json.loads(file.read_text("utf-8"))["rows"]
    ]
    drawn["relu-at-zero-by-depth"] = published(
        [r for r in rows if r["width"] == 256 and r["format"] != "float64"], "layers", "layers"
    )
    drawn["relu-at-zero-by-width"] = published(
        [r for r in rows if r["layers"] == 3 and r["format"] != "float64"], "width", "width"
    )
    for name, svg in drawn.items():
        (folder / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")
    print(*sorted(drawn))


if __name__ == "__main__":
    main(sys.argv[1])
