"""The plugin's options: ``--gradproof-NAME`` on the command line, ``gradproof_NAME`` in pytest's settings.

Part of what every session loads: nothing of gradproof but its version may be imported here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pytest

PROFILES = ("quick", "default", "deep")
UNDECIDED = ("fail", "skip", "pass")


class Filter(NamedTuple):
    """An option that keeps only some cells; given several times, it keeps those of any value."""

    name: str
    plural: str
    metavar: str
    help: str


FILTERS = (
    Filter("backend", "backends", "NAME", "keep cells of this backend (torch or torch:cuda)"),
    Filter("device", "devices", "NAME", "keep cells on this device (cpu, cuda)"),
    Filter("format", "formats", "NAME", "keep cells in this number format (float64, bfloat16, ...)"),
    Filter("order", "orders", "N", "keep cells of this order of derivative (0, 1, 2)"),
    Filter("property", "properties", "ID", "keep cells of this property (accuracy, taylor, ...)"),
    Filter("mode", "modes", "NAME", "keep cells in this mode (eager, compiled)"),
)
DEFAULTS = {"profile": "quick", "contract": "stable"}
SINGLE = {
    "profile": "work per cell: quick (the default here), default or deep",
    "contract": "accuracy that cells are held to: faithful, stable (the default) or training",
    "seed": "seed of the sampled checks, an integer",
    "time-limit": "seconds that one call of an implementation may take (default: 60)",
    "json": "write the results file to this path",
}
KINDS: dict[str, Any] = {"seed": int, "time-limit": float}


class OptionValue(NamedTuple):
    """The value of an option and whether the command line gave it."""

    value: str
    explicit: bool


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its counterpart in the configuration file."""
    group = parser.getgroup("gradproof", "gradproof: claims about activation functions")
    for name, _, metavar, text in FILTERS:
        kind: dict[str, Any] = {"type": int, "choices": (0, 1, 2)} if name == "order" else {}
        group.addoption(f"--gradproof-{name}", action="append", metavar=metavar, help=text + "; repeatable", **kind)
        parser.addini(f"gradproof_{name}", text, type="args", default=[])
    for name, text in SINGLE.items():
        extra = {"choices": PROFILES} if name == "profile" else {"type": KINDS.get(name, str)}
        metavar = "PATH" if name == "json" else name.upper()
        group.addoption(f"--gradproof-{name}", metavar=metavar, help=text, **extra)
        parser.addini(_ini(name), text, default="")
    text = "write a report of this installed format (html, markdown, junit, ...) to PATH; PATH alone is for html"
    group.addoption("--gradproof-report", action="append", metavar="FORMAT=PATH", help=text + "; repeatable")
    parser.addini("gradproof_report", text, type="linelist", default=[])
    text = "fail, instead of skipping, cells whose backend is missing: NAME (on cpu) or NAME:DEVICE"
    group.addoption("--gradproof-require-backend", action="append", metavar="NAME", help=text + "; repeatable")
    parser.addini("gradproof_require_backend", text, type="args", default=[])
    text = "what a cell does that the oracle could not certify: fail (the default), skip or pass"
    parser.addini("gradproof_undecided", text, default="fail")
    text = "make items of functions under @gradproof.implements too (default: true)"
    parser.addini("gradproof_collect_implements", text, type="bool", default=True)


class Options:
    """The options in force: the command line before the configuration file before the default."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def several(self, name: str) -> tuple[str, ...]:
        """The values of a repeatable option; empty when nothing is asked for."""
        given = self.config.getoption(f"gradproof_{name.replace('-', '_')}") or self.config.getini(_ini(name))
        return tuple(str(value) for value in given)

    def single(self, name: str) -> OptionValue:
        """The value of an option that is given once, as text; empty when there is none."""
        given = self.config.getoption(f"gradproof_{name.replace('-', '_')}")
        if given is not None:
            return OptionValue(str(given), True)
        return OptionValue(str(self.config.getini(_ini(name)) or DEFAULTS.get(name, "")), False)

    def number(self, name: str) -> float | None:
        """The value of ``seed`` or ``time-limit``; None when there is none.

        Raises ValueError when it is no number.
        """
        text = self.single(name).value
        try:
            return KINDS[name](text) if text else None
        except ValueError:
            raise ValueError(f"{_ini(name)}: expected a number, got {text!r}") from None

    @property
    def filtering(self) -> bool:
        """Whether any option keeps cells out."""
        return any(self.several(f.name) for f in FILTERS)

    @property
    def files(self) -> list[tuple[str, str]]:
        """What to write and where: ``json`` or a report's format, and a path; one that ends in a separator is a folder.

        Relative paths start where pytest was called for an option, at the root directory for the file's. ``none``
        switches one off; what the command line says of a format replaces what the file says. Raises ValueError for a
        report without a path or of the format ``json``, and for ``-``: standard output is pytest's own.
        """
        here, root = self.config.invocation_params.dir, self.config.rootpath
        results = self.single("json")
        asked = [("json", results.value, here if results.explicit else root)] if results.value else []
        typed = [_format_and_path(text) for text in self.config.getoption("gradproof_report") or ()]
        set_there = [_format_and_path(text) for text in self.config.getini("gradproof_report") if text]
        asked += [(*one, root) for one in set_there if one[0] not in [name for name, _ in typed]]
        asked += [(*one, here) for one in typed]
        if any(name == "json" for name, *_ in (*typed, *set_there)):
            raise ValueError("expected the format of a report for --gradproof-report, got 'json': see --gradproof-json")
        for name, path, _ in asked:
            if path == "-":
                raise ValueError(f"expected a file to write for {name}, got '-', which is pytest's own output")
        return [(name, os.path.join(base, path)) for name, path, base in asked if path != "none"]  # noqa: PTH118


def _format_and_path(text: str) -> tuple[str, str]:
    """The two sides of ``FORMAT=PATH``; ``html`` for a path alone, which may have the sign behind a dot or a slash."""
    name, sign, path = text.partition("=")
    if not sign or any(mark in name for mark in "./\\"):
        return "html", text
    if not (name.strip() and path):
        raise ValueError(f"expected FORMAT=PATH, such as html=report.html, for --gradproof-report, got {text!r}")
    return name.strip(), path


def _ini(name: str) -> str:
    return f"gradproof_{name.replace('-', '_')}"
