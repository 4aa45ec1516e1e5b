"""Certified reference values of functions at exact binary inputs."""

from gradproof.oracle.certify import Certified
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.oracle import Oracle
from gradproof.oracle.reference import Reference

__all__ = ["Certified", "Dyadic", "Oracle", "Reference"]
