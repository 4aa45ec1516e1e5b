"""Reverse-mode AD over any math context: the operations that a framework would do to differentiate a definition.

A ``Tape`` is a math context over another one. It does each operation there and remembers how a cotangent passes
through it. The cotangents are expressions of the context below, so a tape over a tape gives second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gradproof.formulas.rounded import Expression

Pull = Callable[[Any], Any]
"""From the cotangent of a result to that of one operand."""
Push = Callable[[list[Any]], Any]
"""From the tangents of the operands, None where one has none, to that of the result."""
Definition = Callable[..., Any]


class Rules(Protocol):
    """How one framework differentiates: for each operation the cotangents of its operands.

    ``m`` is the context below, operands and results are its expressions, ``c`` is the result's cotangent.
    """

    stores: bool
    """Whether every operation is a kernel of its own, whose result is stored."""

    def quotient(self, m: Any, a: Any, b: Any, y: Any) -> tuple[Pull, Pull]:
        """Of y = a / b."""

    def pushed_quotient(self, m: Any, a: Any, b: Any, y: Any, tangents: tuple[Any, Any]) -> Any:
        """The tangent of y = a / b in forward mode; a tangent is None where the operand has none."""

    def raised(self, m: Any, a: Any, n: int) -> Any:
        """a^n itself."""

    def power(self, m: Any, a: Any, n: int) -> Pull:
        """Of a^n."""

    def unary(self, m: Any, name: str, a: Any, y: Any) -> Pull:
        """Of y = name(a), an elementary function or a root."""

    def pushed_unary(self, m: Any, name: str, a: Any, y: Any, tangent: Any) -> Any:
        """The tangent of y = name(a) in forward mode."""


class Variable(Expression):
    """A value on a tape, with the operands it came from."""

    __slots__ = ("parents", "push", "value")

    def __init__(
        self, m: Any, value: Any, parents: tuple[tuple[Variable, Pull], ...] = (), push: Push | None = None
    ) -> None:
        super().__init__(m)
        self.value = value
        self.parents = parents
        self.push = push


class Tape:
    """A math context whose results can be differentiated by ``rules``, on top of the context ``m``."""

    def __init__(self, m: Any, rules: Rules) -> None:
        self.m = m
        self.rules = rules
        self._kept: list[Variable] = []

    def variable(self, value: Any) -> Variable:
        """A value to differentiate by."""
        return self._enter(value)

    def backward(self, result: Any, leaf: Variable) -> Any:
        """The derivative of ``result`` by ``leaf``, in the context below; 0 where they are not connected."""
        if not isinstance(result, Variable):
            return self.m.constant(0)
        cotangents: dict[int, list[Any]] = {id(result): [self.m.constant(1)]}
        for node in reversed(self._kept):
            if node is not leaf and id(node) in cotangents:
                c = self.m.total(cotangents.pop(id(node)), self.rules.stores)
                for parent, pull in node.parents:
                    cotangents.setdefault(id(parent), []).append(self._stored(pull(c)))
        return self.m.total(cotangents.get(id(leaf), [self.m.constant(0)]), self.rules.stores)

    def forward(self, result: Any, leaf: Variable) -> Any:
        """The same by forward mode, whose tangents go through elementwise operations as cotangents do."""
        if not isinstance(result, Variable):
            return self.m.constant(0)
        tangents: dict[int, Any] = {id(leaf): self.m.constant(1)}
        for node in self._kept:
            moved = [tangents.get(id(parent)) for parent, _ in node.parents]
            if node is leaf or all(t is None for t in moved):
                continue
            if node.push is not None:
                tangents[id(node)] = node.push(moved)
                continue
            parts = [self._stored(pull(t)) for (_, pull), t in zip(node.parents, moved, strict=True) if t is not None]
            tangents[id(node)] = self.m.total(parts, self.rules.stores)
        return tangents.get(id(result), self.m.constant(0))

    # -- recording -------------------------------------------------------------------------------------

    def _enter(self, value: Any, *parents: tuple[Any, Pull], push: Push | None = None) -> Variable:
        kept = tuple((p, pull) for p, pull in parents if isinstance(p, Variable) and p.m is self)
        made = Variable(self, value, kept, push if len(kept) == len(parents) else None)
        self._kept.append(made)
        return made

    def _stored(self, value: Any) -> Any:
        return self.m.stored(value) if self.rules.stores else value

    def _value(self, a: Any) -> Any:
        return a.value if isinstance(a, Variable) and a.m is self else a

    def constant(self, value: Any) -> Any:
        """A number; what is on the tape stays as it is."""
        return value if isinstance(value, Variable) and value.m is self else self._enter(self.m.constant(value))

    def real(self, value: Any) -> Any:
        """As the context below."""
        return self._enter(self.m.real(value))

    def f32(self, value: Any) -> Any:
        """As the context below."""
        return self._enter(self.m.f32(value))

    @property
    def pi(self) -> Any:
        """As the context below."""
        return self._enter(self.m.pi)

    # -- arithmetic ------------------------------------------------------------------------------------

    def negative(self, a: Any) -> Any:
        """-a."""
        return self._enter(self.m.negative(self._value(a)), (a, self.m.negative))

    def add(self, a: Any, b: Any) -> Any:
        """a + b."""
        total = self._stored(self.m.add(self._value(a), self._value(b)))
        return self._enter(total, (a, _same), (b, _same))

    def subtract(self, a: Any, b: Any) -> Any:
        """a - b."""
        total = self._stored(self.m.subtract(self._value(a), self._value(b)))
        return self._enter(total, (a, _same), (b, self.m.negative))

    def total(self, terms: list[Any], stores: bool) -> Any:
        """The sum of terms in whatever order."""
        if len(terms) == 1:
            return terms[0]
        found = self.m.total([self._value(t) for t in terms], stores)
        return self._enter(self._stored(found), *((t, _same) for t in terms))

    def multiply(self, a: Any, b: Any) -> Any:
        """a b."""
        x, y = self._value(a), self._value(b)
        product = self._stored(self.m.multiply(x, y))
        return self._enter(product, (a, lambda c: self.m.multiply(c, y)), (b, lambda c: self.m.multiply(c, x)))

    def divide(self, a: Any, b: Any) -> Any:
        """a / b."""
        x, y = self._value(a), self._value(b)
        quotient = self._stored(self.m.divide(x, y))
        left, right = self.rules.quotient(self.m, x, y, quotient)
        return self._enter(
            quotient,
            (a, left),
            (b, right),
            push=lambda moved: self.rules.pushed_quotient(self.m, x, y, quotient, (moved[0], moved[1])),
        )

    def power(self, a: Any, n: int) -> Any:
        """a^n."""
        x = self._value(a)
        return self._enter(self.rules.raised(self.m, x, n), (a, self.rules.power(self.m, x, n)))

    def either(self, a: Any, b: Any) -> Any:
        """One of two results, which differ in their roundings only."""
        return self._enter(self.m.either(self._value(a), self._value(b)), (a, _same))

    def abs(self, a: Any) -> Any:
        """|a|, whose derivative at 0 is 0."""
        x = self._value(a)
        return self._enter(self.m.abs(x), (a, lambda c: self.m.multiply(c, self.m.sign(x))))

    def sign(self, a: Any) -> Any:
        """-1, 1 or 0, whose derivative is 0."""
        return self._enter(self.m.sign(self._value(a)))

    def stored(self, a: Any) -> Any:
        """Rounded to the storage format, and so is its cotangent."""
        return self._enter(self.m.stored(self._value(a)), (a, self.m.stored))

    def call(self, kernel: Definition, partials: tuple[Definition, ...], *operands: Any) -> Any:
        """One kernel ``kernel(m, *operands)``, stored once; ``partials[i](m, c, *operands)`` differentiate."""
        values = [self._value(a) for a in operands]
        made = self._stored(self.m.call(kernel, partials, *values))

        def pull(partial: Definition) -> Pull:
            return lambda c: partial(self.m, c, *values)

        return self._enter(made, *((a, pull(p)) for a, p in zip(operands, partials, strict=True)))

    # -- elementary functions --------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in ELEMENTARY:
            raise AttributeError(name)

        def call(a: Any) -> Any:
            x = self._value(a)
            y = self._stored(getattr(self.m, name)(x))
            return self._enter(
                y,
                (a, self.rules.unary(self.m, name, x, y)),
                push=lambda moved: self._stored(self.rules.pushed_unary(self.m, name, x, y, moved[0])),
            )

        return call

    # -- choices ---------------------------------------------------------------------------------------

    def less(self, a: Any, b: Any) -> Any:
        """a < b."""
        return self.m.less(self._value(a), self._value(b))

    def at_most(self, a: Any, b: Any) -> Any:
        """a <= b."""
        return self.m.at_most(self._value(a), self._value(b))

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """a where the condition holds, else b; each gets the cotangent where it was taken, and 0 elsewhere."""
        chosen = self.m.where(condition, self._value(a), self._value(b))
        return self._enter(
            chosen,
            (a, lambda c: self.m.where(condition, c, self.m.constant(0))),
            (b, lambda c: self.m.where(condition, self.m.constant(0), c)),
        )

    def maximum(self, a: Any, b: Any) -> Any:
        """The greater; a tie gives each half of the cotangent."""
        x, y = self._value(a), self._value(b)
        return self._enter(
            self.m.maximum(x, y), (a, lambda c: self._share(c, y, x)), (b, lambda c: self._share(c, x, y))
        )

    def minimum(self, a: Any, b: Any) -> Any:
        """The less, in the same way."""
        x, y = self._value(a), self._value(b)
        return self._enter(
            self.m.minimum(x, y), (a, lambda c: self._share(c, x, y)), (b, lambda c: self._share(c, y, x))
        )

    def _share(self, c: Any, less: Any, greater: Any) -> Any:
        m = self.m
        tied = m.where(m.less(greater, less), m.constant(0), m.multiply(c, m.constant(0.5)))
        return m.where(m.less(less, greater), c, tied)


ELEMENTARY = frozenset({"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "erfc", "sinh", "cosh", "sqrt"})


def _same(c: Any) -> Any:
    return c
