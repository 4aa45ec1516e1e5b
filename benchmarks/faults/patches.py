"""PyTorch with one derivative replaced, under `gradproof run`: the run must fail.

    python -m benchmarks.faults.patches sigmoid [--profile quick] [more options of gradproof run]

Patches the function that the catalogue calls, in this process alone, and runs `gradproof run` on it in float64, without
worker processes. Each patch leaves the value as it is and puts a number in place of f' or f'' on an interval. Exits as
`gradproof run` does: 1 where the patch is found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Patch:
    """f^(order) is ``number`` where ``low`` < |x| < ``high``, for positive x alone with ``one_sided``."""

    order: int
    number: float
    low: float
    high: float
    one_sided: bool = False

    def inside(self, x: Tensor) -> Tensor:
        """Where the number is put."""
        size = x if self.one_sided else x.abs()
        return (size > self.low) & (size < self.high)


PATCHES: Final = {
    "hardsigmoid": Patch(1, 0.3, -1.0, 2.9),
    "sigmoid": Patch(2, 5.0, 4.0, 30.0, one_sided=True),
    "tanh": Patch(2, 5.0, 2.1, 19.0),
    "softsign": Patch(2, 5.0, 6.5, 1e8),
    "gelu": Patch(2, 5.0, 7.9, 20.0, one_sided=True),
    "erf": Patch(2, 5.0, 5.8, 27.0),
}


def patched(function: Callable[..., Tensor], patch: Patch) -> Callable[..., Tensor]:
    """``function`` with the derivatives of its own that ``patch`` leaves, and the number where it does not."""
    import torch

    def derived(x: Tensor, times: int, more: dict[str, Any]) -> Tensor:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            y = function(leaf, **more)
            for _ in range(times):
                (y,) = torch.autograd.grad(y, leaf, torch.ones_like(y).requires_grad_(True), create_graph=True)
        return y.detach()

    def level(x: Tensor, times: int, more: dict[str, Any]) -> Tensor:
        class Level(torch.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x: Tensor) -> Tensor:
                y = derived(x, times, more)
                return torch.where(patch.inside(x), patch.number, y) if times == patch.order else y

            @staticmethod
            def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
                ctx.save_for_backward(inputs[0])

            @staticmethod
            def backward(ctx: Any, cotangent: Tensor) -> Tensor:
                return cotangent * level(ctx.saved_tensors[0], times + 1, more)

        result: Tensor = Level.apply(x)
        return result

    def call(x: Tensor, **more: Any) -> Tensor:
        # What is written into ``out`` has no derivative.
        return function(x, **more) if "out" in more else level(x, 0, more)

    return call


def main(arguments: list[str]) -> None:
    """Patch torch and hand over to `gradproof run`."""
    name, *options = arguments
    import torch

    for module in (torch, torch.special, torch.nn.functional):
        if hasattr(module, name):
            setattr(module, name, patched(getattr(module, name), PATCHES[name]))

    from gradproof.cli import main as run

    fixed = ["run", "--backend", "torch:cpu", "--function", name, "--format", "float64", "--jobs", "0"]
    sys.argv = ["gradproof", *fixed, *options]
    run()


if __name__ == "__main__":
    main(sys.argv[1:])
