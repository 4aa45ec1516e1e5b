"""A digest of what a definition computes, stable between processes of one Python version.

It covers the bytecode, the constants and names, defaults, closure values and the module globals that are read,
recursively through plain functions. What cannot be seen through is refused rather than guessed: imports inside
a definition, classes and objects of other packages, names that are written to, builtins that read the outside.
"""

from __future__ import annotations

import builtins
import dis
import hashlib
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, ModuleType
from typing import Any, Final

MODULES: Final = frozenset({"math", "operator", "_operator"})
"""Modules whose functions and constants are the same in every release of one Python version."""

BUILTINS: Final = frozenset(
    {
        "abs", "all", "any", "bool", "callable", "dict", "divmod", "enumerate", "filter", "float", "frozenset",
        "getattr", "hasattr", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "min", "next",
        "object", "pow", "range", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple", "type", "zip",
    }
)  # fmt: skip
"""Builtins whose results depend on their arguments alone."""

_REFUSED_OPERATIONS = ("IMPORT_", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_BUILD_CLASS", "LOAD_NAME", "LOAD_LOCALS")
_WRITES = ("STORE_DEREF", "DELETE_DEREF")


class Indigestible(Exception):
    """A value whose meaning no digest can hold; the message says which."""


def digest(*values: Any) -> str:
    """SHA-256 of ``values`` in hexadecimal: definitions, or constants that they may hold.

    Raises Indigestible for anything that is not understood completely.
    """
    digester = _Digester()
    try:
        digester.several("values", values)
    except RecursionError:
        raise Indigestible("a structure that holds itself") from None
    return digester.hash.hexdigest()


class _Digester:
    """Feeds values to one hash; every token is framed by its length, so that no two structures run together."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._functions: dict[int, int] = {}

    def token(self, kind: str, content: str | bytes = b"") -> None:
        """Feed one framed token."""
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self.hash.update(f"{kind} {len(raw)}:".encode() + raw)

    def several(self, kind: str, values: Any) -> None:
        """Feed a sequence with its length."""
        self.token(kind, str(len(values)))
        for value in values:
            self.value(value)

    def value(self, value: Any) -> None:
        """Feed any value that a definition may read."""
        # Exact types: a subclass may behave in any way.
        match value:
            case None | bool() | EllipsisType():
                self.token("constant", repr(value))
            case _ if type(value) in (int, float, complex, Fraction, Decimal):
                self.token(type(value).__name__, repr(value))
            case _ if type(value) in (str, bytes):
                self.token(type(value).__name__, value)
            case _ if type(value) in (tuple, list):
                self.several(type(value).__name__, value)
            case _ if type(value) in (set, frozenset):
                self.several(type(value).__name__, sorted(digest(item) for item in value))
            case _ if type(value) is dict:
                self.several("dict", [part for item in value.items() for part in item])
            case _ if type(value) is slice:
                self.several("slice", [value.start, value.stop, value.step])
            case _ if type(value) is partial:
                self.several("partial", [value.func, value.args, value.keywords])
            case CodeType():
                self.code(value)
            case FunctionType():
                self.function(value)
            case _:
                self.token("name", _trusted_name(value))

    def function(self, function: FunctionType) -> None:
        """Feed a Python function with everything it reads; one met before, by its number."""
        if id(function) in self._functions:
            self.token("again", str(self._functions[id(function)]))
            return
        self._functions[id(function)] = len(self._functions)
        code = function.__code__
        self.code(code)
        self.several("defaults", [function.__defaults__, function.__kwdefaults__, dict(vars(function))])
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self.token("cell", name)
            try:
                self.value(cell.cell_contents)
            except ValueError:
                raise Indigestible(f"{name}, which has no value yet") from None
        for name in sorted(_globals_read(code)):
            self.token("global", name)
            if name in function.__globals__:
                self.value(function.__globals__[name])
            elif hasattr(builtins, name):
                self.value(getattr(builtins, name))
            else:
                raise Indigestible(f"{name}, which is not defined")

    def code(self, code: CodeType) -> None:
        """Feed compiled code; where it stands in a file does not matter."""
        self.token("bytecode", code.co_code)
        self.token("exceptions", code.co_exceptiontable)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.several("code", [*counts, *names, code.co_consts])


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _globals_read(code: CodeType) -> set[str]:
    """Names of the globals that a function's code reads, inner functions included.

    Raises Indigestible where it does what no digest can follow.
    """
    found = set()
    for part in _nested(code):
        for instruction in dis.get_instructions(part):
            operation = instruction.opname
            if operation.startswith(_REFUSED_OPERATIONS):
                raise Indigestible(f"{code.co_name}, which imports, defines a class or writes to a global")
            if operation in _WRITES and instruction.argval in code.co_freevars:
                raise Indigestible(f"{code.co_name}, which writes to {instruction.argval}")
            if operation == "LOAD_GLOBAL":
                found.add(instruction.argval)
    return found


def _trusted_name(value: Any) -> str:
    """The name of a module, builtin or class that the name alone identifies; Indigestible for all others."""
    if isinstance(value, ModuleType) and value.__name__ in MODULES:
        return value.__name__
    if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType):
        home = value.__self__.__name__
        if home in MODULES or (home == "builtins" and value.__name__ in BUILTINS):
            return f"{home}.{value.__name__}"
    if isinstance(value, type):
        name = f"{value.__module__}.{value.__qualname__}"
        if _is_trusted_class(value):
            return name
    raise Indigestible(f"a {type(value).__module__}.{type(value).__qualname__} ({value!r:.60})")


def _is_trusted_class(value: type) -> bool:
    if value.__module__ == "builtins":
        return getattr(builtins, value.__name__, None) is value and (
            value.__name__ in BUILTINS or issubclass(value, BaseException)
        )
    return value is Fraction or value.__module__ == "gradproof.errors"
