"""Where to look: landmarks of functions and formats, and Hypothesis strategies over bit patterns."""

from gradproof.strategies.conversions import conversion_bits
from gradproof.strategies.landmarks import landmark_bits, landmark_ordinals
from gradproof.strategies.points import batches, stratified

__all__ = ["batches", "conversion_bits", "landmark_bits", "landmark_ordinals", "stratified"]
