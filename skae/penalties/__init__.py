"""Penalties on latent vectors: one class for each, and a base class for your own.

The parameter `penalty` of an autoencoder is a word or an object. `Sparsity`, `Contraction` and
`Decorrelation` do not depend on the scale of latent vectors, so that they can't be reduced by
shrinking all of them. `Spread` penalizes projections of small variance, and the steps of `Rate` are
fixed.
"""

from typing import Literal, TypeAlias

from skae._options import resolve_option
from skae.networks.penalties import PenaltyModule
from skae.penalties._base import Penalty, PenaltyInputs
from skae.penalties._latents import Contraction, Decorrelation, Sparsity
from skae.penalties._rate import Rate
from skae.penalties._spread import Spread

__all__ = [
    "Contraction",
    "Decorrelation",
    "Penalty",
    "PenaltyInputs",
    "PenaltyModule",
    "Rate",
    "Sparsity",
    "Spread",
]

for _class in (Contraction, Decorrelation, Penalty, PenaltyInputs, Rate, Sparsity, Spread):
    _class.__module__ = __name__  # messages and pickles name the public module

PENALTIES: dict[str, type[Penalty]] = {
    "sparsity": Sparsity,
    "contraction": Contraction,
    "decorrelation": Decorrelation,
    "rate": Rate,
    "spread": Spread,
}
"""The class of each word."""

PenaltyOption: TypeAlias = (
    Literal["sparsity", "contraction", "decorrelation", "rate", "spread"] | Penalty | None
)


def resolve_penalty(penalty):
    """Return a word or an object as a `Penalty` with valid parameters; None stays None."""
    if penalty is None:
        return None
    penalty = resolve_option(penalty, Penalty, PENALTIES, "penalty")
    if not hasattr(penalty, "weight"):
        raise TypeError(
            f"Got penalty={penalty!r}, whose class has no parameter weight. Add weight to its "
            "constructor."
        )
    return penalty
