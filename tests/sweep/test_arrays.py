"""The array code against the compiled loop, and shards that stay on their device against shards that travel."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.backends.arrays import Arrays, chunk_for
from gradproof.backends.base import Backend, Call, Implementation
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.execution import executors
from gradproof.formats import BFLOAT16, FLOAT32, Format
from gradproof.formats.arrays import Bits
from gradproof.functions import Function
from gradproof.oracle.taylor_models import BEYOND, MODEL, NOWHERE, OPEN, VARIES, taylor_models
from gradproof.sweep.judging import codes, modelled, shard_judge, shard_summary
from gradproof.sweep.judging.collect import COARSE_SHIFT, FIRST_COARSE, Collected
from gradproof.sweep.judging.modelled import Modelled
from gradproof.sweep.judging.on_device import DeviceShard
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.plan import Shard, Target, params
from tests.sweep.test_work import FAULTS, WINDOWS, Right, every, none, target

ROUTES = [
    "numpy",
    pytest.param("torch", marks=pytest.mark.framework("torch")),
    pytest.param("jax", marks=pytest.mark.framework("jax")),
]
FOUND = ("best", "where", "counts", "above", "below", "mixed", "absolute", "envelope", "mixed_envelope")


@pytest.fixture(autouse=True)
def models_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are the same whatever judges by them, and dear."""
    made: dict[Any, Any] = {}

    def once(function: Function, *what: Any, **where: int) -> Any:
        key = function.label, what, tuple(where.items())
        if key not in made:
            made[key] = taylor_models(function, *what, **where)
        return made[key]

    monkeypatch.setattr(modelled, "taylor_models", once)


def arrays_of(route: str) -> Arrays:
    """A small chunk, so that ranges are cut inside of runs."""
    made = Arrays() if route == "numpy" else get_backend(f"{route}:cpu").arrays()
    made.chunk = 700 if route != "jax" else 1 << 18
    return made


def both(subject: Subject, arrays: Arrays, first: int, got: Bits) -> tuple[list[Any], list[Any]]:
    """Marks and summaries of results at consecutive magnitudes: by the compiled loop, and by the array code."""
    negative, start = bool(first & FLOAT32.sign_bit), first & (FLOAT32.sign_bit - 1)
    answers = []
    for way in (None, arrays):
        found = Collected(FLOAT32, first, first + got.size - 1)
        models = Modelled.between(
            subject.probe, subject.order, found, start, start + got.size - 1, negative=negative, arrays=way
        )
        seen = np.zeros(got.size, np.uint8)
        if way is None:
            models.judge(start, got, seen)
        else:
            with way.quiet():
                results = way.array(got.view(np.float32))
            seen = way.host(models.on_device(start, results))
        answers.append([seen, *(getattr(found, name) for name in FOUND)])
    return answers[0], answers[1]


def noise_of(right: Bits) -> float:
    """What float64's roundings stay below in absolute errors: 2^-24 quanta of the largest result."""
    values = np.abs(right.view(np.float32).astype(np.float64))
    largest = np.max(values[np.isfinite(values)], initial=float(FLOAT32.min_normal))
    return float(np.spacing(np.float32(largest))) * 2.0**-24


def near(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], noise: float) -> None:
    """Histograms but for roundings: errors at the edge of a bin, and the sign of those that are 0 but for them."""
    first = (int(np.float64(noise).view(np.int64)) >> COARSE_SHIFT) - FIRST_COARSE
    for made in (ours, theirs):
        made["sides"] = np.array([made["above"][0] + made["below"][0]])
        made["small"] = np.array([made["absolute"][: max(first, 0) + 1].sum()])
    for name, start in (("sides", 0), ("above", 1), ("below", 1), ("mixed", 0), ("small", 0), ("absolute", first + 1)):
        assert np.abs(ours[name][max(start, 0) :] - theirs[name][max(start, 0) :]).sum() <= 4, name


