"""Writing a ledger file: plain TOML, one short table per entry, stable order, so that diffs are readable."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from gradproof.extend import Deviation, Entry, get_format


def document(deviations: Iterable[Deviation], entries: Iterable[Entry]) -> str:
    """The text of a ledger file that ``Ledger.read`` reads back to the same entries."""
    lines = ["# Known deviations, drafted by gradproof_properties.ledger.draft and read by a maintainer.", ""]
    for deviation in sorted(deviations, key=lambda d: d.id):
        lines += [
            f"[deviation.{_text(deviation.id)}]",
            f"title = {_text(deviation.title)}",
            f"reason = {_text(deviation.reason)}",
            f"upstream = {_list(map(_text, deviation.upstream))}",
            "",
        ]
    for entry in sorted(entries, key=lambda e: (e.deviation, e.function, e.format, e.order, e.property, e.modes, e.id)):
        fmt = get_format(entry.format)
        regions = _list(_list([_text(fmt.bits_text(a)), _text(fmt.bits_text(b))]) for a, b in entry.regions)
        lines += [
            "[[entry]]",
            f"deviation = {_text(entry.deviation)}",
            f"backend = {_text(entry.backend)}",
            f"versions = {_text(str(entry.versions))}",
            f"recorded = {_text(entry.recorded)}",
            f"hardware = {_list(map(_text, entry.hardware))}",
            f"function = {_text(entry.function)}",
            *([f"params = {{{_params(entry.params)}}}"] if entry.params else []),
            f"modes = {_list(map(_text, entry.modes))}",
            f"format = {_text(entry.format)}",
            f"order = {entry.order}",
            f"property = {_text(entry.property)}",
            f"regions = {regions}",
            f"ceiling = {_text('inf') if math.isinf(entry.ceiling) else f'{entry.ceiling:.6g}'}",
            f"witnesses = {_list(_text(fmt.bits_text(w)) for w in entry.witnesses)}",
            "",
        ]
    return "\n".join(lines)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{k} = {_value(v)}" for k, v in sorted(params.items()))


def _value(value: Any) -> str:
    return repr(value) if isinstance(value, (int, float)) else _text(str(value))
