"""A verdict in words: short enough for a terminal, complete enough to act on."""

from __future__ import annotations

from gradproof.results.model import Cell, Certificate, Interval, Number

SHOWN = 3
"""Intervals of a region that are listed; the rest are counted."""


def failure(cell: Cell) -> str:
    """What a failing cell says; its first line is what pytest's short summary shows."""
    if cell.status == "error":
        return "\n".join([cell.reason, *_table(_about(cell) + _fault(cell))])
    rows = _about(cell)
    if cell.certificate is not None:
        rows += _certificate(cell.certificate)
    if cell.felt is not None:
        felt = "yes, it breaks the training contract too" if cell.felt else "no, within the training contract"
        rows.append(("felt", felt))
    if cell.certificate is not None:
        rows.append(("reproduce", cell.certificate.reproduce))
    return "\n".join([cell.reason or "failed", *_table(rows)])


def undecided(cell: Cell) -> str:
    """What an undecided cell says where that counts as a failure."""
    advice = (
        "a function of your own needs limits= for its values at the infinities; gradproof_undecided = skip "
        "or pass lets such cells through"
    )
    return "\n".join([f"undecided: {cell.reason}", *_table([*_about(cell), ("advice", advice)])])


def missing(cell: Cell, reason: str) -> str:
    """What the cell of a backend says that was demanded and is not here."""
    name = f"{cell.backend}:{cell.device}"
    return f"--gradproof-require-backend: {name} is required, but it cannot run here: {reason}"


def _about(cell: Cell) -> list[tuple[str, str]]:
    params = ", ".join(f"{k}={v}" for k, v in sorted(cell.params.items()))
    function = f"{cell.function}({params})" if params else cell.function
    what = ("the value", "the first derivative", "the second derivative")[cell.order]
    evidence = {
        "exhaustive": f"; every input tried ({cell.evidence.n})",
        "sampled": f"; {cell.evidence.n} inputs tried",
    }.get(cell.evidence.kind, "")
    claim = f"{cell.property} of {function}, {what} in {cell.format}; contract {cell.contract}{evidence}"
    return [
        ("claim", claim),
        ("by", f"{cell.implementation} on {cell.backend}:{cell.device}, {cell.mode}"),
    ]


def _fault(cell: Cell) -> list[tuple[str, str]]:
    kind = str(cell.measured.get("fault", "fault"))
    if kind == "internal":
        kind = "internal: a fault of the check, not of the implementation; please report it"
    rows = [("fault", kind)]
    if cell.certificate is not None:
        rows.append(("reproduce", cell.certificate.reproduce))
    return rows


def _certificate(found: Certificate) -> list[tuple[str, str]]:
    rows = [
        (label, _number(value))
        for label, value in (("input", found.input), ("got", found.got), ("expected", found.expected))
        if value is not None
    ]
    if found.enclosure is not None:
        rows.append(("truth", _truth(found)))
    rows.append(("error", _error(found)))
    for n, interval in enumerate(found.region[:SHOWN]):
        rows.append(("region" if n == 0 else "", _interval(interval)))
    if len(found.region) > SHOWN:
        rows.append(("", f"and {len(found.region) - SHOWN} more"))
    if found.simplest is not None and found.simplest != found.input:
        rows.append(("simplest", _number(found.simplest)))
    rows.append(("cause", f"probably {found.cause}"))
    return rows


def _truth(found: Certificate) -> str:
    assert found.enclosure is not None
    low, high, how = found.enclosure.lower, found.enclosure.upper, found.enclosure.certified
    interval = low if low == high else f"[{low}, {high}]"
    precision = "" if how == "exact" else f", {found.enclosure.precision} bits"
    return f"{interval} ({how}{precision})"


def _error(found: Certificate) -> str:
    if found.u is None:
        told = "of class (NaN, infinity or sign)" if found.magnitude is None else ""
    else:
        told = f"u = {found.u:.4g} ulp"
        if found.m is not None:
            told += f", m = {found.m:.4g}"
        if found.abs_error is not None:
            told += f", absolute {found.abs_error:.4g}"
    over = "" if found.magnitude is None else f"{found.magnitude:.4g} times the bound"
    return "; ".join(part for part in (told, over) if part)


def _interval(interval: Interval) -> str:
    if not interval.tried:
        return f"{_ends(interval.lo, interval.hi)}: {interval.failing} failed"
    what = "inputs" if interval.exhaustive else "tried inputs"
    return f"{_ends(interval.lo, interval.hi)}: {interval.failing} of {interval.tried} {what} fail"


def _ends(low: Number, high: Number) -> str:
    return low.decimal if low == high else f"[{low.decimal}, {high.decimal}]"


def _number(value: Number) -> str:
    return f"{value.decimal}   {value.hex}   {value.bits}"


def _table(rows: list[tuple[str, str]]) -> list[str]:
    return [f"  {label:<9}  {text}" for label, text in rows]
