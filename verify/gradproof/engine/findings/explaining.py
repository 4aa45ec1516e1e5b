"""What computes the results that fail: a formula of the library, another function, or a narrower format.

Each is a tested statement. A formula explains where the interval of what it may give, in the format's own arithmetic,
encloses the result; another function where its exact value is met within the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from gradproof.engine.findings.enclosing import ENOUGH, agrees, as_often, enclosing, inputs_beside, known_formulas
from gradproof.engine.findings.narrower import narrower_elsewhere, stored_in
from gradproof.engine.findings.other_functions import computes, is_catalogued, other_formulas, suspects
from gradproof.engine.findings.results_at import (
    FEWEST,
    MOST,
    FailingResults,
    looked_at,
    results_anywhere,
    right_results,
    thinned,
    vary,
)
from gradproof.engine.subject.probe import Probe
from gradproof.formats.arrays import Bits
from gradproof.formulas.formula import Formula
from gradproof.functions import Function
from gradproof.measure.conversion import faults
from gradproof.results.model import Explanation

MOST_OF_FRAMEWORK: Final = 1024
"""Failing inputs of a framework's own function that are compared; more are thinned out evenly."""


def explanations(
    probe: Probe, order: int, clusters: Sequence[FailingResults], held: Bits, listed: Sequence[Formula] = ()
) -> list[list[Explanation]]:
    """For each cluster what gives its results where f^(order) fails: the likeliest first, none where nothing does.

    Of a user's implementation more is asked than that a formula encloses what fails. It must be able to give what is
    right, too, at ``held``, where f^(order) keeps the contract: a formula that is wrong where the implementation is
    right is not what it computes, nor one that is seldom right beside the failing inputs, where the implementation is.
    Those that give the most results to the last bit come first. And the results are compared with the other catalogued
    functions and their formulas, and with narrower formats. ``listed`` are the formulas of known deviations: where
    there are some no others are tried.
    """
    if probe.target is not None:
        return [_second_rounding(probe, c.bits, c.got) for c in clusters]
    if not is_catalogued(probe.function):
        return [[] for _ in clusters]
    user = probe.implementation.user
    most = MOST if user else MOST_OF_FRAMEWORK
    seen = [replace(c, bits=b, got=g) for c in clusters for b, g in [thinned(most, c.bits, c.got)]]
    formulas = [f for f in listed if f.order == order and f.applies_to(probe.format)]
    formulas = formulas or known_formulas(probe.function, order, probe.format)
    if not user:
        params = probe.function.params
        found = (enclosing(probe, order, c.bits, c.got, formulas, params) for c in seen)
        return [[Explanation(f.id, f.text, share) for f, share in own] for own in found]
    right = right_results(probe, order, held)
    (tried,) = thinned(MOST, probe.base_points)
    others = suspects(probe, order, seen)
    told = [_of_users(probe, order, c, formulas, others, right, tried) for c in seen]
    return [[*why, *narrower_elsewhere(probe, order, c, why, told)] for c, why in zip(seen, told, strict=True)]


def _of_users(
    probe: Probe,
    order: int,
    asked: FailingResults,
    formulas: Sequence[Formula],
    others: Sequence[Function],
    right: FailingResults,
    tried: Bits,
) -> list[Explanation]:
    """What gives the results of one cluster of a user's implementation."""
    bits, got = asked.bits, asked.got
    for other in others:
        told = computes(probe, order, bits, got, other)
        if told is not None:
            return [told]
    own = enclosing(probe, order, bits, got, formulas, probe.function.params, right)
    if own:
        beside = looked_at(probe, order, inputs_beside(bits, probe.format) if probe.given is None else tried)
        own = [(f, share) for f, share in own if agrees(probe, f, beside) and as_often(probe, order, f, beside)]
    found = [Explanation(f.id, f.text, share) for f, share in own]
    if bits.size < FEWEST:
        return found
    varied = vary(probe, got)
    found += stored_in(probe, order, bits, got, got if varied else results_anywhere(probe, order))
    return found or (other_formulas(probe, order, bits, got) if asked.ordinary and varied else [])


def _second_rounding(probe: Probe, bits: Bits, got: Bits) -> list[Explanation]:
    """That a conversion rounds twice, where a format between the two gives its results."""
    assert probe.target is not None
    found, between = faults(bits, got, probe.format, probe.target)
    share = float(np.mean(found == "twice"))
    return [Explanation(f"through/{between}", f"it rounds to {between} first", share)] if share >= ENOUGH else []
