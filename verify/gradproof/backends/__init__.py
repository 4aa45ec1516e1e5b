"""Backends: frameworks on devices, as arrays in and bits out. See ``base`` for the contract."""

from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits
from gradproof.backends.registry import (
    availability,
    available_backends,
    backend_ids,
    elsewhere_ids,
    get_backend,
    is_known,
)

__all__ = [
    "Availability",
    "Backend",
    "Call",
    "Implementation",
    "Traits",
    "availability",
    "available_backends",
    "backend_ids",
    "elsewhere_ids",
    "get_backend",
    "is_known",
]
