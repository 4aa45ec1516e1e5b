"""What was made elsewhere, as a JSON file: an implementation that worker processes and later commands find by a path.

Results in files are named by their paths, with size and time: a description of files that changed since is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gradproof.backends.base import Implementation, Traits
from gradproof.errors import UsageError
from gradproof.external.command import Command
from gradproof.external.inputs import Inputs, RangeInputs, inputs_in
from gradproof.external.recorded import NotRecorded, RecordedResults
from gradproof.external.vector_files import VectorFile, opened
from gradproof.files.reading import parsed_json, read_text
from gradproof.files.writing import write_text
from gradproof.formats import Format, get_format
from gradproof.formats.arrays import Bits
from gradproof.functions import Function, get_function

SCHEMA: Final = "gradproof-elsewhere/1"
SUFFIX: Final = ".elsewhere.json"


@dataclass(frozen=True)
class Elsewhere:
    """One implementation, as plain data. ``order`` is that of a file's results; ``commands`` go by order.

    ``inputs`` are a path, or (first, last) bit pattern; None of a command.
    """

    function: str
    params: Mapping[str, Any]
    name: str
    format: str
    order: int
    traits: Traits | None = None
    contract: str | None = None
    inputs: str | tuple[int, int] | None = None
    results: str = ""
    commands: tuple[str, ...] = ()

    @property
    def specification(self) -> Function:
        """The function that is meant; UsageError as ``get_function``."""
        return get_function(self.function, dict(self.params))

    def write(self, folder: Path) -> str:
        """Write it into ``folder``; the path of the file. Errors as ``write_text``."""
        content = {
            "schema": SCHEMA,
            "function": self.function,
            "params": dict(self.params),
            "name": self.name,
            "format": self.format,
            "order": self.order,
            "traits": None if self.traits is None else [self.traits.flushes_results, self.traits.zeros_inputs],
            "contract": self.contract,
            "inputs": _pinned(self.inputs) if isinstance(self.inputs, str) else self.inputs,
            "results": _pinned(self.results) if self.results else None,
            "commands": list(self.commands),
        }
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        path = folder / f"{self.function}-{self.format}-order{self.order}-{digest}{SUFFIX}"
        write_text(text, path, "description", own=True)
        return str(path)

    def implementation(self) -> Implementation:
        """The implementation that it describes. UsageError for files that are not what they should be."""
        function = self.specification
        common = Implementation(
            function=function.name, backend="bits", name=self.name, call=NotRecorded(0), params=dict(function.params),
            formats=(self.format,), user=True, contract=self.contract, declared=function,
            narrows_to=function.rounds_to, traits=self.traits,
        )  # fmt: skip
        if self.commands:
            made: list[Callable[[Bits], Bits]]
            made = [Command(text) if text else NotRecorded(order) for order, text in enumerate(self.commands)]
            return replace(common, device="command", call=made[0], derivatives=tuple(made[1:]))
        found = self.recorded()
        calls: list[Callable[[Bits], Bits]] = [*(NotRecorded(order) for order in range(self.order)), found]
        return replace(common, device="file", call=calls[0], derivatives=tuple(calls[1:]), inputs=found.inputs)

    def recorded(self) -> RecordedResults:
        """The results in the files; UsageError as ``implementation``."""
        fmt = get_format(self.format)
        return RecordedResults(self._inputs(fmt), self._results(fmt))

    def _inputs(self, fmt: Format) -> Inputs:
        if isinstance(self.inputs, str):
            return inputs_in(opened(self.inputs, (fmt,), "inputs"))
        assert self.inputs is not None
        return RangeInputs(fmt, *self.inputs)

    def _results(self, fmt: Format) -> VectorFile:
        """Of a conversion in the target's format or the source's: raw bits in that which their number fits."""
        narrow = self.specification.rounds_to
        if narrow is None:
            return opened(self.results, (fmt,), "results")
        target = get_format(narrow)
        if isinstance(self.inputs, str):
            count = opened(self.inputs, (fmt,), "inputs").count
        else:
            assert self.inputs is not None
            count = self.inputs[1] - self.inputs[0] + 1
        raw = Path(self.results).suffix.lower() in (".bin", ".raw")
        widened = raw and Path(self.results).is_file() and Path(self.results).stat().st_size == count * fmt.stored_bytes
        return opened(self.results, (fmt, target) if widened else (target, fmt), "results")


def is_description(path: str) -> bool:
    """Whether a path names a description, by its ending."""
    return path.endswith(SUFFIX)


def load(path: str) -> Implementation:
    """The implementation that the description at ``path`` is of, its ``file`` that path.

    Raises UsageError where it is no description, or its files have changed since it was written.
    """
    text = read_text(path, "a description of results made elsewhere")
    try:
        data = parsed_json(text)
        if data.get("schema") != SCHEMA:
            raise ValueError(f"its schema is {data.get('schema')!r}, expected {SCHEMA!r}")
        traits = data["traits"]
        found = Elsewhere(
            function=str(data["function"]), params=dict(data["params"]), name=str(data["name"]),
            format=get_format(data["format"]).name, order=int(data["order"]),
            traits=None if traits is None else Traits(bool(traits[0]), bool(traits[1])),
            contract=data["contract"], inputs=_unpinned(data["inputs"]), results=_unpinned(data["results"]) or "",
            commands=tuple(map(str, data["commands"])),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as fault:
        raise UsageError(f"{path} is no description of results made elsewhere: {fault}") from fault
    return replace(found.implementation(), file=path)


def _pinned(path: str) -> dict[str, Any]:
    """A file by its absolute path, size and time."""
    file, dots, tensor = path.partition(".safetensors:")
    place = Path(file + (".safetensors" if dots else "")).absolute()
    found = place.stat()
    return {"path": f"{place}{f':{tensor}' if dots else ''}", "size": found.st_size, "time": found.st_mtime_ns}


def _unpinned(data: Any) -> Any:
    """The path that ``_pinned`` was given, or a range; UsageError for a file that is another one now."""
    if not isinstance(data, Mapping):
        return None if data is None else (int(data[0]), int(data[1]))
    path = str(data["path"])
    try:
        same = _pinned(path) == data
    except OSError as fault:
        raise UsageError(f"expected the file {path}, but it cannot be read: {fault.strerror or fault}") from fault
    if not same:
        raise UsageError(f"{path} has changed since it was judged; judge it again")
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
