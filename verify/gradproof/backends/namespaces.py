"""The names that judging and implementations rest on: NumPy's, Python's and, where loaded, those of the frameworks.

Whoever rebinds one (``np.abs = ...``) changes the judge and whatever is judged after it. So they are compared, by
identity, after each call of a user's and put back. A name that is new harms nobody, unless it hides another one.
"""

from __future__ import annotations

import builtins
import contextlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

from gradproof.backends.settings import spoil
from gradproof.errors import ChangedOnImport, ImplementationFault

MODULES: Final = (
    "builtins",  # first: what puts the others back needs it
    "math",
    "time",
    "numpy",
    "numpy._core.umath",
    "numpy._core._methods",
    "numpy.linalg",
    "torch",
    "torch.autograd",
    "torch.nn",
    "torch.nn.functional",
    "torch.special",
    "torch._C._nn",
    "jax",
    "jax.numpy",
    "jax.nn",
    "jax.lax",
    "jax.scipy.special",
)
CLASSES: Final = (
    ("fractions", ("Fraction",)),
    ("torch", ("Tensor",)),
    ("torch.nn", ("CELU", "ELU", "GELU", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Tanh")),
    ("jax._src.array", ("ArrayImpl",)),
    ("jax._src.core", ("Tracer",)),
)
"""Module -> classes of it whose methods are kept too."""

FRAMEWORKS: Final = ("torch", "jax")

_GONE: Final = object()
_BUILTINS: Final = vars(builtins)


class _Namespace:
    """One namespace and what its names stand for."""

    def __init__(self, name: str, owner: Any) -> None:
        self.name, self.owner = name, owner
        self.names: Mapping[str, Any] = owner.__dict__
        self.keep()

    def keep(self) -> None:
        """What is there now is as it should be."""
        self.kept = {**self.names}
        self.values = [*self.names.values()]

    def same(self) -> bool:
        """Whether every name stands for what it stood for; quick, and without a builtin."""
        try:
            return [*self.names.values()] == self.values  # values that are one object are not asked
        except Exception:  # of a comparison: so one is another
            return False

    @property
    def of_framework(self) -> bool:
        """Whether judging does not rest on it."""
        return self.name.partition(".")[0] in FRAMEWORKS

    def changed(self) -> list[str]:
        """The names that stand for something else now."""
        now = self.names
        return [
            f"{self.name}.{name}"
            for name, before in self.kept.items()
            if now.get(name, _GONE) is not before and self._counts(name, before)
        ]

    def put_back(self) -> list[str]:
        """Undo what was rebound, deleted or hidden, and tell which names; what is merely new stays."""
        changed = []
        now = {**self.names}
        for name, before in self.kept.items():
            if now.pop(name, _GONE) is not before and self._counts(name, before):
                self._set(name, before)
                changed += [f"{self.name}.{name}"]
        for name in now:
            if self._hides(name):
                self._unset(name)
                changed += [f"{self.name}.{name}"]
        self.keep()
        return changed

    def _counts(self, name: str, before: Any) -> bool:
        if self.owner is builtins:
            return name != "_"  # an interpreter's last value
        special = name[:2] == name[-2:] == "__"
        if (name[:1] == "_" and not special) or (special and isinstance(self.owner, ModuleType)):
            return False  # a module's own affairs
        return not _wrapped_by_its_package(self.names.get(name), before, self.owner)

    def _hides(self, name: str) -> bool:
        """Whether a new name stands before an inherited one, or before one of Python's."""
        if isinstance(self.owner, type):
            return any(name in base.__dict__ for base in self.owner.__mro__[1:])
        if self.owner is builtins or name[:1] == "_" or name not in _BUILTINS:
            return False
        return self.names[name] is not _BUILTINS[name]  # numpy.float = float is how old code is kept alive

    def _set(self, name: str, value: Any) -> None:
        if isinstance(self.names, dict):
            self.names[name] = value
        else:
            setattr(self.owner, name, value)

    def _unset(self, name: str) -> None:
        if isinstance(self.names, dict):
            del self.names[name]
        else:
            delattr(self.owner, name)


def _wrapped_by_its_package(value: Any, before: Any, owner: Any) -> bool:
    """Whether a package put a function of its own around one, as torch._dynamo does with torch.manual_seed."""
    if getattr(value, "__wrapped__", None) is not before:
        return False
    home = getattr(sys.modules.get(getattr(owner, "__name__", "").partition(".")[0]), "__file__", None)
    code = getattr(value, "__code__", None)
    return home is not None and code is not None and Path(code.co_filename).is_relative_to(Path(str(home)).parent)


_spaces: dict[str, _Namespace] = {}
_loaded = 0
"""Modules that there were at the last look."""


def see(finished: str = "") -> None:
    """Take in the namespaces that were loaded since; ``finished`` names one whose import is about to end."""
    global _loaded
    _loaded = len(sys.modules)
    for name in MODULES:
        if name not in _spaces and _is_loaded(name, finished):
            _spaces[name] = _Namespace(name, sys.modules[name])
    for module, classes in CLASSES:
        if f"{module}.{classes[0]}" not in _spaces and _is_loaded(module, finished):
            for name in classes:
                if isinstance(found := getattr(sys.modules[module], name, None), type):
                    _spaces[f"{module}.{name}"] = _Namespace(f"{module}.{name}", found)


def _is_loaded(name: str, finished: str) -> bool:
    for part in (name, name.partition(".")[0]):
        spec = getattr(sys.modules.get(part), "__spec__", None)
        if part not in sys.modules or (part != finished and getattr(spec, "_initializing", False)):
            return False
    return True


def accept() -> None:
    """What the names stand for now is as it should be: no call of a user's is under way."""
    for space in _spaces.values():
        if not space.same():
            space.keep()
    see()


def _restored(*, importing: bool) -> list[str]:
    """Put back what was changed, and tell which names; a framework's, changed by an import, are accepted."""
    changed: list[str] = []
    for space in _spaces.values():
        if space.same():
            continue
        if importing and space.of_framework:
            names = space.changed()
            space.keep()
            if names:
                warnings.warn(
                    f"an import changed {_listed(names)}; all implementations of this process are judged with that",
                    ChangedOnImport,
                    stacklevel=3,
                )
        else:
            changed += space.put_back()
    return changed


class names_kept:  # noqa: N801  a context manager; a class, since contextlib rests on builtins
    """Around code of a user's: put back the names it changed, and raise the fault ``changed-process``.

    What others took over meanwhile cannot be put back, so the process is not used again. It takes some 5 nanoseconds a
    name: with NumPy and PyTorch 20 microseconds.

    ``importing``: of what an import changes, names of the frameworks stay, with a warning: libraries for
    accelerators put their own kernels there. Those of NumPy and Python, on which judging rests, are put back as ever.
    """

    def __init__(self, what: str, *, importing: bool = False) -> None:
        self._what = what
        self._importing = importing

    def __enter__(self) -> None:
        if len(sys.modules) != _loaded:
            see()
        sys.meta_path.insert(0, _FINDER)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        changed = _restored(importing=self._importing)
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(_FINDER)
        if not changed:
            return
        spoil()
        fault = ImplementationFault("changed-process", f"{self._what} changed {_listed(changed)}; {REMEDY}")
        late = isinstance(error, ImplementationFault) and error.kind == "timed-out"
        if error is None or (isinstance(error, Exception) and not late):
            raise fault from error
        if isinstance(error, GeneratorExit):  # with another builtins.next no generator goes on, nor context manager
            global _untold
            _untold = fault


_untold: ImplementationFault | None = None


def untold() -> ImplementationFault | None:
    """The fault that could not be raised where it was found, because the call had broken generators; told once."""
    global _untold
    fault, _untold = _untold, None
    return fault


REMEDY: Final = (
    "expected these names to stay what they are: judging rests on them, and so do the other implementations; "
    "change names of your own modules only"
)


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class _Finder(MetaPathFinder):
    """Takes in a framework's names where its import ends, before whoever imports it can change them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have for a module that is watched; of any other nothing is said."""
        if name not in MODULES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((found for f in others if (found := f.find_spec(name, path, target)) is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                see(name)

            with contextlib.suppress(AttributeError):  # of a loader written in C
                spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_FINDER: Final = _Finder()
