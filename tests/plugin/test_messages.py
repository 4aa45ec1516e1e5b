"""The words of a verdict, on cells made up for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradproof.plugin.messages import failure
from gradproof.plugin.summary import summary
from gradproof.results.model import Cell, Certificate, Enclosure, Evidence, Interval, LedgerState, Number

X = Number("0xc2ca", "-0x1.94p+6", "-101.0")
NAN = Number("0x7fc0", "nan", "nan")
ZERO = Number("0x8000", "-0x0.0p+0", "-0.0")
LOW = Number("0xff7f", "-0x1.fep+127", "-3.3895313892515355e+38")
HIGH = Number("0xc2b2", "-0x1.64p+6", "-89.0")

TRIED = "; every input tried (65280)"
CERTIFICATE = Certificate(
    input=X,
    got=NAN,
    expected=ZERO,
    enclosure=Enclosure("-1.4e-42", "-1.3e-42", "arb", 40),
    neighbours=[],
    u=None,
    m=None,
    abs_error=None,
    magnitude=None,
    simplest=Number("0xc300", "-0x1.0p+7", "-128.0"),
    region=[Interval(LOW, HIGH, 100, 100, True), *[Interval(X, X, 9, 1, False)] * 4],
    cause="intermediate-overflow",
    explanation="",
    reproduce="gradproof repro silu --bits 0xc300",
)
FAILED = Cell(
    "silu", {}, "mine:silu", "torch", "cpu", "eager", "bfloat16", 1, "accuracy", "fail",
    reason="at -101.0: got nan, expected -0.0 (a class mismatch)", evidence=Evidence("exhaustive", 65280),
    felt=False, certificate=CERTIFICATE,
)  # fmt: skip


def test_a_class_mismatch_is_told_line_by_line() -> None:
    assert failure(FAILED).splitlines() == [
        "at -101.0: got nan, expected -0.0 (a class mismatch)",
        "  claim      accuracy of silu, the first derivative in bfloat16; contract stable" + TRIED,
        "  by         mine:silu on torch:cpu, eager",
        "  input      -101.0   -0x1.94p+6   0xc2ca",
        "  got        nan      nan          0x7fc0",
        "  expected   -0.0     -0x0.0p+0    0x8000",
        "  truth      [-1.4e-42, -1.3e-42] (arb, 40 bits)",
        "  error      of class (NaN, infinity or sign)",
        "  region     [-3.3895313892515355e+38, -89.0]: 100 of 100 inputs fail",
        "             -101.0: 1 of 9 tried inputs fail",
        "             -101.0: 1 of 9 tried inputs fail",
        "             and 2 more",
        "  simplest   -128.0   -0x1.0p+7    0xc300",
        "  cause      probably intermediate-overflow",
        "  felt       no, within the training contract",
        "  reproduce  gradproof repro silu --bits 0xc300",
    ]


@pytest.mark.parametrize(
    ("m", "magnitude", "words"),
    [
        (1.0000123, 1.0000123, "m = 1.00001, absolute 1e-08; 1.00001 times the bound"),
        (4.0000002, 1.00000005, "m = 4.0000002, absolute 1e-08; 1.00000005 times the bound"),
        (8.4, 1.05, "m = 8.4, absolute 1e-08; 1.05 times the bound"),
        (123456.0, 30864.0, "m = 1.235e+05, absolute 1e-08; 3.086e+04 times the bound"),
    ],
)
def test_an_error_near_its_bound_is_told_with_the_digits_that_show_the_excess(
    m: float, magnitude: float, words: str
) -> None:
    near = replace(CERTIFICATE, u=2.0, m=m, abs_error=1e-8, magnitude=magnitude)
    text = failure(replace(FAILED, certificate=near))
    assert f"\n  error      u = 2 ulp, {words}\n" in text


def test_the_interval_that_holds_the_input_is_listed_first() -> None:
    far = [Interval(Number("", "", f"{n}.0"), Number("", "", f"{n}.5"), 2, 2, True) for n in range(-9, -4)]
    home = Interval(Number("", "", "-102.0"), Number("", "", "-100.0"), 7, 7, True)
    lines = failure(replace(FAILED, certificate=replace(CERTIFICATE, region=[*far, home]))).splitlines()
    (first,) = (n for n, line in enumerate(lines) if line.startswith("  region"))
    assert lines[first].endswith("[-102.0, -100.0]: 7 of 7 inputs fail")
    assert lines[first + 1].endswith("[-9.0, -9.5]: 2 of 2 inputs fail")


def test_a_deviation_that_outgrew_its_declaration_says_by_how_much() -> None:
    state = LedgerState("long id", "mine:silu: accuracy: exp overflows", "grown", "error over bound 9 above 3")
    assert "\n  known      no longer as declared: error over bound 9 above 3 (exp overflows)\n" in failure(
        FAILED, [state]
    )
    assert "\n  known " not in failure(FAILED, [replace(state, state="seen")])


def test_a_fault_of_the_check_is_not_blamed_on_the_implementation() -> None:
    cell = replace(
        FAILED, status="error", reason="the check itself raised KeyError: 'x'", certificate=None,
        measured={"fault": "internal"}, params={"beta": 2.0}, function="softplus", felt=None,
    )  # fmt: skip
    assert failure(cell).splitlines() == [
        "the check itself raised KeyError: 'x'",
        "  claim      accuracy of softplus(beta=2.0), the first derivative in bfloat16; contract stable" + TRIED,
        "  by         mine:silu on torch:cpu, eager",
        "  fault      internal: a fault of the check, not of the implementation; please report it",
    ]


def test_a_property_that_knows_more_than_one_point_needs_no_certificate_of_one() -> None:
    assert "  error " not in failure(replace(FAILED, certificate=None))


def test_the_summary_counts_and_names_what_is_wrong_with_the_ledger() -> None:
    def verdict(status: str, *states: str) -> dict[str, object]:
        ledger = [{"state": s, "entry": "elu tail", "detail": "no longer shows"} for s in states]
        return {"cell": {"status": status}, "ledger": ledger}

    assert summary([verdict("known", "seen"), verdict("pass", "gone"), verdict("undecided"), verdict("pass")]) == [
        "4 cells: 1 undecided, 1 known, 2 pass",
        "ledger: gone: elu tail: no longer shows",
    ]
