"""The rounded context: a definition ``lambda m, x, **params`` evaluated as intervals of what a format may give.

``+ - * /`` and ``sqrt`` round to nearest (IEEE 754-2019, section 5): since rounding is monotone, the ends of the
result are the rounded ends. Elementary functions are within k ulps of the true value, k stated. Invalid operations
(0 * inf, inf - inf, 0/0, inf/inf, the root or logarithm of a negative number) raise the NaN flag.
"""

from __future__ import annotations

from typing import Any

from gradproof.formats import FLOAT16
from gradproof.formulas.rounded.choices import Choices
from gradproof.formulas.rounded.intervals import Rounded
from gradproof.formulas.rounded.libraries import USUAL, Libraries, Room
from gradproof.formulas.rounded.operations import Operations


class RoundedContext(Operations, Libraries, Choices):
    """The operations of one ``Arithmetic``; values are ``Rounded``, numbers are rounded to the compute format."""

    def expm1(self, a: Any, room: Room | None = None) -> Rounded:
        """e^a - 1; by a library that has it so in float16 (``Room.difference``), perhaps with a stored e^a."""
        found = super().expm1(a, room)
        if not (room or self.rooms.get("expm1", USUAL)).difference or self.arithmetic.storage != FLOAT16:
            return found
        apart = self.stored(self.stored(self.exp(a)) - 1)
        return self.where(abs(self.read(a)) > 0.5, self.either(found, apart), found)


class IdealContext(RoundedContext):
    """The same with a library whose elementary functions are correctly rounded, whatever a formula states."""

    def room_of(self, name: str, room: Room) -> Room:
        """No error but the rounding."""
        return Room(ulps=0.0)

    def elementary(self, name: str, a: Any, room: Room | None = None) -> Rounded:
        """As ``Libraries.elementary``, without the liberties of ``room``."""
        return super().elementary(name, a, USUAL)
