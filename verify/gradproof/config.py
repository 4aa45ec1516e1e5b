"""Settings of a run and where each came from: command line over environment over ``[tool.gradproof]``.

Every setting has one name (that of its option), one parser and one set of errors, whichever of the three it
came by. Nothing heavy is imported here: ``--help`` and the pytest plugin read this table too.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from gradproof.errors import UsageError
from gradproof.files.destinations import STDOUT
from gradproof.files.reading import parsed_toml, read_text, shortened, unfit
from gradproof.formats import FORMATS, SHORT_NAMES, SPELLINGS, STORED_FORMATS, judged_format
from gradproof.spelling import spelled, suggestion

TABLE: Final = "tool.gradproof"
PREFIX: Final = "GRADPROOF_"
NONE: Final = "none"
"""What switches a default output off, as in ``--html none``."""
SHORTHANDS: Final = ("html", "junit", "markdown")
"""Reports with a setting of their own: ``--html PATH`` is ``--report html=PATH``."""

SWITCHES: Final = ("GRADPROOF_CACHE_DIR", "GRADPROOF_LIBDEVICE", "GRADPROOF_NO_PLUGINS", "GRADPROOF_TRACEBACK")
"""Environment variables that are no settings of a run."""

Kind = Literal["names", "integers", "name", "integer", "number", "path", "reports"]


@dataclass(frozen=True)
class Setting:
    """One setting. ``field`` is its name in ``Selection``; empty for those that are no part of one.

    ``choices`` limits names that are known without loading anything; others are checked by the plan.
    """

    name: str
    kind: Kind
    help: str
    metavar: str
    field: str = ""
    choices: tuple[str, ...] = ()
    spellings: Mapping[str, str] | None = None
    shorts: Mapping[str, str] | None = None
    """Those of the spellings that a misspelt name is compared with."""
    """What else the choices are called; case does not count either."""

    @property
    def variable(self) -> str:
        """The environment variable: ``GRADPROOF_MAX_SECONDS``."""
        return PREFIX + self.name.replace("-", "_").upper()

    @property
    def key(self) -> str:
        """The name as a Python identifier."""
        return self.name.replace("-", "_")

    @property
    def repeatable(self) -> bool:
        """Whether it holds several values."""
        return self.kind in ("names", "integers", "reports")


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("backend", "names", "numpy, torch, jax; with a device torch:cuda.", "NAME[:DEVICE]", "backends"),
    Setting("device", "names", "cpu or cuda, for the backends named without a device.", "DEVICE"),
    Setting("format", "names", f"{', '.join(FORMATS)}.", "FORMAT", "formats", tuple(FORMATS), SPELLINGS, SHORT_NAMES),
    Setting("order", "integers", "0 the value, 1 the first derivative, 2 the second.", "N", "orders"),
    Setting("function", "names", "A function, see `gradproof list functions`.", "NAME", "functions"),
    Setting("property", "names", "A claim, see `gradproof list properties`.", "ID", "properties"),
    Setting("mode", "names", "eager, compiled or autocast (PyTorch).", "MODE", "modes"),
    Setting(
        "contract", "name", "The accuracy a cell is held to: faithful, stable (default) or training.", "NAME",
        "contract", ("faithful", "stable", "training"),
    ),
    Setting(
        "profile", "name", "How much work each cell gets: quick, default or deep.", "NAME", "profile",
        ("quick", "default", "deep"),
    ),
    Setting("seed", "integer", "Seed of what is drawn; the same seed gives the same run.", "N", "seed"),
    Setting("max-seconds", "number", "Bounds the run; what was not reached is not-run.", "S", "max_seconds"),
    Setting("jobs", "integer", "Worker processes; default one per core; 0 for none, for your files one.", "N", "jobs"),
    Setting("time-limit", "number", "Seconds that one call of your code may take; 60.", "S", "time_limit"),
    Setting("json", "path", "Write the results file; - is standard output, none keeps it from being written.", "PATH"),
    Setting("json-lines", "path", "Write a JSON object per line as it is found; - is standard output.", "PATH"),
    Setting("html", "path", "Write the report as one HTML file; - and none as for --json.", "PATH"),
    Setting("junit", "path", "Write JUnit XML.", "PATH"),
    Setting("markdown", "path", "Write a Markdown summary.", "PATH"),
    Setting("export-xfails", "path", "Write the known deviations that show as JSON, for other test suites.", "PATH"),
    Setting("report", "reports", "Write a report in any installed format; PATH as for --json.", "FORMAT=PATH"),
)  # fmt: skip
"""Every setting of ``run`` and ``check``, in the order ``--help`` shows them."""

BY_NAME: Final = {s.name: s for s in SETTINGS}


@dataclass(frozen=True)
class Value:
    """A setting's value and where it came from, in words."""

    value: Any
    origin: str


