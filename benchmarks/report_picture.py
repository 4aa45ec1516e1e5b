"""The pictures of the report in docs/: the first screen of a report in Chromium, with its first row opened if asked.

$ python benchmarks/report_picture.py report.html tour-row --open      the report of the tour's first check
$ python benchmarks/report_picture.py since.html tour-since            that of its last one, --since the first
$ python benchmarks/report_picture.py report.html report --height 760  that of `gradproof run`

Takes playwright and a Chromium (tox's environment ``browser`` says how), and loads nothing from a network.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH, HEIGHT = 1180, 980


def main() -> None:
    """Write docs/pictures/NAME.png."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("name")
    parser.add_argument("--open", action="store_true", help="open the first row")
    parser.add_argument("--height", type=int, default=HEIGHT)
    chosen = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport={"width": WIDTH, "height": chosen.height}, offline=True).new_page()
        page.goto(chosen.report.resolve().as_uri())
        page.wait_for_timeout(1000)
        if chosen.open:
            page.locator("#rows tbody a").first.click()
            page.wait_for_timeout(1000)
        page.screenshot(path=PICTURES / f"{chosen.name}.png")
        browser.close()
    print(PICTURES / f"{chosen.name}.png")


if __name__ == "__main__":
    main()
