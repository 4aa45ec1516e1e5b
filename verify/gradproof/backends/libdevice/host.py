"""The processor that device functions are compiled for."""

from __future__ import annotations

from typing import Any


def machine() -> Any:
    """LLVM's description of this processor, with everything that it has: an ``llvmlite.binding.TargetMachine``.

    A new one at each call, since an engine made with one takes it along when it is collected.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3, jit=True
    )
