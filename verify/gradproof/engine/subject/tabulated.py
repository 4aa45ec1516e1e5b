"""Results of a framework's own functions at every bit pattern of a format: asked for once, then looked up.

A contiguous call answers each element by itself (``backends.base``), and a framework's function has no state, so in
formats of at most 16 bits one call of all patterns answers all later ones. A call costs JAX milliseconds however few
inputs it has, since it traces a derivative each time. A user's callable is called each time: it may have a state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gradproof.backends.base import Call, Implementation
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits

WORTH_A_TABLE: Final = 1024
"""Inputs from which on all patterns are asked for; fewer are answered from a table that is there."""
KEPT: Final = 64
"""Tables, 128 kB each, of which the least recently used go first."""

Ask = Callable[[Bits], Bits]

_tables: OrderedDict[tuple[int, str, str, Call], tuple[Implementation, Bits]] = OrderedDict()


def answered(implementation: Implementation, backend: str, fmt: Format, call: Call, bits: Bits, ask: Ask) -> Bits:
    """What ``ask(bits)`` answers, which is ``implementation`` on ``backend`` in the format and by the call.

    Raises what ``ask`` raises.
    """
    if implementation.user or not fmt.is_16_bit or call.layout != "contiguous":
        return ask(bits)
    key = (id(implementation), backend, fmt.name, call)
    if key not in _tables:
        if bits.size < WORTH_A_TABLE:
            return ask(bits)
        # Kept beside the table, so that its id stays its own.
        _tables[key] = implementation, ask(fa.all_bits(fmt))
        if len(_tables) > KEPT:
            _tables.popitem(last=False)
    _tables.move_to_end(key)
    results: Bits = _tables[key][1][bits]
    return results


def forget() -> None:
    """Drop every table (tests, and backends whose functions change)."""
    _tables.clear()
