"""A page as html.parser sees it: no browser, no scripts."""

from __future__ import annotations

import base64
import gzip
import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "input", "br", "hr", "img", "wbr", "circle", "path", "rect", "line"}


class Page(HTMLParser):
    """Elements, the text outside scripts, the text of every script; an unbalanced page fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"left open: {self._open}"
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {k: v or "" for k, v in attrs}
        self.elements.append((tag, found))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append((found, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            opened = self._open.pop()
            assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif not self._open or self._open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def script(self, name: str) -> str:
        """The text of the script element of that id."""
        (text,) = [t for a, t in self.scripts if a.get("id") == name]
        return text

    def file(self) -> bytes:
        """The results file that the page holds."""
        return gzip.decompress(base64.b64decode(self.script("file")))

    def data(self) -> dict[str, Any]:
        """What the results file says."""
        document: dict[str, Any] = json.loads(self.file())
        return document

    def index(self) -> dict[str, Any]:
        """Which cells belong to which row."""
        document: dict[str, Any] = json.loads(self.script("index"))
        return document
