"""``gradproof study``: measurements beside published figures.

Found through the entry-point group ``gradproof.studies``: a point's name is the study's, and leads to a
``click.Command``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Final

import click

from gradproof.cli.console import columns, console
from gradproof.config import check_known
from gradproof.entry_points import REMEDY, described, enabled_entry_points, loaded
from gradproof.errors import UsageError

GROUP: Final = "gradproof.studies"


class Studies(click.Group):
    """The installed studies as subcommands; none is loaded before it is named or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the studies."""
        return sorted(_points())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one study; UsageError, with a suggestion, for an unknown one and for one that is no command."""
        points = _points()
        check_known(cmd_name, points, "study")
        point = points[cmd_name]
        found = loaded(point)
        if not isinstance(found, click.Command):
            raise UsageError(f"{described(point)} must be a click.Command, got {found!r}; {REMEDY}")
        return found


def _points() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in enabled_entry_points(GROUP):
        if point.name in found:
            raise UsageError(f"{described(point)} offers a second study called {point.name!r}; {REMEDY}")
        found[point.name] = point
    return found


@click.group(
    "study",
    cls=Studies,
    invoke_without_command=True,
    epilog="Example: gradproof study relu-at-zero --max-seconds 60",
)
@click.pass_context
def study_command(ctx: click.Context, /) -> None:
    """Measure what a publication measured, and print both. Without a name: list the studies."""
    if ctx.invoked_subcommand is not None:
        return
    group = ctx.command
    assert isinstance(group, Studies)
    found = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    columns(console(), ("study", "what it measures"), [(n, c.get_short_help_str(100)) for n, c in found if c])
