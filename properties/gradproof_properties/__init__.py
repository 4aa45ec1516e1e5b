"""The built-in claims about activation functions, one module each, and the ledger of known deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradproof.extend import Property


def properties() -> tuple[Property, ...]:
    """The built-in properties, in the order reports show them (entry point ``gradproof.properties``)."""
    from gradproof_properties.calls.consistency import Consistency
    from gradproof_properties.chains.underflow_noise import UnderflowNoise
    from gradproof_properties.chains.vanishing import Vanishing
    from gradproof_properties.chance.stochastic_rounding import StochasticRounding
    from gradproof_properties.chance.zero_input import ZeroInput
    from gradproof_properties.kinks.fd_jump import FiniteDifferenceJump
    from gradproof_properties.kinks.kink_convention import KinkConvention
    from gradproof_properties.kinks.taylor import Taylor
    from gradproof_properties.networks.conventions_train import ConventionsTrain
    from gradproof_properties.networks.curvature_by_depth import CurvatureByDepth
    from gradproof_properties.networks.second_order import SecondOrder
    from gradproof_properties.networks.smooth_descent import SmoothDescent
    from gradproof_properties.shapes.shape import Shape
    from gradproof_properties.values.accuracy import Accuracy
    from gradproof_properties.values.bias import Bias
    from gradproof_properties.values.block_scaling import BlockScaling
    from gradproof_properties.values.conversion import Conversion
    from gradproof_properties.values.saturation import Saturation
    from gradproof_properties.values.special_values import SpecialValues

    return (
        Accuracy(),
        Bias(),
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
        BlockScaling(),
        StochasticRounding(),
    )


__all__ = ["properties"]
