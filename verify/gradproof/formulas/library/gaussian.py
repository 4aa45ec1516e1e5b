"""The error function and what is made of it: erf, erfc, gelu and its tanh form."""

from __future__ import annotations

from typing import Any, Final

from gradproof.formulas.formula import Formula, compiled, composed, eager, kernel
from gradproof.formulas.library.parts import ROOT_2_OVER_PI, ROOT_HALF, XLA, bell, branches, hastings

DENSITY: Final = 0.3989422804014327
"""1 / sqrt(2 pi) as a float64."""
NARROW: Final = ("float32", "float16", "bfloat16")
"""The formats that compute in float32."""
ABOVE: Final = 2.0**-21
"""By how much XLA's float32 erf may exceed the range of erf: four ulps, sweeps found two."""
KAPPA: Final = 0.044715
OWN: Final = 2.0**-23
"""Two ulps of float32 below 1."""

POLYNOMIALS: Final = (2.0**-22, 2.0**-20)
"""By how much oneDNN's polynomials for AVX-512 may be off erf(|x| / sqrt 2), and for |x| between 2 and 4: found were
2.7 and 10.9 units of 2^-24 at 4 million float32 inputs."""


def _erf_rational(m: Any, x: Any) -> Any:
    y = m.erf(x)
    return m.where(abs(x) > 2, m.either(y, y * (1 + ABOVE)), y)  # nothing keeps the quotient below 1


def _erf_half(m: Any, x: Any) -> Any:
    return 0.5 * x * (1 + m.erf(x * ROOT_HALF))


def _erf_half_prime(m: Any, x: Any) -> Any:
    cdf = 0.5 * (1 + m.erf(x * ROOT_HALF))
    return cdf + x * (m.exp(x * x * -0.5) * DENSITY)


def _onednn(m: Any, x: Any) -> Any:
    # The last term is 0, or NaN at an infinity, which meets the vanished e^(-x^2) of the polynomial.
    return 0.5 * (x + abs(x) * hastings(m, abs(x) * ROOT_HALF)) + m.maximum(x, 0) * 0


def _onednn_table(m: Any, x: Any) -> Any:
    # 24 polynomials of degree 5, up to an |x| beyond which erf is 1; their last terms are NaN at an infinity.
    size = abs(x)
    erf = m.erf(size * ROOT_HALF)
    fine, coarse = (m.either(erf - off, m.minimum(erf + off, 1)) for off in POLYNOMIALS)
    return (x * (1 + m.copysign(m.where((size > 2) & (size < 4), coarse, fine), x))) * 0.5 + size * 0


def _onednn_prime(m: Any, x: Any) -> Any:
    root = x * ROOT_HALF
    bell_part = x * (m.exp(-(root * root)) * (2 * DENSITY))
    erf = hastings(m, root)
    erf = m.either(erf - OWN, erf + OWN)  # oneDNN's polynomial and reciprocal differ from ATen's by last bits
    return 0.5 * m.total([m.real(1), bell_part, erf], stores=False)


def _erfc_prime(m: Any, x: Any) -> Any:
    z = m.minimum(m.maximum(x, -40), 40)
    return 0.5 * m.erfc(-x * ROOT_HALF) + z * (DENSITY * m.exp(-0.5 * z * z))


def _gelu_second(m: Any, x: Any) -> Any:
    square = x * x
    density = DENSITY * m.exp(-0.5 * square)
    return 2 * density - square * density


def _gelu_second_product(m: Any, x: Any) -> Any:
    # Beyond 40 the density has vanished in every format, and x^2 must not overflow.
    z = m.minimum(abs(x), 40)
    return (DENSITY * m.exp(-0.5 * z * z)) * (2 - z * z)


def _inner(m: Any, x: Any) -> Any:
    return ROOT_2_OVER_PI * (x + KAPPA * (x * x * x))


def _tanh_half(m: Any, x: Any) -> Any:
    return 0.5 * x * (1 + m.tanh(_inner(m, x)))