def same(compiled: list[Any], arrays: list[Any], noise: float) -> None:
    """Marks and counts are equal. Errors may differ by a rounding of float64, and fall into the next bin for it."""
    np.testing.assert_array_equal(compiled[0], arrays[0])
    due, seen = (dict(zip(FOUND, answer[1:], strict=True)) for answer in (compiled, arrays))
    np.testing.assert_array_equal(due["counts"], seen["counts"])
    # A float64's rounding beside a float32's quantum, 2^-29 ulps, and as much of large errors.
    np.testing.assert_allclose(seen["best"][[0, 1, 3, 4]], due["best"][[0, 1, 3, 4]], rtol=2.0**-40, atol=2.0**-26)
    np.testing.assert_allclose(seen["best"][2], due["best"][2], rtol=2.0**-40, atol=noise)
    near(seen, due, noise)
    for name in ("envelope", "mixed_envelope"):
        np.testing.assert_array_equal(due[name] < 0, seen[name] < 0)
        tops = (np.maximum(values, 0).view(np.float64) for values in (seen[name], due[name]))
        np.testing.assert_allclose(*tops, rtol=2.0**-40, atol=2.0**-26)


def finite(first: int, count: int) -> Bits:
    """Patterns of finite numbers other than 0."""
    bits = np.arange(first, first + count, dtype=np.uint32)
    size = bits & np.uint32(FLOAT32.sign_bit - 1)
    return bits[(size > 0) & (size < FLOAT32.infinity_bits)]


@pytest.mark.parametrize("route", ROUTES[:2])
@pytest.mark.parametrize("contract", ["faithful", "stable", "training"])
@pytest.mark.parametrize(("function", "order", "first"), WINDOWS, ids=lambda v: f"{v:#x}" if isinstance(v, int) else v)
def test_every_kind_of_result_is_judged_as_by_the_compiled_loop(
    function: str, order: int, first: int, contract: str, route: str
) -> None:
    pytest.importorskip("numba")
    bits = finite(first, 1800)
    arrays = arrays_of(route)
    for flushing in (False, True):
        subject = Right(target(function, order, contract), none, flushing)
        right = subject.evaluate(bits)
        for fault in FAULTS.values():
            same(*both(subject, arrays, int(bits[0]), fault(bits, right.copy())), noise_of(right))


@pytest.mark.framework("jax")
def test_jax_arrays_say_the_same() -> None:
    pytest.importorskip("numba")
    bits = finite(0xBF0C8000, 1500)
    subject = Right(target("tanh"), none)
    for fault in ("noise", "infinity", "none"):
        right = subject.evaluate(bits)
        same(*both(subject, arrays_of("jax"), int(bits[0]), FAULTS[fault](bits, right.copy())), noise_of(right))


def test_the_windows_have_every_kind_of_run() -> None:
    seen: set[int] = set()
    varies = False
    for function, order, first in WINDOWS:
        bits = finite(first, 1800)
        negative, start = bool(first & FLOAT32.sign_bit), int(bits[0]) & (FLOAT32.sign_bit - 1)
        models = taylor_models(
            Subject(target(function, order)).probe.function,
            FLOAT32, order, negative=negative, first=start, last=start + bits.size - 1,
        )  # fmt: skip
        seen |= set(models.kind.tolist())
        varies |= bool(((models.quantum == VARIES) & (models.kind == MODEL)).any())
    assert seen == {MODEL, BEYOND, OPEN, NOWHERE}
    assert varies


