"""What can go wrong in a callable of PyTorch's, beyond what any callable can do wrong."""

from __future__ import annotations

from pathlib import Path

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.results.model import Cell

HEAD = """
import ctypes
import functools
import torch
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
import gradproof as gp

exp = torch.exp


def it(name, call):
    gp.implements("exp", backend="torch:cpu", formats=["float32"], name=name)(call)


class Module(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(exp(x) * self.scale)


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return exp(x)

    @staticmethod
    def backward(ctx, g):
        return g * (1 - exp(ctx.saved_tensors[0]))


class Nothing(Function):
    @staticmethod
    def backward(ctx, g):
        return None


class Shape(Function):
    @staticmethod
    def backward(ctx, g):
        return g.sum()


class Once(Function):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return g * exp(ctx.saved_tensors[0])


class Leaking(Function):
    @staticmethod
    def backward(ctx, g):
        torch.set_flush_denormal(True)
        return g * exp(ctx.saved_tensors[0])


class Doubling(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {})) * (2 if function is torch.exp else 1)


class Refusing(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        raise RuntimeError("no operation")

    def __exit__(self, *ignored):
        raise RuntimeError("no way out")


class Subclass(torch.Tensor):
    pass


def entered(context):
    def call(x):
        result = exp(x)
        kept.append(context())
        kept[-1].__enter__()
        return result

    return call


kept = []


class Caller:
    def __call__(self, x):
        return exp(x)

    def method(self, x):
        return exp(x)


"""


def cells(folder: Path, calls: dict[str, str], orders: tuple[int, ...]) -> dict[tuple[str, int], Cell]:
    """The accuracy of each callable, given as an expression, by name and order."""
    file = folder / "subject.py"
    lines = [*(f"it({name!r}, {call})" for name, call in calls.items()), "it('last', exp)"]
    file.write_text(HEAD + "\n".join(lines) + "\n")
    selection = Selection(files=(str(file),), properties=("accuracy",), orders=orders, profile="quick", jobs=1)
    found = {(c.implementation, c.order): c for c in run(selection).cells}
    assert found["last", 0].status == "pass"  # the rest of the run goes on, and as if nothing had happened
    return found


FAULTS = {
    "device": ("lambda x: exp(x.to('meta'))", "wrong-device", "a tensor on meta, expected cpu"),
    "sparse": ("lambda x: exp(x).to_sparse()", "wrong-type", "expected a dense torch.Tensor"),
    "number": ("lambda x: exp(x).sum().item()", "wrong-type", "returned a float"),
    "in place": ("lambda x: x.exp_()", "wrote-input", "return a new array instead"),
    "unsqueezed": ("lambda x: exp(x.unsqueeze_(0))", "wrote-input", "the shape was"),
    "resized": ("lambda x: (exp(x), x.resize_(3))[0]", "wrote-input", "the shape was"),
    "dtype": ("lambda x: (torch.set_default_dtype(torch.float64), exp(x))[1]", "changed-settings",
              "torch's default dtype from torch.float32 to torch.float64"),
    "device of all": ("lambda x: (torch.set_default_device('meta'), exp(x))[1]", "changed-settings",
                      "torch's default device from cpu to meta"),
    "seed": ("lambda x: (torch.manual_seed(7), exp(x))[1]", "changed-settings", "torch's seed from "),
    "flushing": ("lambda x: (exp(x), torch.set_flush_denormal(True))[0]", "changed-settings",
                 "to rounding to nearest, flushing subnormal results, reading subnormal inputs as 0"),
    "rounding": ("lambda x: (exp(x), ctypes.CDLL(None).fesetround(0x800))[0]", "changed-settings",
                 "the floating-point environment from rounding to nearest to rounding upward"),
    "anomalies": ("lambda x: (torch.autograd.set_detect_anomaly(True), exp(x))[1]", "changed-settings",
                  "torch's detection of anomalies"),
    "function mode": ("entered(Doubling)", "changed-settings", "torch's function modes from 0 to 1"),
    "dispatch mode": ("entered(Refusing)", "changed-settings", "torch's dispatch modes from 0 to 1"),
    "dual level": ("lambda x: (exp(x), forward_ad.enter_dual_level())[0]", "changed-settings", "level of forward AD"),
    "functorch": ("lambda x: (exp(x), torch._C._functorch._vmap_increment_nesting(3, 'error'))[0]",
                  "changed-settings", "torch's levels of functorch from 0 to 1"),
    "saved tensors": ("entered(lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: x * 0, lambda x: x))",
                      "changed-settings", "torch's hooks on saved tensors from none to a pair"),
    "no saved tensors": ("entered(lambda: torch.autograd.graph.disable_saved_tensors_hooks('never'))",
                         "changed-settings", "hooks on saved tensors from none to none, and no others (never)"),
    "autocast": ("entered(lambda: torch.autocast('cpu'))", "changed-settings", "torch's autocast from (False, "),
    "inference": ("entered(torch.inference_mode)", "changed-process", "inference mode cannot be put back"),
    "subclass": ("lambda x: exp(x).as_subclass(Subclass)", "wrong-type", "returned a Subclass"),
    "masked": ("lambda x: torch.masked.masked_tensor(exp(x), x > 0)", "wrong-type", "returned a MaskedTensor"),
    "threads": ("lambda x: (torch.set_num_threads(3), exp(x))[1]", "changed-settings", "threads from 1 to 3"),
}  # fmt: skip


