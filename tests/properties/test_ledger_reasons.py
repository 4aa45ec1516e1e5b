"""The hand-written reasons: each names functions, properties and threads that can exist, and one of them matches."""

from __future__ import annotations

import re
from collections import Counter

from gradproof.backends import available_backends
from gradproof.formats import FORMATS
from gradproof.functions import CATALOGUE
from gradproof_properties import properties
from gradproof_properties.ledger.reasons import RULES


def test_rules_name_catalogued_functions_and_built_in_properties() -> None:
    functions, ids = {f.name for f in CATALOGUE}, {p.id for p in properties()}
    for rule in RULES:
        assert set(rule.functions) <= functions, rule.id
        assert set(rule.properties) <= ids, rule.id
        assert set(rule.orders) <= {0, 1, 2}, rule.id
        assert set(rule.formats) <= set(FORMATS), rule.id
        assert set(rule.modes) <= set(available_backends()[rule.backend].modes), rule.id


def test_ids_are_unique_and_say_the_backend() -> None:
    assert [n for n, times in Counter(rule.id for rule in RULES).items() if times > 1] == []
    assert [rule.id for rule in RULES if not rule.id.startswith(f"{rule.backend}-")] == []


def test_upstream_threads_are_repository_and_number() -> None:
    threads = [thread for rule in RULES for thread in rule.upstream]
    assert [t for t in threads if not re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", t)] == []


def test_no_rule_stands_wholly_behind_an_earlier_one() -> None:
    """The first match wins: a rule whose cells an earlier rule takes can never be named."""
    shadowed = [
        (earlier.id, later.id)
        for i, later in enumerate(RULES)
        for earlier in RULES[:i]
        if earlier.backend == later.backend
        and set(later.functions) <= set(earlier.functions)
        and (not earlier.orders or (later.orders and set(later.orders) <= set(earlier.orders)))
        and (not earlier.properties or (later.properties and set(later.properties) <= set(earlier.properties)))
        and (not earlier.modes or (later.modes and set(later.modes) <= set(earlier.modes)))
        and (not earlier.formats or (later.formats and set(later.formats) <= set(earlier.formats)))
    ]
    assert shadowed == []