@pytest.mark.parametrize("route", ROUTES[:2])
def test_a_range_that_begins_and_ends_inside_a_run_is_a_part_of_the_whole(route: str) -> None:
    first = 0xBFA3C000
    bits = finite(first, 4000)
    subject = Right(target("silu", 1), every(5, add=9))
    got = subject.evaluate(bits)
    found = Collected(FLOAT32, first, first + 3999)
    start = first - FLOAT32.sign_bit
    models = Modelled.between(
        subject.probe, subject.order, found, start, start + 3999, negative=True, arrays=arrays_of(route)
    )
    xp = arrays_of(route)
    parts = [
        xp.host(models.on_device(start + a, xp.array(got[a:b].view(np.float32))))
        for a, b in ((0, 1), (1, 37), (37, 2900), (2900, 4000))
    ]
    whole = both(subject, arrays_of(route), first, got)[1]
    np.testing.assert_array_equal(np.concatenate(parts), whole[0])
    np.testing.assert_array_equal(found.above, whole[1 + FOUND.index("above")])
    np.testing.assert_array_equal(found.where, whole[1 + FOUND.index("where")])


class Standing:
    """The subject's backend, except that results come as arrays of another one, as on a device."""

    def __init__(self, subject: Right, route: str) -> None:
        self.subject = subject
        self.own = subject.probe.backend
        self.made = arrays_of(route)

    def arrays(self) -> Arrays:
        return self.made

    def on_device(self, implementation: Implementation, first: int, count: int, fmt: Format, call: Call) -> Any:
        bits = np.arange(first, first + count, dtype=np.uint32)
        with self.made.quiet():
            return self.made.array(self.subject.evaluate(bits).view(np.float32))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