def test_each_fault_is_a_verdict_of_its_own(tmp_path: Path) -> None:
    found = cells(tmp_path, {name: call for name, (call, _, _) in FAULTS.items()}, (0,))
    told = {name: (c.measured.get("fault"), c.reason) for (name, _), c in found.items() if name in FAULTS}
    assert {name: kind for name, (kind, _) in told.items()} == {name: kind for name, (_, kind, _) in FAULTS.items()}
    assert [name for name, (_, _, says) in FAULTS.items() if says not in told[name][1]] == []


def test_derivatives_that_come_later_meet_no_hooks_nor_levels(tmp_path: Path) -> None:
    names = ("functorch", "saved tensors", "no saved tensors")
    found = cells(tmp_path, {name: FAULTS[name][0] for name in names}, (0, 1))
    assert {found[name, 1].measured["fault"] for name in names} == {"changed-settings"}
    assert found["last", 1].status == "pass"


def test_what_a_backward_changes_is_put_back_too(tmp_path: Path) -> None:
    found = cells(tmp_path, {"leaking": "Leaking.apply"}, (0, 1))
    assert found["leaking", 0].status == "pass"
    assert found["leaking", 1].measured["fault"] == "changed-settings"
    assert "flushing subnormal results" in found["leaking", 1].reason
    assert found["last", 1].status == "pass"


def test_a_derivative_that_got_lost_is_said_to_be_cut_off(tmp_path: Path) -> None:
    calls = {
        "detach": "lambda x: exp(x.detach())",
        "item": "lambda x: torch.tensor([exp(v).item() for v in x])",
        "numpy": "lambda x: torch.from_numpy(exp(x.detach()).numpy())",
        "no_grad": "torch.no_grad()(lambda x: exp(x))",
        "nothing": "Nothing.apply",
    }
    found = cells(tmp_path, calls, (0, 1))
    assert {found[name, 0].status for name in calls} == {"pass"}
    assert {found[name, 1].severity for name in calls} == {"lost-signal"}
    assert [name for name in calls if "cut off from its input, by detach" not in found[name, 1].reason] == []


CLAMPED = """
import torch
import gradproof as gp

one = gp.function("always_one", oracle=gp.piecewise(lambda m, x: 1 + 0 * x, 1, lambda m, x: 1 + 0 * x), smooth={1: 2})

@gp.implements(one, backend="torch:cpu", formats=["float32"])
def clamped(x):
    return torch.clamp(x, 1.0, 1.0)
"""


def test_a_slope_that_is_0_where_it_should_be_is_not_said_to_be_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "subject.py"
    file.write_text(CLAMPED)
    selection = Selection(files=(str(file),), properties=("accuracy",), orders=(1,), profile="quick", jobs=1)
    (cell,) = run(selection).cells
    assert cell.status == "fail"
    assert "at 1.0: got 1.0, expected 0.0" in cell.reason
    assert "cut off" not in cell.reason


def test_a_wrong_backward_is_an_error_and_no_lost_connection(tmp_path: Path) -> None:
    found = cells(tmp_path, {"wrong": "Function.apply", "shape": "Shape.apply", "once": "Once.apply"}, (0, 1, 2))
    wrong = found["wrong", 1]
    assert wrong.status == "fail"
    assert "cut off" not in wrong.reason
    assert "another call" not in wrong.reason
    assert found["shape", 1].measured["fault"] == "raised"
    assert "invalid gradient" in found["shape", 1].reason
    assert (found["once", 1].status, found["once", 2].status) == ("pass", "unsupported")
    assert "once_differentiable" in found["once", 2].reason


def test_a_module_in_training_draws_random_numbers_and_one_for_evaluation_does_not(tmp_path: Path) -> None:
    found = cells(tmp_path, {"training": "Module()", "evaluation": "Module().eval()"}, (0, 1))
    assert {found["evaluation", order].status for order in (0, 1)} == {"pass"}
    for order in (0, 1):
        assert found["training", order].status == "fail"
        assert "a module in training mode?" in found["training", order].reason


def test_whatever_can_be_called_is_an_implementation(tmp_path: Path) -> None:
    calls = {
        "lambda": "lambda x: exp(x)",
        "partial": "functools.partial(lambda scale, x: exp(x) * scale, 1)",
        "instance": "Caller()",
        "method": "Caller().method",
        "builtin": "torch.exp",
        "module": "Module().eval()",
        "sequential": "torch.nn.Sequential(torch.nn.Identity(), Module().eval())",
    }
    found = cells(tmp_path, calls, (0, 1))
    assert {c.status for c in found.values()} == {"pass"}