def _tanh_half_prime(m: Any, x: Any) -> Any:
    t = m.tanh(_inner(m, x))
    slope = ROOT_2_OVER_PI * (1 + 3 * KAPPA * (x * x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope


def _tanh_half_second(m: Any, x: Any) -> Any:
    z = ROOT_2_OVER_PI * (x + KAPPA * m.power(x, 3))
    t, sech = m.tanh(z), 1 / m.cosh(z)
    f, g = 0.5 * x, 1 - t * t
    h = ROOT_2_OVER_PI * (1 + 3 * KAPPA * x * x)
    bent = (2 * sech) * (-sech * t) * h
    return 2 * (0.5 * g * h) + f * h * bent + f * g * (6 * KAPPA * x * ROOT_2_OVER_PI)


def _tanh_cdf(m: Any, x: Any) -> Any:
    return x * (0.5 * (1 + m.tanh(ROOT_2_OVER_PI * (x + KAPPA * m.power(x, 3)))))


def _twice_inner(m: Any, x: Any) -> tuple[Any, Any]:
    """2 z and its derivative, clamped to where sigmoid(2 z) is not yet 0 or 1 in any format."""
    near = m.minimum(m.maximum(x, -30), 30)
    square = near * near
    return 2 * ROOT_2_OVER_PI * near * (1 + KAPPA * square), 2 * ROOT_2_OVER_PI * (1 + 3 * KAPPA * square)


def _sigmoid_form(m: Any, x: Any) -> Any:
    return m.maximum(x, -30) * branches(m, _twice_inner(m, x)[0])


def _sigmoid_form_prime(m: Any, x: Any) -> Any:
    z, slope = _twice_inner(m, x)
    return branches(m, z) + m.minimum(m.maximum(x, -30), 30) * slope * bell(m, z)


FORMULAS: Final[tuple[Formula, ...]] = (
    *eager("erf", "torch", "erf(x)", lambda m, x: m.erf(x), "torch.erf",
           texts={1: "2/sqrt(pi) e^(-x^2)", 2: "(2/sqrt(pi) e^(-x^2))' by torch's rules"}),
    *compiled("erf", "jax", "erf(x)", lambda m, x: m.erf(x), "jax.scipy.special.erf", rooms=XLA,
              texts={1: "2/sqrt(pi) e^(-x^2)"}),
    *kernel("erf", "jax-rational", 0, "erf(x), x times a quotient of polynomials that may exceed 1", _erf_rational,
            "jax.scipy.special.erf", style="loose", rooms=XLA, formats=("float32",)),
    *kernel("erf", "polynomial", 0, "1 - (a1 t + ... + a5 t^5) e^(-x^2), t = 1 / (1 + p |x|)",
            hastings, "vector kernels", style="fused", formats=NARROW),
    *kernel("erf", "clamped", 2, "-4/sqrt(pi) x e^(-x^2), |x| at most 40",
            lambda m, x: (lambda z: m.where(abs(x) > 40, 0, (-2.2567583341910251 * z) * m.exp(-(z * z))))(
                m.minimum(m.maximum(x, -40), 40)), "no overflow"),
    *eager("erfc", "torch", "erfc(x)", lambda m, x: m.erfc(x), "torch.erfc",
           texts={1: "-2/sqrt(pi) e^(-x^2)", 2: "(-2/sqrt(pi) e^(-x^2))' by torch's rules"}),
    *compiled("erfc", "jax", "erfc(x)", lambda m, x: m.erfc(x), "jax.scipy.special.erfc", rooms=XLA,
              texts={1: "-2/sqrt(pi) e^(-x^2)"}),
    *kernel("erfc", "difference", 0, "1 - erf(x)", lambda m, x: 1 - m.erf(x), "textbooks"),
    *kernel("gelu", "torch", 0, "x/2 (1 + erf(x / sqrt 2))", _erf_half, "torch.nn.functional.gelu"),
    *kernel("gelu", "onednn", 0, "(x + |x| erf(|x| / sqrt 2)) / 2, erf by a polynomial", _onednn,
            "torch.nn.functional.gelu by oneDNN", style="fused", formats=NARROW),
    *kernel("gelu", "onednn-avx512", 0, "x (1 + erf(x / sqrt 2)) / 2, erf by 24 polynomials", _onednn_table,
            "torch.nn.functional.gelu by oneDNN on AVX-512", style="fused", formats=NARROW),
    *kernel("gelu", "torch", 1, "(1 + erf(x / sqrt 2)) / 2 + x e^(-x^2 / 2) / sqrt(2 pi)", _erf_half_prime,
            "torch.nn.functional.gelu"),
    *kernel("gelu", "onednn", 1, "((1 + 2 x p) + erf(x / sqrt 2)) / 2, p = e^(-x^2 / 2) / sqrt(2 pi)", _onednn_prime,
            "torch.nn.functional.gelu by oneDNN", style="fused", formats=NARROW),
    *composed("gelu", "torch", 2, "2 p - x^2 p, p = e^(-x^2 / 2) / sqrt(2 pi)", _gelu_second,
            "torch.nn.functional.gelu"),
    *compiled("gelu", "jax", "x/2 erfc(-x / sqrt 2)", lambda m, x: 0.5 * x * m.erfc(-x * ROOT_HALF),
              "jax.nn.gelu(approximate=False)", rooms=XLA),
    *eager("gelu", "erf", "x/2 (1 + erf(x / sqrt 2))", _erf_half, "user code"),
    *kernel("gelu", "erfc", 0, "max(x, -40)/2 erfc(-x / sqrt 2)",
            lambda m, x: 0.5 * m.maximum(x, -40) * m.erfc(-x * ROOT_HALF), "no difference"),
    *kernel("gelu", "erfc", 1, "erfc(-x / sqrt 2) / 2 + x e^(-x^2 / 2) / sqrt(2 pi)", _erfc_prime, "no difference"),
    *kernel("gelu", "product", 2, "p (2 - x^2), p = e^(-x^2 / 2) / sqrt(2 pi), |x| at most 40", _gelu_second_product,
            "no overflow"),
    *kernel("gelu_tanh", "torch", 0, "x/2 (1 + tanh z), z = sqrt(2/pi) (x + 0.044715 x^3)", _tanh_half,
            "torch.nn.functional.gelu(approximate='tanh')"),
    *kernel("gelu_tanh", "torch", 1, "(1 + t) / 2 + x/2 (1 - t^2) z', t = tanh z", _tanh_half_prime,
            "torch.nn.functional.gelu(approximate='tanh')"),
    *composed("gelu_tanh", "torch", 2, "(1 - t^2) z' + x/2 z' (-2 sech^2 z t) z' + x/2 (1 - t^2) z''",
            _tanh_half_second, "torch.nn.functional.gelu(approximate='tanh')"),
    *compiled("gelu_tanh", "jax", "x (1 + tanh z) / 2, z = sqrt(2/pi) (x + 0.044715 x^3)", _tanh_cdf,
              "jax.nn.gelu(approximate=True)", rooms=XLA),
    *eager("gelu_tanh", "cube", "x (1 + tanh z) / 2, z = sqrt(2/pi) (x + 0.044715 x^3)", _tanh_cdf, "user code"),
    *kernel("gelu_tanh", "sigmoid", 0, "x sigmoid(2 z), z = sqrt(2/pi) x (1 + 0.044715 x^2), |x| at most 30",
            _sigmoid_form, "no difference, no overflow"),
    *kernel("gelu_tanh", "sigmoid", 1, "sigmoid(2 z) + 2 x z' t / (1 + t)^2, t = e^-|2 z|, |x| at most 30",
            _sigmoid_form_prime, "no difference, no overflow"),
)  # fmt: skip
