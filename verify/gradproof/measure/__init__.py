"""Errors, contracts, severities, regions and probable causes."""

from gradproof.measure.contracts import CONTRACTS, Contract, contract, contract_meant, get_contract
from gradproof.measure.judge import NO_FLUSHING, Flushing, Judgement, judge

__all__ = [
    "CONTRACTS", "NO_FLUSHING", "Contract", "Flushing", "Judgement", "contract", "contract_meant", "get_contract",
    "judge",
]  # fmt: skip
