"""The rounded context: a definition ``lambda m, x, **params`` evaluated as intervals of what a format may give.

``+ - * /`` and ``sqrt`` round to nearest (IEEE 754-2019, section 5): since rounding is monotone, the ends of the
result are the rounded ends. Elementary functions are within k ulps of the true value, k stated. Invalid operations
(0 * inf, inf - inf, 0/0, inf/inf, the root or logarithm of a negative number) raise the NaN flag.
"""

from __future__ import annotations

from gradproof.formulas.rounded.choices import Choices
from gradproof.formulas.rounded.libraries import Libraries
from gradproof.formulas.rounded.operations import Operations


class RoundedContext(Operations, Libraries, Choices):
    """The operations of one ``Arithmetic``; values are ``Rounded``, numbers are rounded to the compute format."""
