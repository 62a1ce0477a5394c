"""Parameters that all autoencoders share: constraints, and combinations that are errors."""

from numbers import Integral, Real

from skae._sklearn_compat import Interval, RealNotInt, StrOptions
from skae.networks.layers import ACTIVATIONS

__all__ = ["PARAMETER_CONSTRAINTS", "check_parameter_combinations"]

AUTO = StrOptions({"auto"})

PARAMETER_CONSTRAINTS = {
    "n_components": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="neither"),
        AUTO,
    ],
    "bottleneck": [StrOptions({"deterministic", "ordered", "variational", "quantized"})],
    "codebook_size": [Interval(Integral, 2, None, closed="left"), AUTO],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "init": [StrOptions({"auto", "random"})],
    "loss": [StrOptions({"squared_error", "absolute_error", "log_loss"})],
    "corruption": [
        StrOptions({"gaussian", "masking", "salt_and_pepper", "patches"}),
        callable,
        None,
    ],
    "corruption_level": [Interval(Real, 0, None, closed="left"), tuple, list],
    "penalty": [StrOptions({"sparsity", "contraction", "decorrelation", "rate"}), None],
    "penalty_weight": [Interval(Real, 0, None, closed="left"), AUTO],
    "target_weight": [Interval(Real, 0, None, closed="left")],
    "solver": [StrOptions({"adamw", "adam", "rmsprop", "sgd"}), callable],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither"), AUTO],
    "batch_size": [Interval(Integral, 1, None, closed="left"), AUTO],
    "max_iter": [Interval(Integral, 1, None, closed="left"), AUTO],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither"), AUTO],
    "warm_start": ["boolean"],
    "device": [str],
    "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    "allow_nan": ["boolean"],
    "net_params": [dict, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def check_parameter_combinations(estimator):
    """Raise an error if parameters exclude each other.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Each of its parameters is valid by itself.
    """
    n_components, bottleneck = estimator.n_components, estimator.bottleneck
    if not isinstance(n_components, Integral | str) and bottleneck != "ordered":
        raise ValueError(
            f"Got n_components={n_components!r} with bottleneck={bottleneck!r}, but expected an "
            "int. Only an 'ordered' code can be cut to a share of the variance."
        )
    penalty = estimator.penalty
    if penalty is None:
        return
    if bottleneck in ("variational", "quantized") or (penalty, bottleneck) == ("rate", "ordered"):
        raise ValueError(
            f"Got penalty={penalty!r} with bottleneck={bottleneck!r}, but expected one of the two. "
            "Each of them is an objective for the latent vectors."
        )
    if penalty == "rate":
        if estimator.penalty_weight == 0:
            raise ValueError(
                "penalty_weight must be positive when penalty='rate', because it sets the "
                "quantization step. Got 0."
            )
        return
    if estimator.batch_size == 1:
        raise ValueError(
            f"Got batch_size=1 with penalty={penalty!r}, but expected an int >= 2. "
            "The penalty compares the samples of a batch."
        )
    if penalty == "contraction" and (estimator.net_params or {}).get("compile"):
        raise ValueError(
            "Got net_params with compile=True and penalty='contraction', but expected one of the "
            "two. torch can't differentiate compiled functions twice."
        )
