"""Inputs whose results lie so close to the middle of two neighbours that few working precisions can round them.

Sources. ``TMD``: J.-M. Muller, V. Lefevre, tables of the Table Maker's Dilemma (ARITH-15, 2001, and the extended
TMDworstcases.pdf of 2003), as they stand in OpenJDK's WorstCaseTests. ``AOSP``: Android's libm test data (bionic,
tests/math_data), which print some 30 hexadecimal digits. ``CORE-MATH``: the files ``*.wc`` of that project (Sibidanov,
Zimmermann, Glondu, "The CORE-MATH project", ARITH-29, 2022), from V. Lefevre's lists and from BaCSeL; for float32 the
exceptional inputs in its log1pf. ``LLVM``: the tricky inputs of LLVM libc's tests. ``search``: found by
``benchmarks/hardest_cases.py``, for float32 among all inputs of magnitude 2^-30 or more, for float64 near short
significands.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gradproof.formats import FLOAT32, FLOAT64, Format


class Hard(NamedTuple):
    """One input. ``identical`` counts the equal bits after the rounding bit; ``published`` is a result in print."""

    name: str
    fmt: Format
    x: str
    identical: int
    source: str
    published: str = ""
    """Hexadecimal digits, truncated or rounded at the last of them."""


HARD_CASES: Final = (
    Hard("exp", FLOAT64, "0x1.9e9cbbfd6080bp-31", 57, "TMD, AOSP", "0x1.000000033d397800000000000002a51dp0"),
    Hard("exp", FLOAT64, "0x1.6a4d1af9cc989p-8", 54, "TMD, AOSP", "0x1.016b4df3299d77ffffffffffffe83e10p0"),
    Hard("exp", FLOAT64, "0x1.8ae823850230bp-5", 53, "AOSP", "0x1.0ca4a41663fe07ffffffffffffdab235p0"),
    Hard("exp", FLOAT64, "0x1.accfbe46b4ef0p-1", 54, "TMD, AOSP", "0x1.27c2e4bc1ee707ffffffffffffeb0c2dp1"),
    Hard("exp", FLOAT64, "0x1.aca7ae8da5a7bp0", 53, "TMD, AOSP", "0x1.557d4acd7e5568000000000000202c86p2"),
    Hard("exp", FLOAT64, "-0x1.4bd46601ae1efp-31", 55, "TMD", "0x1.fffffffad0ae6p-1"),
    Hard("exp", FLOAT64, "0x1.ba07d73250de7p-14", 55, "TMD", "0x1.0006e83736f8cp0"),
    Hard("exp", FLOAT64, "0x1.a8ead058bc6b8p3", 51, "TMD", "0x1.1d71965f516adp19"),
    Hard("exp", FLOAT64, "-0x1.5b3e4e2e3bba9p9", 47, "LLVM"),
    Hard("expm1", FLOAT64, "0x1.274bbf1efb1a2p-10", 58, "CORE-MATH"),
    Hard("expm1", FLOAT64, "0x1.51fce10251a48p-16", 57, "CORE-MATH"),
    Hard("expm1", FLOAT64, "-0x1.19e53fcd490dp-23", 56, "CORE-MATH"),
    Hard("expm1", FLOAT64, "0x1.6e9b2675a65cfp-44", 56, "CORE-MATH"),
    Hard("expm1", FLOAT64, "-0x1.89a8c886e52f4p-10", 55, "CORE-MATH"),
    Hard("expm1", FLOAT64, "0x1p-52", 53, "AOSP", "0x1.000000000000080000000000002aaaaap-52"),
    Hard("log1p", FLOAT64, "0x1.8000000000003p-50", 99, "search"),
    Hard("log1p", FLOAT64, "-0x1.7fffffffffffdp-50", 99, "search"),
    Hard("log1p", FLOAT64, "0x1.0a1636f8aeb6ep93", 56, "CORE-MATH"),
    Hard("log1p", FLOAT64, "0x1.30dafaa546295p24", 55, "CORE-MATH"),
    Hard("log1p", FLOAT64, "0x1.14956b273c365p8", 54, "CORE-MATH"),
    Hard("log1p", FLOAT64, "0x1.0b1199e497739p3", 52, "CORE-MATH"),
    Hard("log1p", FLOAT64, "0x1.010634736a28p14", 49, "CORE-MATH, LLVM"),
    Hard("log1p", FLOAT64, "0x1.0000000000001p-52", 51, "AOSP", "0x1.00000000000007ffffffffffff555555p-52"),
    Hard("tanh", FLOAT64, "0x1.e0000000000e1p-22", 78, "CORE-MATH"),
    Hard("tanh", FLOAT64, "0x1.68000000017bbp-19", 63, "CORE-MATH"),
    Hard("tanh", FLOAT64, "-0x1.ac343b179fec4p-3", 59, "CORE-MATH"),
    Hard("tanh", FLOAT64, "0x1.30842605350a2p-21", 56, "CORE-MATH"),
    Hard("tanh", FLOAT64, "0x1.1375c272d441cp1", 56, "CORE-MATH"),
    Hard("tanh", FLOAT64, "0x1.0a90d36059a04p-6", 54, "CORE-MATH"),
    Hard("erf", FLOAT64, "0x1.51f3182edb17ap-36", 60, "CORE-MATH"),
    Hard("erf", FLOAT64, "-0x1.2759b6d41c68ep-29", 55, "CORE-MATH"),
    Hard("erf", FLOAT64, "0x1.52b76545cc8efp-6", 55, "CORE-MATH"),
    Hard("erf", FLOAT64, "0x1.4edbd3445930dp-8", 54, "CORE-MATH"),
    Hard("erf", FLOAT64, "0x1.4142994626b71p-16", 54, "CORE-MATH"),
    Hard("erf", FLOAT64, "0x1.3a013a3c71e92p0", 54, "CORE-MATH"),
    Hard("exp", FLOAT32, "-0x1.d2259ap3", 27, "search"),
    Hard("exp", FLOAT32, "-0x1.65cf3p6", 26, "search"),
    Hard("exp", FLOAT32, "-0x1.e1dbe2p-8", 26, "search"),
    Hard("exp", FLOAT32, "0x1.112856p6", 25, "search"),
    Hard("expm1", FLOAT32, "0x1.84a5bap-4", 28, "search, LLVM"),
    Hard("expm1", FLOAT32, "-0x1.eb97f8p-19", 27, "search"),
    Hard("expm1", FLOAT32, "0x1.4a9cf4p-11", 27, "search"),
    Hard("expm1", FLOAT32, "-0x1.f676d8p-9", 26, "search"),
    Hard("log1p", FLOAT32, "0x1.800006p-21", 41, "search, LLVM"),
    Hard("log1p", FLOAT32, "0x1.b121a6p76", 33, "search, LLVM"),
    Hard("log1p", FLOAT32, "0x1.fb035ap-2", 32, "search, LLVM, CORE-MATH", "0x1.9bddc2p-2"),
    Hard("log1p", FLOAT32, "0x1.0f1fd6p3", 30, "search, LLVM"),
    Hard("log1p", FLOAT32, "0x1.b7fd86p-4", 27, "search, LLVM, CORE-MATH", "0x1.a1ece2p-4"),
    Hard("tanh", FLOAT32, "0x1.86fbc4p-10", 25, "search"),
    Hard("tanh", FLOAT32, "-0x1.a83722p-6", 24, "search"),
    Hard("tanh", FLOAT32, "0x1.dc0accp-2", 24, "search"),
    Hard("tanh", FLOAT32, "0x1.5969ap2", 24, "search"),
    Hard("erf", FLOAT32, "0x1.81d5acp-13", 31, "search"),
    Hard("erf", FLOAT32, "-0x1.800afap-12", 26, "search"),
    Hard("erf", FLOAT32, "0x1.1d3a5ap-20", 25, "search"),
    Hard("erf", FLOAT32, "0x1.0874eap-1", 24, "search"),
)
