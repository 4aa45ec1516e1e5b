"""What property packs, backends, functions, studies, ledgers and report formats may import: all of it, in one place.

``gradproof`` itself is for those who check their code; this module is for those who extend the checks. The packs that
come with gradproof, and its examples, import from the two and from nothing else. docs/extending.md lists the names
by task, and says which of them stay. Each is imported on first use, so that ``import gradproof.extend`` costs next to
nothing: no NumPy, no framework.

Functions: ``Function`` and what makes one, with the contracts that it can be held to.

Numbers: formats (``Format``), and arrays of their bit patterns (``Bits``): the module ``arrays`` has the operations.

Properties: subclass ``Property``; ``check`` gets a ``Probe`` (one implementation beside its oracle) and answers with an
``Outcome``, which holds the ``Violations``, as severe as the constants say, and the ``Evidence``. ``Pointwise`` is the
base of those that judge input by input.

The oracle: certified values (``Certified``; ``Reference`` for many at once), their exact numbers (``Dyadic``), double-
doubles (``pairs``), and what it knows of a function as a whole.

Backends: subclass ``Backend``. ``call_checks`` holds an implementation to what it must return, ``traits`` probes how
subnormal numbers fare, ``layouts`` and ``Space`` are for claims about calls and about networks.

Reports: a callable (result, path) that reads a ``RunResult`` and nothing else. None of these names loads NumPy.

Studies: what a command needs to take options, to write files and to end like the others.

Ledgers: reading one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gradproof.backends import availability, get_backend, layouts, traits
    from gradproof.backends import contract as call_checks
    from gradproof.backends.arrays import Arrays
    from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded
    from gradproof.backends.chains import reverse_passes, rows_of
    from gradproof.backends.settings import FrameworkSetting
    from gradproof.backends.space import FORWARD_OVER_REVERSE, Array, Program, Space
    from gradproof.cli import codes as exit_codes
    from gradproof.cli import console as terminal
    from gradproof.cli.options import backends as chosen_backends
    from gradproof.cli.outputs import Output, Written
    from gradproof.cli.outputs import prepare as prepare_outputs
    from gradproof.engine.ledger.ledger import Ledger
    from gradproof.engine.properties.bulk import bulk
    from gradproof.engine.properties.pointwise import Pointwise
    from gradproof.engine.properties.property import Outcome, Property, Violations
    from gradproof.engine.properties.search import search
    from gradproof.engine.subject.oracles import oracle_of
    from gradproof.engine.subject.probe import Probe
    from gradproof.engine.surroundings.environment import environment
    from gradproof.errors import GradproofError, ImplementationFault, Unsupported, UsageError
    from gradproof.files.writing import write_text
    from gradproof.formats import (
        BFLOAT16,
        FLOAT8_E4M3FN,
        FLOAT8_E5M2,
        FLOAT16,
        FLOAT32,
        FLOAT64,
        FORMATS,
        Format,
        arrays,
        get_format,
    )
    from gradproof.formats.arrays import Bits, Floats, Ints
    from gradproof.functions import Function, exact, function, get_function, piecewise
    from gradproof.functions.function import Kind
    from gradproof.functions.roundings import Seeded, block_exponents
    from gradproof.interrupts import interruptible
    from gradproof.measure import Contract, Judgement, contract, conversion
    from gradproof.measure.bias import RoundedWay, rounded_way
    from gradproof.measure.contracts import STABLE, TRAINING
    from gradproof.measure.severity import (
        FAULT,
        LARGE,
        LARGE_ERROR,
        LOST_SIGNAL,
        SMALL_ERROR,
        WRONG_BRANCH,
        WRONG_CLASS,
        classify,
    )
    from gradproof.oracle import Certified, Dyadic, Oracle, Reference, pairs
    from gradproof.oracle.certify import undecided
    from gradproof.oracle.exact_route import derivatives as exact_derivatives
    from gradproof.oracle.joints import may_be_equal
    from gradproof.oracle.reference import BY_EXACT, FINITE, UNDECIDED, UNDEFINED, ReferenceRow
    from gradproof.oracle.shape import Bracket, extent, linear_pieces, turning_points
    from gradproof.results import claims as claim_verdicts
    from gradproof.results import finding_texts, graphs, read_results, sweeps
    from gradproof.results import rows as kernel_rows
    from gradproof.results.cell_changes import REGRESSIONS, ComparedResult, Since
    from gradproof.results.formatting import compact_figure, in_order
    from gradproof.results.io import dumps as results_text
    from gradproof.results.keeping import Weight
    from gradproof.results.labels import (
        PRIMES,
        function_label,
        kernel_origin,
        kernel_origins,
        short_format,
        with_origin,
    )
    from gradproof.results.model import (
        SEVERITIES,
        STATUSES,
        Basis,
        Cell,
        Certificate,
        Claim,
        ClaimException,
        Curve,
        Evidence,
        PlaceVerdict,
        RunResult,
    )
    from gradproof.strategies import batches, landmark_bits, landmark_ordinals
    from gradproof.text import visible

_HOMES: Final = {
    # functions
    "Contract": "gradproof.measure",
    "Function": "gradproof.functions",
    "GradproofError": "gradproof.errors",
    "UsageError": "gradproof.errors",
    "contract": "gradproof.measure",
    "exact": "gradproof.functions",
    "function": "gradproof.functions",
    "get_function": "gradproof.functions",
    "piecewise": "gradproof.functions",
    # numbers
    "BFLOAT16": "gradproof.formats",
    "Bits": "gradproof.formats.arrays",
    "FLOAT16": "gradproof.formats",
    "FLOAT32": "gradproof.formats",
    "FLOAT64": "gradproof.formats",
    "FLOAT8_E4M3FN": "gradproof.formats",
    "FLOAT8_E5M2": "gradproof.formats",
    "FORMATS": "gradproof.formats",
    "Floats": "gradproof.formats.arrays",
    "Format": "gradproof.formats",
    "Ints": "gradproof.formats.arrays",
    "arrays": "gradproof.formats",
    "get_format": "gradproof.formats",
    # properties
    "Evidence": "gradproof.results.model",
    "FAULT": "gradproof.measure.severity",
    "ImplementationFault": "gradproof.errors",
    "Judgement": "gradproof.measure",
    "Kind": "gradproof.functions.function",
    "LARGE": "gradproof.measure.severity",
    "LARGE_ERROR": "gradproof.measure.severity",
    "LOST_SIGNAL": "gradproof.measure.severity",
    "Outcome": "gradproof.engine.properties.property",
    "bulk": "gradproof.engine.properties.bulk",
    "Pointwise": "gradproof.engine.properties.pointwise",
    "Probe": "gradproof.engine.subject.probe",
    "Property": "gradproof.engine.properties.property",
    "RoundedWay": "gradproof.measure.bias",
    "SMALL_ERROR": "gradproof.measure.severity",
    "STABLE": "gradproof.measure.contracts",
    "Seeded": "gradproof.functions.roundings",
    "TRAINING": "gradproof.measure.contracts",
    "Unsupported": "gradproof.errors",
    "Violations": "gradproof.engine.properties.property",
    "WRONG_BRANCH": "gradproof.measure.severity",
    "WRONG_CLASS": "gradproof.measure.severity",
    "batches": "gradproof.strategies",
    "block_exponents": "gradproof.functions.roundings",
    "classify": "gradproof.measure.severity",
    "conversion": "gradproof.measure",
    "landmark_bits": "gradproof.strategies",
    "landmark_ordinals": "gradproof.strategies",
    "rounded_way": "gradproof.measure.bias",
    "search": "gradproof.engine.properties.search",
    # the oracle
    "BY_EXACT": "gradproof.oracle.reference",
    "Bracket": "gradproof.oracle.shape",
    "Certified": "gradproof.oracle",
    "Dyadic": "gradproof.oracle",
    "FINITE": "gradproof.oracle.reference",
    "Oracle": "gradproof.oracle",
    "Reference": "gradproof.oracle",
    "ReferenceRow": "gradproof.oracle.reference",
    "UNDECIDED": "gradproof.oracle.reference",
    "UNDEFINED": "gradproof.oracle.reference",
    "exact_derivatives": "gradproof.oracle.exact_route:derivatives",
    "extent": "gradproof.oracle.shape",
    "linear_pieces": "gradproof.oracle.shape",
    "may_be_equal": "gradproof.oracle.joints",
    "oracle_of": "gradproof.engine.subject.oracles",
    "pairs": "gradproof.oracle",
    "turning_points": "gradproof.oracle.shape",
    "undecided": "gradproof.oracle.certify",
    # backends
    "Array": "gradproof.backends.space",
    "Arrays": "gradproof.backends.arrays",
    "Availability": "gradproof.backends.base",
    "Backend": "gradproof.backends.base",
    "Call": "gradproof.backends.base",
    "FORWARD_OVER_REVERSE": "gradproof.backends.space",
    "FrameworkSetting": "gradproof.backends.settings",
    "Implementation": "gradproof.backends.base",
    "Program": "gradproof.backends.space",
    "Space": "gradproof.backends.space",
    "Traits": "gradproof.backends.base",
    "availability": "gradproof.backends",
    "call_checks": "gradproof.backends:contract",
    "get_backend": "gradproof.backends",
    "layouts": "gradproof.backends",
    "padded": "gradproof.backends.base",
    "reverse_passes": "gradproof.backends.chains",
    "rows_of": "gradproof.backends.chains",
    "traits": "gradproof.backends",
    # reports
    "Basis": "gradproof.results.model",
    "Cell": "gradproof.results.model",
    "Certificate": "gradproof.results.model",
    "Claim": "gradproof.results.model",
    "ClaimException": "gradproof.results.model",
    "ComparedResult": "gradproof.results.cell_changes",
    "Curve": "gradproof.results.model",
    "PRIMES": "gradproof.results.labels",
    "REGRESSIONS": "gradproof.results.cell_changes",
    "Since": "gradproof.results.cell_changes",
    "PlaceVerdict": "gradproof.results.model",
    "RunResult": "gradproof.results.model",
    "SEVERITIES": "gradproof.results.model",
    "STATUSES": "gradproof.results.model",
    "claim_verdicts": "gradproof.results:claims",
    "compact_figure": "gradproof.results.formatting",
    "function_label": "gradproof.results.labels",
    "graphs": "gradproof.results:graphs",
    "kernel_rows": "gradproof.results:rows",
    "short_format": "gradproof.results.labels",
    "finding_texts": "gradproof.results:finding_texts",
    "in_order": "gradproof.results.formatting",
    "kernel_origin": "gradproof.results.labels",
    "kernel_origins": "gradproof.results.labels",
    "read_results": "gradproof.results",
    "results_text": "gradproof.results.io:dumps",
    "sweeps": "gradproof.results",
    "visible": "gradproof.text",
    "with_origin": "gradproof.results.labels",
    "write_text": "gradproof.files.writing",
    # studies
    "Output": "gradproof.cli.outputs",
    "Weight": "gradproof.results.keeping",
    "Written": "gradproof.cli.outputs",
    "chosen_backends": "gradproof.cli.options:backends",
    "environment": "gradproof.engine.surroundings.environment",
    "exit_codes": "gradproof.cli:codes",
    "interruptible": "gradproof.interrupts",
    "prepare_outputs": "gradproof.cli.outputs:prepare",
    "terminal": "gradproof.cli:console",
    # ledgers
    "Ledger": "gradproof.engine.ledger.ledger",
}
"""Where each name lives: the module or package that holds it, with its name there where that is another."""

__all__ = [
    "BFLOAT16",
    "BY_EXACT",
    "FAULT",
    "FINITE",
    "FLOAT8_E4M3FN",
    "FLOAT8_E5M2",
    "FLOAT16",
    "FLOAT32",
    "FLOAT64",
    "FORMATS",
    "FORWARD_OVER_REVERSE",
    "LARGE",
    "LARGE_ERROR",
    "LOST_SIGNAL",
    "PRIMES",
    "REGRESSIONS",
    "SEVERITIES",
    "SMALL_ERROR",
    "STABLE",
    "STATUSES",
    "TRAINING",
    "UNDECIDED",
    "UNDEFINED",
    "WRONG_BRANCH",
    "WRONG_CLASS",
    "Array",
    "Arrays",
    "Availability",
    "Backend",
    "Basis",
    "Bits",
    "Bracket",
    "Call",
    "Cell",
    "Certificate",
    "Certified",
    "Claim",
    "ClaimException",
    "ComparedResult",
    "Contract",
    "Curve",
    "Dyadic",
    "Evidence",
    "Floats",
    "Format",
    "FrameworkSetting",
    "Function",
    "GradproofError",
    "Implementation",
    "ImplementationFault",
    "Ints",
    "Judgement",
    "Kind",
    "Ledger",
    "Oracle",
    "Outcome",
    "Output",
    "PlaceVerdict",
    "Pointwise",
    "Probe",
    "Program",
    "Property",
    "Reference",
    "ReferenceRow",
    "RoundedWay",
    "RunResult",
    "Seeded",
    "Since",
    "Space",
    "Traits",
    "Unsupported",
    "UsageError",
    "Violations",
    "Weight",
    "Written",
    "arrays",
    "availability",
    "batches",
    "block_exponents",
    "bulk",
    "call_checks",
    "chosen_backends",
    "claim_verdicts",
    "classify",
    "compact_figure",
    "contract",
    "conversion",
    "environment",
    "exact",
    "exact_derivatives",
    "exit_codes",
    "extent",
    "finding_texts",
    "function",
    "function_label",
    "get_backend",
    "get_format",
    "get_function",
    "graphs",
    "in_order",
    "interruptible",
    "kernel_origin",
    "kernel_origins",
    "kernel_rows",
    "landmark_bits",
    "landmark_ordinals",
    "layouts",
    "linear_pieces",
    "may_be_equal",
    "oracle_of",
    "padded",
    "pairs",
    "piecewise",
    "prepare_outputs",
    "read_results",
    "results_text",
    "reverse_passes",
    "rounded_way",
    "rows_of",
    "search",
    "short_format",
    "sweeps",
    "terminal",
    "traits",
    "turning_points",
    "undecided",
    "visible",
    "with_origin",
    "write_text",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed does not exist

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'gradproof.extend' has no attribute {name!r}")
        from importlib import import_module

        home, _, original = _HOMES[name].partition(":")
        module = import_module(home)
        try:
            value = getattr(module, original or name)
        except AttributeError:  # a module that nobody has imported yet
            value = import_module(f"{home}.{original or name}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
