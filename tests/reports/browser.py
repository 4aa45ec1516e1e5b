"""Debian's Chromium for the tests of the page, driven by Playwright; a reason where one of them is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

REQUIRED = "GRADPROOF_REQUIRE_BROWSER"
"""Where this is set, a browser that is missing is a failure."""


def missing() -> str:
    """Why there is no browser here; empty where there is one, or where one is required."""
    if os.environ.get(REQUIRED):
        return ""
    lacking = [name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None]
    if lacking:
        return f"{' and '.join(lacking)} not installed: tox -e browser"
    return "" if executable() else "no chromium here: apt-get install chromium"


def executable() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of Playwright's synchronous interface, which finds no network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that was opened, with what its console said."""

    def __init__(self, browser: Any, file: str, **context: Any) -> None:
        settings = {"viewport": {"width": 1280, "height": 900}, "offline": True, "accept_downloads": True, **context}
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.console: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda fault: self.console.append(str(fault)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file)

    def go(self, address: str) -> None:
        """To another address of the same page."""
        self.page.evaluate("hash => { location.hash = hash }", address)
        self.page.wait_for_timeout(50)

    def seen(self, selector: str) -> list[str]:
        """The texts of the elements that are visible."""
        return [e.inner_text() for e in self.page.query_selector_all(selector) if e.is_visible()]

    def waits(self, selector: str, *, count: int | None = None) -> list[str]:
        """The texts of the visible elements once there are some, or ``count``; those there are after ten seconds."""
        for _ in range(200):
            texts = self.seen(selector)
            if texts if count is None else len(texts) == count:
                break
            self.page.wait_for_timeout(50)
        return texts

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.2 A and AA."""
        from axe_playwright_python.sync_playwright import Axe

        options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"{v['id']}: {n['html'][:150]}" for v in found for n in v["nodes"]]
