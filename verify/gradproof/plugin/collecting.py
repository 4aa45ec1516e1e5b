"""Collecting: a function that declares implementations becomes a node with one item per cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gradproof.engine.declared.implementations import registered_as
from gradproof.engine.declared.markers import Declared, marks_of, read_mark
from gradproof.errors import GradproofError, UsageError
from gradproof.plugin.context import PluginContext
from gradproof.plugin.items import CellItem
from gradproof.plugin.planning import planned_items
from gradproof.plugin.recorder import Recorder

NOT_SUPPORTED = ("parametrize", "usefixtures")
FIXTURE = "a test with the fixture gradproof_check may have both"


def collector_of(collector: pytest.Module | pytest.Class, name: str, thing: Any) -> ImplementationCollector | None:
    """The node of ``thing``, or None when another name or module has it already (an import, an alias)."""
    node = ImplementationCollector.from_parent(collector, name=name, thing=thing)
    try:
        return node if context_of(collector.config).claim(thing, node.nodeid) else None
    except GradproofError:
        return node  # its collection says what is wrong with the options


def context_of(config: pytest.Config) -> PluginContext:
    """This process's context, made on first use. Raises UsageError for options that name something unknown."""
    recorder = config.pluginmanager.get_plugin("gradproof-recorder")
    assert isinstance(recorder, Recorder)
    if recorder.context is None:
        recorder.context = PluginContext(config)
    assert isinstance(recorder.context, PluginContext)
    return recorder.context


class ImplementationCollector(pytest.Collector):
    """A callable under one or several gradproof marks, or registered with ``gradproof.implements``."""

    def __init__(self, name: str, parent: pytest.Collector, *, thing: Any) -> None:
        super().__init__(name, parent)
        self.thing = thing
        own = getattr(thing, "__dict__", {}).get("pytestmark", [])
        self.own_markers.extend(own)
        if not marks_of(thing):  # so that -m gradproof selects what implements() registered
            self.own_markers.append(pytest.mark.gradproof.mark)
        self.keywords.update((mark.name, mark) for mark in self.own_markers)

    def collect(self) -> Iterator[CellItem]:
        """One item per cell. Raises CollectError naming file and function for a mark that cannot be read."""
        try:
            yield from self._items()
        except GradproofError as fault:
            file = self.nodeid.partition("::")[0]
            raise self.CollectError(f"{file}: {self.name}: {fault}") from None

    def _items(self) -> Iterator[CellItem]:
        if isinstance(self.parent, pytest.Class):
            raise UsageError(
                f"expected a function at the top level of a module, got a method of {self.parent.name}; {FIXTURE}"
            )
        for mark in self.own_markers:
            if mark.name in NOT_SUPPORTED:
                raise UsageError(
                    f"expected no @pytest.mark.{mark.name} beside gradproof: items take no fixtures; {FIXTURE}"
                )
        context = context_of(self.config)
        for declared in self._declared():
            for row in planned_items(declared, context):
                item: CellItem = CellItem.from_parent(self, thing=self.thing, row=row, context=context)
                context.enter(row.cell, item.nodeid)
                yield item

    def _declared(self) -> list[Declared]:
        assert isinstance(self.parent, pytest.Module)
        world = vars(self.parent.obj)
        found = [read_mark(mark, self.thing, world) for mark in marks_of(self.thing)]
        return found or [Declared(i, i.backend) for i in registered_as(self.thing, self.name)]