def shards(subject: Right, route: str, lo: int, hi: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a shard says that travels, and what one says that stays on its device."""
    shard = Shard(target(subject.probe.function.name), 0, lo, hi)
    there = shard_judge.ShardJudge(subject, shard).run()
    subject.probe.backend = Standing(subject, route)  # type: ignore[assignment]
    return there, DeviceShard(subject, shard).run()


@pytest.mark.parametrize("route", ROUTES[:2])
@pytest.mark.parametrize(("function", "order", "first"), WINDOWS, ids=lambda v: f"{v:#x}" if isinstance(v, int) else v)
def test_a_shard_on_a_device_says_what_one_on_the_host_says(function: str, order: int, first: int, route: str) -> None:
    for fault in ("none", "noise", "nine ulps", "sign", "flushed"):
        # noise draws by its first input, which symmetry and neighbours ask for elsewhere.
        travelling, staying = shards(Right(target(function, order), FAULTS[fault]), route, first, first + 1999)
        assert travelling["counts"] == staying["counts"]
        assert travelling["classes"] == staying["classes"]
        for name in shard_summary.GREATEST:
            due, found = travelling["greatest"][name], staying["greatest"][name]
            assert (due is None) == (found is None)
            assert due is None or found["value"] == pytest.approx(due["value"], rel=2.0**-26, abs=2.0**-28)
        for name in ("m", "above", "below"):
            ours, theirs = ({**told["histograms"][name], "0": 0} for told in (staying, travelling))
            assert sum(abs(ours.get(k, 0) - theirs.get(k, 0)) for k in {*ours, *theirs}) <= 4


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("first", [0, 0xBF0C8000, FLOAT32.infinity_bits - 500, 0x42AE0000])
def test_two_modes_are_compared_on_the_device_as_on_the_host(first: int, route: str) -> None:
    def signless(bits: Bits, right: Bits) -> Bits:
        return np.where(bits % np.uint32(2) == 0, right & np.uint32(0x8000_0000), right)

    for fault in (signless, FAULTS["noise"], FAULTS["nan"], FAULTS["infinity"], FAULTS["one ulp"]):
        pair = Right(target("tanh"), FAULTS["nine ulps"]), Right(target("tanh"), fault)
        pair[0].other = pair[1]
        shard = Shard(pair[0].target, 0, first, first + 999)
        travelling = shard_judge.ShardJudge(pair[0], shard).run()
        for subject in pair:
            subject.probe.backend = Standing(subject, route)  # type: ignore[assignment]
        staying = DeviceShard(pair[0], shard).run()
        assert travelling["against"] == staying["against"]
        assert travelling["against"]["differ"] > 0


@pytest.mark.parametrize("route", ROUTES[:2])
def test_neighbours_and_mirror_images_are_compared_on_the_device(route: str) -> None:
    edge = 0xC1000000

    def fault(bits: Bits, right: Bits) -> Bits:
        right[bits == edge] -= np.uint32(3)
        right[bits == edge + 7] ^= np.uint32(FLOAT32.sign_bit)
        return right

    travelling, staying = shards(Right(target("softplus"), fault), route, edge, edge + 10)
    assert staying["classes"] == travelling["classes"]
    assert staying["classes"]["non-monotone"]["count"]
    travelling, staying = shards(Right(target("tanh"), fault), route, edge, edge + 10)
    assert staying["classes"] == travelling["classes"]
    assert staying["classes"]["asymmetric"]["count"] == 2


def test_results_at_nans_and_infinities_are_judged_on_the_device() -> None:
    lo = FLOAT32.infinity_bits - 2
    for order in (0, 1):
        travelling, staying = shards(
            Right(target("tanh", order), lambda bits, right: right * np.uint32(0)), "numpy", lo, lo + 99
        )
        assert staying["classes"] == travelling["classes"]
        assert staying["counts"] == travelling["counts"]
        assert bool(staying["classes"]["wrong-class"]["count"]) == (not order)


def test_runs_of_marks_say_what_the_marks_say() -> None:
    rng = np.random.default_rng(5)
    kinds = np.array([codes.OK, codes.OVER, codes.UNDECIDED, codes.LOST | codes.NON_MONOTONE, codes.ASYMMETRIC])
    found = np.repeat(rng.choice(kinds, 3000), rng.integers(1, 9, 3000)).astype(np.uint8)
    for lo in (5, FLOAT32.sign_bit + 5):
        one, other = (Collected(FLOAT32, lo, lo + found.size - 1) for _ in range(2))
        one.mark(np.arange(lo, lo + found.size, dtype=np.uint32), found)
        starts = np.concatenate([[0], np.flatnonzero(found[1:] != found[:-1]) + 1])
        other.mark_runs(lo, starts, found.size, found[starts])
        assert one.to_json() == other.to_json()


# -- the backends ------------------------------------------------------------------------------------------


def implementation_of(backend: Backend, function: str) -> Implementation:
    return next(i for i in backend.catalogue() if i.function == function)


@pytest.mark.parametrize("route", ROUTES[1:])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_results_on_the_device_are_those_of_evaluate(route: str, order: int) -> None:
    backend = get_backend(f"{route}:cpu")
    for function in ("silu", "relu", "gelu"):
        offered = implementation_of(backend, function)
        for fmt, first in ((FLOAT32, 0xC0000000), (FLOAT32, FLOAT32.last_bits - 999), (BFLOAT16, 0x8000), (FLOAT32, 0)):
            for path in backend.paths(offered):
                call = Call(order=order, path=path)
                bits = (first + np.arange(1000)).astype(np.uint32 if fmt.width == 32 else np.uint16)
                found = backend.on_device(offered, first, 1000, fmt, call)
                assert found.shape == (1000,)
                if fmt is FLOAT32:
                    there = backend.arrays().host(found).view(np.uint32)
                    np.testing.assert_array_equal(there, backend.evaluate(offered, bits, fmt, call))


@pytest.mark.framework("torch")
def test_faults_are_those_of_evaluate() -> None:
    backend = get_backend("torch:cpu")
    silu = implementation_of(backend, "silu")

    def writing(x: Any) -> Any:
        y = x * 2
        x[3] = 0
        return y

    faults = {
        "wrote-input": writing,
        "wrong-shape": lambda x: x[:-1],
        "wrong-format": lambda x: x.half(),
        "raised": lambda x: 1 / 0,
    }
    for kind, call in faults.items():
        with pytest.raises(ImplementationFault) as told:
            backend.on_device(replace(silu, call=call, user=True), 0x3F800000, 300, FLOAT32, Call())
        assert told.value.kind == kind
    with pytest.raises(ImplementationFault, match="element 3 was 0x3f800003, is 0x0"):
        backend.on_device(replace(silu, call=writing, user=True), 0x3F800000, 300, FLOAT32, Call())
    with pytest.raises(Unsupported, match="contiguous"):
        backend.on_device(silu, 0, 300, FLOAT32, Call(layout="strided"))


def test_a_backend_without_such_a_way_says_so() -> None:
    backend = get_backend("numpy:cpu")
    with pytest.raises(Unsupported, match="device"):
        backend.on_device(implementation_of(backend, "silu"), 0, 4, FLOAT32, Call())
    with pytest.raises(Unsupported, match="device"):
        backend.arrays()


@pytest.mark.framework("torch")
def test_only_results_of_other_devices_than_the_cpu_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = get_backend("torch:cpu")
    silu = implementation_of(backend, "silu")
    one = Target("silu", params(silu.params), silu.name, "torch:cpu", "eager", "float32", 0, "stable")
    assert not Subject(one).on_device
    monkeypatch.setattr(backend, "_device", SimpleNamespace(type="privateuseone"))
    assert not Subject(one).on_device
    monkeypatch.setattr(backend, "_device", SimpleNamespace(type="cuda"))
    assert Subject(one).on_device
    assert not Subject(replace(one, format="bfloat16")).on_device


def test_chunks_take_no_more_than_an_eighth_of_what_is_free() -> None:
    assert chunk_for(0) == Arrays.least
    assert chunk_for(1 << 40) == Arrays.most
    assert Arrays.least < chunk_for(8 << 30) < Arrays.most


def test_a_gpu_is_shared_by_few_processes() -> None:
    assert executors.default_workers(["torch:cpu", "numpy:cpu"]) == executors.cpus()
    assert executors.default_workers(["torch:cpu", "jax:cuda"]) == min(2, executors.cpus())


# -- without Numba -----------------------------------------------------------------------------------------


def test_without_numba_the_tally_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    for fmt, lo, hi in (("float32", 0xBF0C8000, 0xBF0C8000 + 4999), ("bfloat16", 0x3F00, 0x3FFF)):
        shard = Shard(target("tanh", fmt=fmt), 0, lo, hi)
        subject = Right(shard.target, every(4, add=9))
        due = shard_judge.ShardJudge(subject, shard).run()
        monkeypatch.setattr(modelled, "compiled_loop", lambda: None)
        found = shard_judge.ShardJudge(subject, shard).run()
        monkeypatch.undo()
        assert found["classes"] == due["classes"]
        assert found["counts"] == due["counts"]
        assert found["greatest"] == due["greatest"]


def test_numba_is_not_needed() -> None:
    program = """
        import sys
        sys.modules["numba"] = None  # importing it raises ImportError
        import importlib.util
        from gradproof.sweep import api
        from gradproof.sweep.judging import modelled, work
        from gradproof.sweep.targets import Wanted, plan
        from gradproof.sweep.plan import shards
        assert modelled.compiled_loop() is None
        for fmt, bits in (("float32", "0x3f800000..0x3f800fff"), ("bfloat16", "0x3f80..0x3fff")):
            job, = plan(Wanted(("tanh",), backends=("numpy",), formats=(fmt,), bits=bits)).jobs
            one, = shards(job.target, job.first, job.last)
            found = work.work(one)
            assert found["counts"]["judged"] == one.points
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_remark_says_that_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradproof.sweep import api
    from gradproof.sweep.targets import Wanted, plan

    planned = {fmt: plan(Wanted(("tanh",), backends=("numpy",), formats=(fmt,))) for fmt in ("float32", "bfloat16")}
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba" else real(name))
    assert "gradproof[sweep]" in api._remark(planned["float32"])
    assert not api._remark(planned["bfloat16"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert not api._remark(planned["float32"])
