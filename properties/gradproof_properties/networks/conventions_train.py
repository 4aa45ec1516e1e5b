"""conventions-train: what the choice of f' at a kink does to training, and that it does nothing before an exact hit."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np

from gradproof.extend import (
    TRAINING,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Evidence,
    Format,
    Function,
    Outcome,
    Probe,
    Property,
    Unsupported,
    Violations,
    get_format,
    oracle_of,
)
from gradproof.extend import arrays as fa
from gradproof_properties.flushing import flushes
from gradproof_properties.networks.forced_step import NAMES, Forced, Kink
from gradproof_properties.networks.optimisers import LINEAR, RULES
from gradproof_properties.networks.trajectories import (
    HIDDEN,
    INPUTS,
    ROWS,
    SHIFTED,
    UPDATE,
    Data,
    Difference,
    Gradient,
    KinkChoice,
    Network,
    Training,
    TrainingRun,
    beside,
    differing,
    draw,
    hits,
    same,
)

SHIFT: Final = Fraction(1, 1 << 10)
"""e of max(e, x): exact in every format."""
STEPS: Final = {"quick": (3, 2), "default": (8, 4), "deep": (200, 50)}
"""Steps by profile: of the natural case, and of the cases in which a kink is met at once."""


class ConventionsTrain(Property):
    """Training does not depend on the convention at a kink until a pre-activation is exactly there."""

    id: ClassVar[str] = "conventions-train"
    title: ClassVar[str] = "Training does not depend on f'(0) until a pre-activation is exactly 0"
    statement: ClassVar[str] = (
        "A two-layer network with a bias column is trained with the left derivative, the right one and their mean as "
        "f' at a kink, by gradient descent, momentum, Adam, RMSprop, Adadelta and Adagrad. E, the pre-activations, all "
        "gradients and all parameters are bitwise equal under the three until the first pre-activation exactly at the "
        "kink; its neighbours do not count. Where zero inputs and a bias at the kink force it, E is the same, the "
        "gradients of the bias weights differ by the jump times the sum of the cotangents within the counted "
        "roundings, no other gradient differs, and under gradient descent and momentum a bias weight parts where that "
        "moves it by more than two ulps. max(e, x) moves the case to e. How far the trajectories part is measured."
    )
    source: ClassVar[str] = "'try it yourself and see if anything changes': f'(0) = 0, 1/2, 1 in training"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    quick_compiled_formats: ClassVar[tuple[str, ...] | None] = ("float32", "bfloat16")
    same_in_every_profile: ClassVar[bool] = False

    def applies(self, function: Function, order: int) -> bool:
        """Continuous functions' kinks: at a jump of f itself no choice of f' is a derivative."""
        return any(_is_kink(function, kink) for kink in function.kinks)

    def check(self, probe: Probe, order: int) -> Outcome:
        """The forced step at every kink, then whole trajectories at the one nearest to 0."""
        probe.require(1)
        if probe.format.width < 16:
            raise Unsupported("networks are not trained in 8-bit arithmetic")
        kinks = _kinks(probe)
        if not kinks:
            return Outcome(Evidence("sampled", 0))
        with np.errstate(all="ignore"), probe.space() as space:
            trial = ConventionsTrial(probe, Network(probe, space))
            return trial.outcome(kinks)


def _is_kink(function: Function, kink: Fraction) -> bool:
    oracle, wide = oracle_of(function), get_format("float64")
    slopes = oracle.one_sided(kink, 1)
    if any(one.kind != "finite" for one in slopes) or oracle.jump(kink, 0) != 0:
        return False
    left, right = (wide.round(one.midpoint.fraction()) for one in slopes)
    return left != right


def _kinks(probe: Probe) -> list[Kink]:
    """The kinks that the format holds and whose sides it tells apart, nearest to 0 first."""
    fmt = probe.format
    found = []
    for at in dict.fromkeys(probe.function.kinks):
        if not (_is_kink(probe.function, at) and fmt.holds(at)):
            continue
        left, right = (one.midpoint.fraction() for one in probe.oracle.one_sided(at, 1))
        value = probe.oracle.one_sided(at, 0)[0].midpoint.fraction()
        slopes = (fmt.round(left), fmt.round((left + right) / 2), fmt.round(right))
        if len(set(slopes)) == len(slopes):
            found.append(Kink(at, value, slopes))
    return sorted(found, key=lambda kink: abs(kink.at))


class ConventionsTrial:
    """All cases of one cell: what was judged, what was measured, what was wrong."""

    def __init__(self, probe: Probe, network: Network) -> None:
        self.probe = probe
        self.fmt = probe.format
        self.network = network
        self.rng = np.random.default_rng(probe.seed)
        self.violations: list[Violations] = []
        self.judged = 0
        self.largest = 0.0

    def outcome(self, kinks: Sequence[Kink]) -> Outcome:
        """Every case in turn."""
        natural, forced = STEPS.get(self.probe.profile, STEPS["default"])
        nearest = kinks[0]
        for kink in kinks:
            self.step_beside(kink)
        measured: dict[str, Any] = {
            "kinks": {f"{float(kink.at):g}": self.step_at(kink) for kink in kinks},
            "natural": self.trained(nearest, natural, draw(self.rng, self.fmt, None)),
            "forced": self.trained(nearest, forced, draw(self.rng, self.fmt, nearest.at, zero_rows=1)),
        }
        if self.probe.function.name in SHIFTED:
            measured["max(e, x)"] = {
                "e": float(SHIFT),
                "at e": self.step_at(nearest, SHIFT),
                "zero input and bias": self.trained(
                    nearest, 2, draw(self.rng, self.fmt, nearest.at, zero_rows=1), SHIFT
                ),
            }
        return Outcome(
            Evidence("sampled", self.judged), self.violations, magnitude=self.largest or None, measured=measured
        )

    def trained(self, kink: Kink, steps: int, data: Data, shift: Fraction = Fraction(0)) -> dict[str, Any]:
        """Whole trajectories: equal until the first hit."""
        choices = kink.choices(shift)
        runs = Training(self.probe, self.network.space, self.network, choices).run(data, steps)
        self.judged += sum(run.judged for run in runs.values())
        unexplained = [(name, run.unexplained) for name, run in runs.items() if run.unexplained is not None]
        for name, difference in unexplained[:1]:
            self.violations.append(self._unexplained(name, difference, choices[0], data))
        return {name: self._record(run) for name, run in runs.items()}

    def step_at(self, kink: Kink, shift: Fraction = Fraction(0)) -> dict[str, Any]:
        """One step from zero inputs and a bias at the kink in every row: all that differs is predicted."""
        choices = kink.choices(shift)
        data = draw(self.rng, self.fmt, kink.at + shift, zero_rows=ROWS)
        runs = Training(self.probe, self.network.space, self.network, choices).run(data, 1)
        found = runs[LINEAR[0]].first
        forced = Forced(self.probe, kink, shift, data)
        self.judged += sum(g.size for _, g, _ in found[1:]) + len(RULES) * (len(choices) - 1)
        z = found[0][2]
        if not hits(z, choices[0], self.fmt, zeros_inputs=False).all():
            point = np.full(z.shape, self.fmt.round(kink.at + shift), z.dtype)
            self._add(
                point, z, 2.0, f"zero inputs and a bias of {float(kink.at + shift):g} give another pre-activation"
            )
        self._same_value(found, data, choices[0])
        self._gradients(forced, found)
        self._parted(forced, runs)
        native = self.network.gradient(data, data.start, KinkChoice(kink.at, None, shift))[1]
        return {"conventions": [float(self.fmt.value(s)) for s in kink.slopes], "native": forced.named(native, found)}

    def step_beside(self, kink: Kink) -> None:
        """Pre-activations just beside the kink, where the choice must not be felt."""
        traits, choices = self.probe.traits, kink.choices()
        near = beside(kink.at, self.fmt, flushes=flushes(traits))
        data = draw(self.rng, self.fmt, near, zero_rows=ROWS)
        found = [self.network.gradient(data, data.start, choice) for choice in choices]
        if hits(found[0][2], choices[0], self.fmt, zeros_inputs=traits.zeros_inputs).any():
            return  # a product that flushes by itself put one there
        self.judged += sum(g.size for _, g, _ in found[1:])
        difference = differing(found, [data.start] * len(found), self.fmt, 0)
        if difference is not None:
            self.violations.append(self._unexplained("just beside the kink", difference, choices[0], data))

    # -- what is wrong ---------------------------------------------------------------------------------

    def _same_value(self, found: Sequence[Gradient], data: Data, choice: KinkChoice) -> None:
        different = differing([(value, value, z) for value, _, z in found], [data.start] * len(found), self.fmt, 0)
        if different is not None:
            self.violations.append(self._unexplained("the forced step", different, choice, data))

    def _gradients(self, forced: Forced, found: Sequence[Gradient]) -> None:
        """Differences between neighbouring conventions, entry by entry."""
        point = np.full(HIDDEN, self.fmt.round(forced.kink.at + forced.shift), fa.storage(self.fmt))
        for i in range(len(found) - 1):
            first, second = found[i][1], found[i + 1][1]
            ratio, text = forced.compared(i, first[INPUTS], second[INPUTS])
            self.largest = max(self.largest, float(min(ratio.max(), np.finfo(np.float64).max)))
            if not (ratio <= 1).all():
                self._add(point, second[INPUTS], ratio, text)
            others = np.arange(INPUTS + 2) != INPUTS
            wrong = ~same(first[others], second[others], self.fmt)
            if wrong.any():
                got = second[others][wrong][:HIDDEN]
                between = f"f' = {NAMES[i]} and f' = {NAMES[i + 1]}"
                self._add(
                    point[: got.size], got, 1.0 + _apart(first[others][wrong], second[others][wrong], self.fmt),
                    f"{between} differ in the gradient of v, or of a weight whose input is 0",
                )  # fmt: skip

    def _parted(self, forced: Forced, runs: dict[str, TrainingRun]) -> None:
        """After one step: what parted although its gradient is the same, or did not although it must."""
        rates = {rule.name: Fraction(rule.constants["lr"]) for rule in RULES if rule.name in LINEAR}
        for name, run in runs.items():
            for i in range(len(NAMES) - 1):
                first, second = run.parameters[i], run.parameters[i + 1]
                equal = same(first, second, self.fmt)
                between = f"{name}: f' = {NAMES[i]} and f' = {NAMES[i + 1]}"
                alike = same(run.first[i][1], run.first[i + 1][1], self.fmt)
                self._step(forced, second[alike & ~equal], f"{between} part in a parameter whose gradient is the same")
                if name not in rates:
                    continue
                stuck = equal[INPUTS] & forced.must_part(i, rates[name]) & fa.is_finite(second[INPUTS], self.fmt)
                self._step(forced, second[INPUTS][stuck], f"{between} do not part where two ulps or more are due")

    def _step(self, forced: Forced, got: Bits, text: str) -> None:
        if got.size:
            point = self.fmt.round(forced.kink.at + forced.shift)
            self._add(np.full(got.size, point, fa.storage(self.fmt)), got, 2.0, text)

    def _unexplained(self, name: str, difference: Difference, choice: KinkChoice, data: Data) -> Violations:
        fmt = self.fmt
        wrong = ~same(difference.first, difference.second, fmt)
        got = np.atleast_1d(difference.second[wrong])
        z = difference.z.ravel()
        at = fmt.ordinal(fmt.round(choice.kink + choice.shift))
        far = [abs(fmt.ordinal(int(b)) - at) if fmt.is_finite(int(b)) else 1 << 70 for b in z]
        nearest = z[int(np.argmin(np.array(far, float)))]
        again = [self.network.gradient(data, difference.parameters, choice) for _ in range(2)]
        if difference.what == "the gradient":
            reason = f"although no pre-activation had been at {float(choice.kink + choice.shift):g}"
        elif difference.what == UPDATE:
            reason = "although all gradients have been the same"
        else:
            reason = "although f' does not enter it"
        if not all(same(a, b, fmt).all() for a, b in zip(*again, strict=True)):
            reason += "; one and the same convention gives two answers, too"
        text = f"{name}, step {difference.step + 1}: {difference.what} depends on the convention {reason}"
        return self._violation(
            np.array([nearest], fa.storage(fmt)), got[:1],
            np.array([1.0 + _apart(difference.first[wrong], difference.second[wrong], fmt)]), text,
            felt=_felt(difference.first, difference.second, fmt),
        )  # fmt: skip

    def _add(self, bits: Bits, got: Bits, magnitude: Any, text: str) -> None:
        bits, got = bits.ravel(), got.ravel()
        ratio = np.broadcast_to(np.asarray(magnitude, float), bits.shape)
        wrong = ~(ratio <= 1)
        self.violations.append(self._violation(bits[wrong], got[wrong], ratio[wrong], text, felt=True))

    def _violation(self, bits: Bits, got: Bits, magnitude: Any, text: str, *, felt: bool) -> Violations:
        severity = np.where(np.isinf(magnitude), WRONG_CLASS, WRONG_BRANCH).astype(np.int8)
        return Violations(
            bits, got, magnitude, severity, np.full(bits.shape, felt), text, cause="convention", pointwise=False
        )

    # -- what is measured ------------------------------------------------------------------------------

    def _record(self, run: TrainingRun) -> dict[str, Any]:
        left, _, right = (fa.values(p, self.fmt) for p in run.parameters)
        size = np.abs(left).max()
        apart = np.abs(right - left).max() / size if size else 0.0
        losses = fa.values(np.array(run.losses, fa.storage(self.fmt)), self.fmt)
        return {
            "steps": run.steps,
            **({"cut_short": True} if run.cut_short else {}),
            "first_hit": None if run.first_hit is None else run.first_hit + 1,
            "parted_at": None if run.parted_at is None else run.parted_at + 1,
            "apart": _plain(apart),
            "loss": {name: _plain(loss) for name, loss in zip(NAMES, losses, strict=True)},
        }


def _apart(a: Bits, b: Bits, fmt: Format) -> float:
    """The greatest ordinal distance; infinite where one is not a number."""
    pairs = [(int(x), int(y)) for x, y in zip(np.ravel(a), np.ravel(b), strict=True)]
    if any(fmt.is_nan(x) != fmt.is_nan(y) for x, y in pairs):
        return np.inf
    return float(max((abs(fmt.ordinal(x) - fmt.ordinal(y)) for x, y in pairs if not fmt.is_nan(x)), default=0))


def _felt(a: Bits, b: Bits, fmt: Format) -> bool:
    first, second = fa.values(a, fmt), fa.values(b, fmt)
    bound = TRAINING.bound(1, fmt) * 2.0**-fmt.precision
    return not bool(np.abs(first - second).max() <= bound * np.abs(first).max())


def _plain(x: float) -> float | str:
    """Four digits for JSON, or what it is in words."""
    return float(f"{x:.4g}") if np.isfinite(x) else "not a number"