def effective(
    given: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, start: Path | None = None
) -> dict[str, Value]:
    """The settings that are set anywhere, by name.

    ``given`` are the command line's texts by setting name; None and empty ones are not set. ``start`` is the
    folder whose nearest pyproject.toml counts, the current one by default. Raises UsageError that says what
    was expected, what came and where.
    """
    found = from_file(nearest_pyproject(start or Path.cwd()))
    found = _over(found, from_environment(os.environ if environ is None else environ))
    typed = {
        name: Value(parse(BY_NAME[name], value, f"--{name}"), "command line")
        for name, value in given.items()
        if value is not None and value != ()
    }
    return _over(found, typed)


def _over(below: Mapping[str, Value], above: Mapping[str, Value]) -> dict[str, Value]:
    """``above`` over ``below``. Each format of a report counts by itself, whichever of its two settings names it."""
    none = Value((), "")
    mine = above.get("report", none)
    formats = {format_and_path(item)[0] for item in mine.value} | {name for name in SHORTHANDS if name in above}
    found = {name: value for name, value in below.items() if name not in SHORTHANDS or name not in formats}
    kept = below.get("report", none)
    others = tuple(item for item in kept.value if format_and_path(item)[0] not in formats)
    found |= above
    if others or mine.value:
        origins = [value.origin for value, used in ((kept, others), (mine, mine.value)) if used]
        found["report"] = Value((*others, *mine.value), "; ".join(origins))
    else:
        found.pop("report", None)
    return found


def format_and_path(text: str) -> tuple[str, str]:
    """The two sides of ``FORMAT=PATH``; a path may have more of the signs."""
    name, _, path = text.partition("=")
    return name.strip(), path


def nearest_pyproject(start: Path) -> Path | None:
    """The first pyproject.toml of ``start`` and the folders above it, with or without our table."""
    return next((f for d in (start, *start.parents) if (f := d / "pyproject.toml").is_file()), None)


def from_file(file: Path | None) -> dict[str, Value]:
    """The settings of ``[tool.gradproof]``; paths count from the file's folder.

    Raises UsageError for a file that is no TOML, an unknown key or a value of the wrong type.
    """
    if file is None:
        return {}
    try:
        document = parsed_toml(read_text(file, "a TOML file"))
    except ValueError as fault:
        raise UsageError(f"expected a readable TOML file, but {file} is not: {fault}") from None
    tool = document.get("tool")
    table = tool.get("gradproof", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"expected [{TABLE}] to be a table, got {shortened(table)} in {file}")
    for at, why in unfit(table, finite=False):
        raise UsageError(f"{at!r} in [{TABLE}] of {file}: {why}")
    found = {}
    for key, value in table.items():
        check_known(key, BY_NAME, "key", f" in [{TABLE}] of {file}")
        setting = BY_NAME[key]
        parsed = parse(setting, value, f"{key!r} in [{TABLE}] of {file}")
        if setting.kind == "path":
            parsed = _beside(file, parsed)
        elif setting.kind == "reports":
            split = map(format_and_path, parsed)
            parsed = tuple(f"{name}={_beside(file, path)}" for name, path in split)
        found[key] = Value(parsed, f"[{TABLE}] of {file}")
    return found


def _beside(file: Path, path: str) -> str:
    """A path of the settings file, which counts from its folder."""
    if path in (NONE, STDOUT):
        return path
    return os.path.join(file.parent, path)  # noqa: PTH118  # a Path would drop the end that names a folder


