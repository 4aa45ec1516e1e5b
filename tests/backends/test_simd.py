"""The SIMD level that a framework was held to by the environment, as its own documentation names the variables."""

from __future__ import annotations

import pytest

from gradproof.backends import get_backend
from gradproof.backends.simd import torch_level, xla_level


@pytest.fixture(autouse=True)
def unheld(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XLA_FLAGS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("processor", "flags", "level"),
    [
        ("AVX512_BF16", "", "AVX512_BF16"),
        ("AVX512_BF16", "--xla_cpu_max_isa=AVX2", "AVX2"),
        ("AVX512_BF16", "--xla_dump_to=/x --xla_cpu_max_isa=sse4_2", "SSE4_2"),
        ("AVX512_BF16", "--xla_cpu_max_isa=AVX2 --xla_cpu_max_isa=AVX512_VNNI", "AVX512"),
        ("AVX512_BF16", "--xla_cpu_max_isa=AMX_FP16", "AVX512_BF16"),
        ("AVX2", "--xla_cpu_max_isa=AVX512", "AVX2"),
        ("NEON", "--xla_cpu_max_isa=AVX2", "NEON"),
    ],
)
def test_xla_compiles_for_no_more_than_its_flag_says(
    processor: str, flags: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert xla_level(processor) == level


@pytest.mark.parametrize(
    ("processor", "capability", "onednn", "level"),
    [
        ("AVX512_BF16", "AVX512", "", "AVX512_BF16"),
        ("AVX512_BF16", "AVX512", "AVX512_CORE", "AVX512"),
        ("AVX512_BF16", "AVX512", "AVX512_CORE_AMX", "AVX512_BF16"),
        ("AVX512_BF16", "AVX2", "AVX2", "AVX2"),
        ("AVX512_BF16", "DEFAULT", "SSE41", "SSE4_2"),
        ("AVX512_BF16", "AVX2", "", "AVX2, oneDNN AVX512_BF16"),
        ("AVX512_BF16", "AVX512", "AVX2", "AVX512, oneDNN AVX2"),
        ("AVX2", "AVX2", "", "AVX2"),
        ("NEON", "DEFAULT", "", "NEON"),
    ],
)
def test_torch_has_two_libraries_that_are_held_separately(
    processor: str, capability: str, onednn: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", onednn)
    assert torch_level(processor, capability) == level


def test_a_framework_that_knows_no_such_variable_runs_at_the_processors_level() -> None:
    assert get_backend("numpy").simd("AVX2") == "AVX2"
