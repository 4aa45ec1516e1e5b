"""The built-in claims about activation functions, one module each, and the ledger of known deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradproof.engine.property import Property


def properties() -> tuple[Property, ...]:
    """The built-in properties, in the order reports show them (entry point ``gradproof.properties``)."""
    from gradproof_properties.accuracy import Accuracy
    from gradproof_properties.consistency import Consistency
    from gradproof_properties.conventions_train import ConventionsTrain
    from gradproof_properties.conversion import Conversion
    from gradproof_properties.curvature_by_depth import CurvatureByDepth
    from gradproof_properties.fd_jump import FiniteDifferenceJump
    from gradproof_properties.kink_convention import KinkConvention
    from gradproof_properties.saturation import Saturation
    from gradproof_properties.second_order import SecondOrder
    from gradproof_properties.shape import Shape
    from gradproof_properties.smooth_descent import SmoothDescent
    from gradproof_properties.special_values import SpecialValues
    from gradproof_properties.taylor import Taylor
    from gradproof_properties.underflow_noise import UnderflowNoise
    from gradproof_properties.vanishing import Vanishing
    from gradproof_properties.zero_input import ZeroInput

    return (
        Accuracy(),
        SpecialValues(),
        Saturation(),
        KinkConvention(),
        Taylor(),
        FiniteDifferenceJump(),
        Shape(),
        ZeroInput(),
        UnderflowNoise(),
        Vanishing(),
        Consistency(),
        CurvatureByDepth(),
        SmoothDescent(),
        SecondOrder(),
        ConventionsTrain(),
        Conversion(),
    )


__all__ = ["properties"]