def from_environment(environ: Mapping[str, str]) -> dict[str, Value]:
    """The settings of ``GRADPROOF_<NAME>``; several values are separated by commas; empty is not set.

    The environment belongs to others too, so an unknown variable is refused only when it looks like a slip.
    """
    known = {s.variable: s for s in SETTINGS}
    found = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable in SWITCHES or not text.strip():
            continue
        if variable in known:
            setting = known[variable]
            value = _items(text) if setting.kind == "reports" else text
            found[setting.name] = Value(
                parse(setting, value, f"the environment variable {variable}"), f"environment {variable}"
            )
        elif near := difflib.get_close_matches(variable, [*known, *SWITCHES], n=1, cutoff=0.85):
            raise UsageError(f"unknown environment variable {variable!r}; did you mean {near[0]!r}?")
    return found


def parse(setting: Setting, value: Any, where: str) -> Any:
    """``value`` (text, a list of texts, or what TOML made of it) as the setting's type.

    Names and integers come as tuples, paths as text, reports as a tuple of texts ``FORMAT=PATH``. Raises UsageError
    naming ``where``.
    """
    if setting.kind == "reports":
        return tuple(_report(item, where) for item in (value if isinstance(value, list | tuple) else [value]))
    if setting.repeatable:
        one = _name if setting.kind == "names" else _integer
        return tuple(dict.fromkeys(one(setting, item, value, where) for item in _items(value)))
    convert = {"name": _name, "integer": _integer, "number": _number, "path": _path}[setting.kind]
    return convert(setting, value, value, where)


def check_known(name: str, known: Iterable[str], what: str, where: str = "") -> None:
    """UsageError with a suggestion when ``name`` is none of ``known``; ``where`` follows the name."""
    names = list(known)
    if name not in names:
        near = suggestion(name, names)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(names)}"
        raise UsageError(f"unknown {what} {name!r}{where}; {hint}")


def _items(value: Any) -> list[Any]:
    """The values of a list, with texts split at commas and empty ones left out."""
    items: list[Any] = []
    for item in value if isinstance(value, list | tuple) else [value]:
        items += filter(None, map(str.strip, item.split(","))) if isinstance(item, str) else [item]
    return items


def _name(setting: Setting, item: Any, value: Any, where: str) -> str:
    if not isinstance(item, str):
        raise _wrong("a name in quotes" + (", or a list of them" if setting.repeatable else ""), value, where)
    named = spelled(item, setting.choices, setting.spellings)
    if setting.name == "format" and spelled(item, STORED_FORMATS, SPELLINGS) in STORED_FORMATS:
        judged_format(item)  # raises, and says what they are for
    if setting.choices and named not in setting.choices:
        near = suggestion(item, setting.choices, setting.shorts, least=0.75)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(
            f"unknown {setting.name} {item!r} for {where}; expected one of {', '.join(setting.choices)}{hint}"
        )
    return named


def _integer(setting: Setting, item: Any, value: Any, where: str) -> int:
    # TOML's true is no number, although Python's True is an int.
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    try:
        return int(item if isinstance(item, str) else "")
    except ValueError:
        several = ", or a list of them" if setting.repeatable else ""
        raise _wrong(f"a whole number{several}", value, where) from None


def _number(setting: Setting, item: Any, value: Any, where: str) -> float:
    if isinstance(item, int | float) and not isinstance(item, bool):
        return float(item)
    try:
        return float(item if isinstance(item, str) else "")
    except ValueError:
        raise _wrong("a number (of seconds)", value, where) from None


def _path(setting: Setting, item: Any, value: Any, where: str) -> str:
    if isinstance(item, str) and item:
        return item
    raise _wrong(f"a path in quotes, {STDOUT!r} or {NONE!r}", value, where)


def _report(item: Any, where: str) -> str:
    if isinstance(item, str) and all(format_and_path(item)):
        return item
    raise _wrong("FORMAT=PATH, such as html=report.html,", item, where)


def _wrong(expected: str, value: Any, where: str) -> UsageError:
    shown = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    return UsageError(f"expected {expected} for {where}, got {shortened(shown)}")
