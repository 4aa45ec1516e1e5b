"""Pictures of the claims: drawn from what was measured, absent where nothing was, and never markup of others."""

from __future__ import annotations

import dataclasses
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gradproof.results.claims import judge
from gradproof.results.model import Basis, Cell, Claim, RunResult
from gradproof_reports.html import render_html
from gradproof_reports.html.charts import Plotted, chart, linear, logarithmic
from gradproof_reports.html.pictures import DRAWN, pictures
from tests.reports.synthetic import run

QUOTIENTS = {"h": 0.25, "left": 0.0, "right": 1.0, "central_at_kink": 0.5, "backward": 0.0, "forward": 1.0}
LOSS = {"steps": 4, "parted_at": 1, "loss": {"left": 10.0, "mean": 10.1, "right": 10.2}}
TERMS = {
    "cross_terms_due": 9, "cross_terms_got": 9, "second_derivative_terms_due": 2.5, "second_derivative_terms_got": 2.25,
}  # fmt: skip
MEASURED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "jump-near-zero": ("relu", 0, {"kinks": {"0": {**QUOTIENTS, "finer": [[2**-12, 0.0, 0.5, 1.0]]}}}),
    "local-linearity": ("relu", 1, {"across_each_kink": {"0": {"h": [1.0, 1e-7], "remainder_over_h": [0.75, 0.75]}}}),
    "exact-zero": ("relu", 1, {"without bias": {"predicted": 1e-6, "measured": 2e-6}, "lattice_half_width": 9}),
    "choice-at-zero": ("relu", 1, {"forced": {"adam": LOSS}, "natural": {"adam": {"parted_at": None}}}),
    "rounding-noise": ("sigmoid", 1, {"depth": 64, "log2_product": -137.0, "snr_below_1_at": 12, "flushed_at": 13}),
    "saturation": ("sigmoid", 1, {"left": {"measured_onset": "-88.7", "oracle_onset": "-103.9"}}),
    "curvature-by-depth": ("relu", 0, {"error_by_depth": [0.06, 0.015], "exact_error_by_depth": [0.0625, 0.015625]}),
    "curvature-seen": ("gelu", 2, {"ways": ["reverse"], "reverse": TERMS}),
    "smooth-descent": ("abs", 1, {"settling": [{"first_step": 0.5, "last_step": 0.5}]}),
    "leaky-slope": ("relu", 1, {"dead_units": 128, "living_units": 128}),
}


def measured(claim: str, **changes: object) -> RunResult:
    function, order, found = MEASURED[claim]
    base = run(functions=1)
    cell = Cell(
        function, {}, f"torch.{function}", "torch", "cpu", "eager", "float32", order, DRAWN[claim][0], "pass",
        measured=found,
    )  # fmt: skip
    cells = [dataclasses.replace(cell, **changes)]  # type: ignore[arg-type]
    claims = judge([Claim(claim, "Is it so?", "It is.", "nobody", [Basis(DRAWN[claim][0])])], cells)
    return dataclasses.replace(base, cells=cells, claims=claims)


@pytest.mark.parametrize("claim", DRAWN)
def test_each_claim_with_measurements_has_a_picture_in_the_page(claim: str) -> None:
    (picture,) = pictures(measured(claim)).values()
    root = ET.fromstring(str(picture.svg))
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert picture.caption.endswith("Measured on torch:cpu.")
    assert str(picture.svg) in render_html(measured(claim))


@pytest.mark.parametrize("claim", DRAWN)
def test_without_measurements_there_is_none(claim: str) -> None:
    assert pictures(measured(claim, measured={})) == {}
    assert pictures(measured(claim, status="not-run")) == {}
    assert pictures(measured(claim, function="softsign")) == {}


def test_the_noise_names_its_depths() -> None:
    assert "f32 at 12, f32 at 13" in pictures(measured("rounding-noise"))["rounding-noise"].caption


def test_a_newton_step_that_is_no_number_is_counted_for_relu() -> None:
    found = {"ways": ["reverse"], "reverse": TERMS, "newton": {"infinite": 30, "nan": 12}}
    told = pictures(measured("curvature-seen", function="relu", measured=found))["curvature-seen"].caption
    assert "infinite at 30 of 42 inputs" in told
    assert "for each" in told
    fewer = {**found, "reverse": {**TERMS, "cross_terms_got": 8}}
    assert "for some" in pictures(measured("curvature-seen", measured=fewer))["curvature-seen"].caption


def test_points_stand_where_their_values_are() -> None:
    svg = str(chart("t", linear("x", (0, 10)), logarithmic("y", [1.0, 100.0]), [Plotted("s", [(5.0, 10.0)])]))
    circle = next(e for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle"))
    assert (float(circle.get("cx", 0)), float(circle.get("cy", 0))) == (
        62 + (560 - 62 - 118) / 2,
        12 + (250 - 12 - 38) / 2,
    )


def test_names_stay_text() -> None:
    hostile = "<script>alert(1)</script>"
    svg = str(chart(hostile, linear(hostile, (0, 1)), linear(hostile, (0, 1)), [Plotted(hostile, [(0.5, 0.5)])]))
    assert "<script>" not in svg
    ET.fromstring(svg)
