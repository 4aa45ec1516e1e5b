"""consistency: one input, one answer, however the array lies in memory and however the function is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from gradproof.extend import (
    FAULT,
    Bits,
    Call,
    Evidence,
    ImplementationFault,
    Outcome,
    Probe,
    Property,
    Unsupported,
    Violations,
    landmark_bits,
    layouts,
)
from gradproof.extend import arrays as fa
from gradproof_properties.calls.arbitration import Answers, arbitrated
from gradproof_properties.calls.cotangents import nonlinear

POINTS = {"quick": 1024, "default": 2304, "deep": 1 << 14}
"""Inputs of a cell, by profile; those given to one call each, and those in short arrays, are the first of them."""
SCALARS = {"quick": 32, "default": 128, "deep": 1024}
TAILS = {"quick": 136, "default": layouts.ALL_TAILS, "deep": layouts.ALL_TAILS}
"""136 inputs make arrays of 1 to 16 elements, which is a vector of 512 bits in float32; ALL_TAILS make 1 to 64."""
SLOW = 4
"""A call that is differentiated costs up to ten times as much: so many times fewer inputs in the last two, which
make arrays of 1 to 31 of ALL_TAILS."""
QUICK_DERIVATIVES = (("strided", "transposed", "scalar", "in-place", "forward"), ("strided", "in-place", "forward"))
"""What is tried of f' and f'' of a framework's own functions in the profile quick."""
COMPILED = ("scalar",)
"""The layouts in mode compiled, where each costs a compilation: the one with no vector in it."""
FEW = ("scalar", "forward")
"""What is tried where each layout costs much: the one without a vector, and the other AD path."""
WIDELY_TRIED = "float32"
"""Where each shape or thread costs much, the format in which a catalogue's functions are tried in all layouts."""
CONTIGUOUS = "the contiguous array"


class Consistency(Property):
    """Layouts, modes, AD paths and cotangents give one answer; the oracle says which side is wrong."""

    id: ClassVar[str] = "consistency"
    title: ClassVar[str] = "One input gives one answer, whatever the layout, the mode and the AD path"
    statement: ClassVar[str] = (
        "f^(n) has the same bits in a contiguous array as strided between poison, at an odd offset, transposed, "
        "broadcast, zero-dimensional, in short and in large arrays, batched, under vmap, in place and by out=, on a "
        "second call, eager and compiled, in reverse and in forward mode; an empty array gives an empty one. Where "
        "bits differ the oracle judges both answers. The difference fails when only the other answer breaks the "
        "contract, when the two lie further apart than answers that keep it can, whichever breaks it, and between "
        "layouts or modes also at a kink; smaller differences are counted. The vjp is linear in the cotangent, at "
        "kinks too: 0 gives 0, the others c times the vjp of 1, within 2 |c| times what the contract allows f' and "
        "underflow, wherever the vjp of 1 keeps it."
    )
    source: ClassVar[str] = "pytorch#188382, pytorch#185770: vectors against scalars; pytorch#189801: compiled"
    orders: ClassVar[tuple[int, ...]] = (0, 1, 2)
    about_calls: ClassVar[bool] = True
    same_in_every_profile: ClassVar[bool] = False
    tries_witnesses: ClassVar[bool] = True

    def check(self, probe: Probe, order: int) -> Outcome:
        """Ask for the same inputs in every way there is, and compare with the contiguous array."""
        probe.require(order)
        return _Comparison(probe, order).outcome()


def points(probe: Probe) -> Bits:
    """The inputs of a cell, a fixed number by profile: the witnesses, a NaN, the infinities, both zeros, the
    kinks; then in random order landmarks with their neighbours, numbers of moderate size, and numbers of every size.
    """
    fmt, count = probe.format, POINTS[probe.profile]
    rng = np.random.default_rng([probe.seed, 5])
    near = landmark_bits(probe.function, fmt, radius=1)
    half = count // 2
    moderate = fa.round_values(np.concatenate([rng.uniform(-8, 8, half // 2), rng.uniform(-64, 64, half // 2)]), fmt)
    anywhere = fa.from_ordinals(rng.integers(-fmt.last_bits, fmt.last_bits, count, endpoint=True), fmt)
    special = [fmt.nan_bits, fmt.last_bits, fmt.last_bits | fmt.sign_bit, 0, fmt.sign_bit]
    special += [fmt.round(kink, saturate=True) for kink in probe.function.kinks]
    first = np.array([*probe.witnesses, *special], fa.storage(fmt))
    return np.concatenate([first, rng.permutation(np.concatenate([near, moderate, anywhere])[:count])])[:count]


def widely_tried(probe: Probe) -> bool:
    """Whether what is dear is tried here: a user's functions, the profile deep, and one format of the catalogue's."""
    return probe.implementation.user or probe.profile == "deep" or probe.format.name == WIDELY_TRIED


def ways(probe: Probe, order: int) -> tuple[str, ...]:
    """The layouts to try in a cell, and ``forward`` where there is that path.

    All that there are in the profile deep, and of a user's functions; where each shape is compiled, their derivatives
    take FEW in all formats but one. Of a framework's own functions what starts threads is tried in one format, and so
    is what is compiled for each shape, in few layouts where that is dear.
    """
    offered = probe.backend.layouts(probe.implementation, probe.format, order)
    found = [name for name in layouts.LAYOUTS if name in offered and name != "contiguous"]
    if order and "forward" in probe.paths:
        found.append("forward")
    if probe.mode != "eager":
        found = [name for name in found if name in COMPILED]
    if probe.implementation.user or probe.profile == "deep":
        dear = order and probe.backend.compiles_each_shape and probe.profile != "deep" and not _widely_judged(probe)
        return tuple(name for name in found if not dear or name in FEW)
    usual, quick = widely_tried(probe), probe.profile == "quick"
    if quick and order:
        found = [name for name in found if name in QUICK_DERIVATIVES[order - 1]]
    if not probe.backend.compiles_each_shape:
        return tuple(name for name in found if name != "large" or usual)
    if not usual or (quick and (order or probe.mode != "eager")):
        return ()
    few = FEW[:1] if quick else FEW
    return tuple(name for name in found if name in few or not (quick or order))


def _widely_judged(probe: Probe) -> bool:
    """Whether a user's function is in the format that is tried widely, or is not judged in that one at all."""
    judged = probe.selection.formats or probe.implementation.formats or (WIDELY_TRIED,)
    return probe.format.name == WIDELY_TRIED or WIDELY_TRIED not in judged


class _Comparison:
    """One cell: the inputs, their answers from the contiguous array, and what was found so far."""

    def __init__(self, probe: Probe, order: int) -> None:
        self.probe, self.order = probe, order
        self.bits = points(probe)
        self.first = self._answer(self.bits)
        self.first_way = CONTIGUOUS if probe.mode == "eager" else f"the {probe.mode} contiguous array"
        self.figures: dict[str, Any] = {}
        self.skipped: dict[str, str] = {}
        self.found: list[Violations] = []
        self.undecided: list[int] = []
        self.compared = 0

    def outcome(self) -> Outcome:
        """Compare in every way there is, and answer."""
        for way in ways(self.probe, self.order):
            with self._trying(way):
                if way == "forward":
                    self._forward()
                elif way == "large":
                    self._large()
                else:
                    self._layout(way)
        if self.probe.mode != "eager":
            with self._trying("eager"):
                eager = self._answer(self.bits, mode="eager")
                self._compare(Answers(self.bits, eager, self.first, "eager", self.probe.mode))
        with self._trying("second call"):
            again = self._answer(self.bits)
            self._compare(Answers(self.bits, self.first, again, "the first call", "the second call"))
        with self._trying("cotangents"):
            self._cotangents()
        measured: dict[str, Any] = {"ways": self.figures}
        if self.skipped:
            measured["not_offered"] = self.skipped
        if self.undecided:
            measured["undecided_at"] = self.probe.format.decimal(self.undecided[0])
        undecided = len(self.undecided)
        return Outcome(Evidence("sampled", self.compared), self.found, undecided=undecided, measured=measured)

    def _layout(self, layout: str) -> None:
        probe, bits, first = self.probe, self.bits, self.first
        few = {"scalar": SCALARS[probe.profile], "tail": TAILS[probe.profile], "empty": 0}
        if self.order and probe.profile != "deep":
            few.update(scalar=few["scalar"] // SLOW, tail=max(few["tail"] // SLOW, TAILS["quick"]))
        count = few.get(layout, bits.size)
        bits, first = bits[:count], first[:count]
        second = self._answer(bits, layout=layout)
        self._compare(Answers(bits, first, second, self.first_way, layout))

    def _large(self) -> None:
        """Every answer that any copy of an input gets is judged, each once: threads may have different faults."""
        many, which = layouts.copies(self.bits)
        got = self._answer(many, layout="large")
        others = np.flatnonzero(got != self.first[which])
        rows, distinct = np.unique(np.stack([which[others], got[others].astype(np.int64)]), axis=1)
        answers = Answers(self.bits[rows], self.first[rows], distinct.astype(got.dtype), self.first_way, "large")
        self._compare(answers, asked=many.size)

    def _forward(self) -> None:
        forward = self._answer(self.bits, path="forward")
        # What the paths say at a kink is the business of kink-convention.
        self._compare(Answers(self.bits, self.first, forward, "reverse mode", "forward mode"), at_kinks=False)

    def _cotangents(self) -> None:
        probe = self.probe
        linear = probe.backend.takes_cotangents and probe.mode == "eager" and probe.paths[0] == "reverse"
        if self.order != 1 or not linear or (probe.backend.compiles_each_shape and not widely_tried(probe)):
            return
        figures, found = nonlinear(
            probe, self.bits, self.first, lambda c: self._answer(self.bits, cotangent=c),
            lambda: self._answer(self.bits, unequal=True),
        )  # fmt: skip
        self.figures["cotangents"] = figures
        self.found += found
        self.compared += sum(row["n"] for row in figures)

    def _compare(self, answers: Answers, *, at_kinks: bool = True, asked: int | None = None) -> None:
        """Have the oracle judge; ``asked`` inputs were compared where ``answers`` holds only those that differ."""
        found = arbitrated(self.probe, self.order, answers, at_kinks=at_kinks)
        asked = answers.bits.size if asked is None else asked
        self.figures[answers.second_way] = found.figures | {"n": asked}
        self.undecided += found.undecided
        self.compared += asked
        if found.violations is not None:
            self.found.append(found.violations)

    def _answer(self, bits: Bits, *, mode: str | None = None, path: str | None = None, **more: Any) -> Bits:
        probe = self.probe
        call = Call(order=self.order, mode=mode or probe.mode, path=path or probe.paths[0], **more)
        with probe.calling():
            return probe.backend.evaluate(probe.implementation, bits, probe.format, call)

    @contextmanager
    def _trying(self, way: str) -> Iterator[None]:
        """Note what is not offered in one way; a fault in it fails the claim, unless it spoils the process."""
        try:
            yield
        except Unsupported as why:
            self.skipped[way] = str(why)
        except ImplementationFault as fault:
            described = f"{way} ({layouts.LAYOUTS[way]})" if way in layouts.LAYOUTS else way
            if fault.kind in ("timed-out", "changed-process"):
                raise ImplementationFault(fault.kind, f"{described}: {fault}") from fault
            self.figures[way] = {"fault": fault.kind}
            self.compared += 1
            text = f"{described}: {fault}; {self.first_way} is no trouble"
            self.found.append(_fault(self.bits[:1], self.first[:1], text))


def _fault(bits: Bits, got: Bits, text: str) -> Violations:
    """The failure of a way as a whole; input and result are those of the contiguous array, where nothing is wrong."""
    return Violations(
        bits, got, np.array([np.inf]), np.array([FAULT], np.int8), np.array([True]), text, cause="fault",
        pointwise=False,
    )  # fmt: skip
