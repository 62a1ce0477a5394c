"""What "auto" means: one rule for each parameter, chosen by measurements over many data sets (see benchmarks/)."""

import math
from dataclasses import dataclass

import torch

__all__ = [
    "BATCH_NUMBERS",
    "MOST_INPUTS",
    "Plan",
    "auto_codebook",
    "auto_components",
    "auto_coordinates",
    "auto_held_out",
    "auto_hidden",
    "has_bfloat16",
    "make_plan",
    "pays_in_bfloat16",
    "step_of_rate",
    "weight_of_penalty",
]

MOST_INPUTS = 128
"""How many principal coordinates the correction to the encoder sees."""

MOST_HELD_OUT = 3000
"""Beyond that more rows to judge by say hardly more, and are better learned from."""

BATCH_NUMBERS = 2**24
"""The most numbers in a batch: a training step holds about a dozen times as much, in float32."""


@dataclass
class Plan:
    """How a network is trained.

    Attributes
    ----------
    batch_size, epochs : int
        Rows per step, passes over the data.
    usual_epochs : int
        What "auto" stands for.
    learning_rate : float
        At its peak.
    folds : int
        0: no rows are held out; 1: a share of them, from one network; more: cross-validation. Fewer than 10 rows can't be
        cross-validated, and the one held out is no reason to leave PCA.
    looks : int
        How often the rows held out are looked at.
    shares : tuple of float
        How much of the way from PCA is tried at each look.
    caution : float
        By how many standard errors the best look must beat PCA.
    warm_up : float
        The share of all steps in which the learning rate rises.
    clip : float
        How many times longer than usual a gradient may be; 0 for no bound.
    """

    batch_size: int
    epochs: int
    usual_epochs: int
    learning_rate: float
    folds: int
    looks: int
    shares: tuple
    caution: float
    warm_up: float
    clip: float


def auto_components(n_features):
    """Half as many as features, at most 32, at least 1."""
    return max(1, min(32, n_features // 2))


def auto_codebook(n_samples):
    """Vectors in a codebook: one for every eight rows, from 2 to 256."""
    return max(2, min(256, n_samples // 8))


PENALTY_WEIGHTS = {
    "variational": 0.1,
    "quantized": 1.0,
    "sparsity": 0.1,
    "contraction": 0.1,
    "decorrelation": 0.1,
    "rate": 0.5,
}
"""Of bottlenecks and penalties, beside a loss that is a share of the variance."""


def weight_of_penalty(estimator):
    """Give the weight of what the bottleneck or the penalty of an estimator asks for."""
    if estimator.penalty_weight != "auto":
        return estimator.penalty_weight
    return PENALTY_WEIGHTS.get(estimator.penalty or estimator.bottleneck, 0.0)


def step_of_rate(weight):
    """Give the step at which a bit more saves, at this weight, as much squared error as it costs.

    A step of D leaves an error of D^2 / 12 for each number of a code, and half of it takes one bit more, so that the derivative
    of the error by the bits is ``D^2 * ln(2) / 6``.
    """
    return math.sqrt(6 * weight / math.log(2))


def auto_coordinates(n_components, *, convolutional):
    """Principal coordinates that a network sees and gives back; PCA's rest is reconstructed as its mean.

    Convolutions add what the first 256 leave out; without them 384 are needed. Twice as many as components at least.
    """
    return max(256 if convolutional else 384, 2 * n_components)


def auto_hidden(n_samples, n_features):
    """Widths of the hidden layers of encoder and decoder.

    A third of the root of the numbers in X, as a power of 2, from 128 to 512; at most 256 for fewer than 64 features, and 128
    for fewer than 32, or time would grow faster than the rows. The encoder has one layer of at most 256, the decoder two, the
    second of twice the width where the first is as wide as it gets: a small encoder and a large decoder use operations best.
    """
    most = 512 if n_features >= 64 else 256 if n_features >= 32 else 128
    width = int(min(most, max(128, 2 ** round(math.log2(math.sqrt(n_samples * n_features) / 3)))))
    return (min(width, 256),), (width, 2 * width if width == most > 128 else width)


def auto_held_out(n_samples, fraction):
    """How many rows are held out where there are too many for folds: a share, "auto" for a tenth but at most 3,000."""
    wanted = min(MOST_HELD_OUT, 0.1 * n_samples) if fraction == "auto" else fraction * n_samples
    return min(n_samples - 1, max(1, round(wanted)))


def make_plan(
    n_samples,
    n_features,
    width,
    *,
    batch_size,
    max_iter,
    learning_rate_init,
    early_stopping,
    crossed,
    convolutional,
    plain=True,
    gaps=False,
    ordered=False,
):
    """Fill in what was left "auto".

    Steps grow with the root of the rows, and fall with the features where there are more than 125 of them, or 100 with
    convolutions, since each then says more about a row. The learning rate grows with the root of the rows, too: few rows are
    soon learned by heart.

    Parameters
    ----------
    n_samples, n_features : int
        Rows to learn from, and their numbers.
    width : int
        Of the wider of the first hidden layers of encoder and decoder.
    batch_size, max_iter, learning_rate_init : number or "auto"
        As the user gave them.
    early_stopping : bool
        Whether rows may be held out.
    crossed : bool
        Whether folds are possible.
    convolutional : bool
        Whether weights are shared over an image, which makes large steps dangerous.
    plain : bool, default=True
        Whether nothing is asked but reconstruction. If more is, three times as many steps are worth their time, and PCA is no
        better a choice than any other.
    gaps : bool, default=False
        Whether nothing is asked but that and gaps of tables, whose linear start is worth going a part of the way from only.
    ordered : bool, default=False
        Whether codes of all lengths are asked for, which is worth twice as many steps once more.

    Returns
    -------
    plan : Plan
        Everything that a training needs to know.
    """
    batch = batch_size
    if batch == "auto":
        batch = 128 if n_samples < 4000 else 256 if n_samples < 20000 else 512
        while batch > 8 and batch * n_features > BATCH_NUMBERS:
            batch //= 2
    batch = min(batch, n_samples)
    few = 100 if convolutional else 125  # features; convolutions learn more from a row
    steps = max(100, 10 * math.sqrt(n_samples) * min(1, few / n_features)) * (1 if plain else 6 if ordered else 3)
    usual = max(1, math.ceil(steps * batch / n_samples))
    epochs = usual if max_iter == "auto" else max_iter
    rate = learning_rate_init
    if rate == "auto":
        rate = min(0.02, 2.5e-4 * math.sqrt(n_samples)) * min(1, 256 / width)
        rate = min(rate, 0.007) if convolutional else rate
    most = 1000 if gaps else 3000  # filling gaps takes time
    folds = 0 if not early_stopping else 1 if not crossed or not 10 <= n_samples <= most else 3 if n_samples > 1000 else 5
    return Plan(
        batch_size=batch,
        epochs=epochs,
        usual_epochs=usual,
        learning_rate=rate,
        folds=folds,
        looks=min(5, epochs),
        shares=(0.25, 0.5, 0.75, 1.0) if (plain or gaps) and n_samples <= 20000 else (1.0,),
        caution=2.0 if plain else 0.0,
        warm_up=0.25,
        clip=2.0 if convolutional else 0.0,
    )


def pays_in_bfloat16(device, batch_size, options):
    """Say whether matrix products are faster in bfloat16: on GPUs, and on CPUs with instructions for it, if they are large.

    Parameters
    ----------
    device : torch.device
        Where they are computed.
    batch_size : int
        Rows per step.
    options : dict
        Of the network.

    Returns
    -------
    pays : bool
        On the CPU without such instructions bfloat16 is emulated, and up to thirty times slower.
    """
    widest = max([*options["encoder_sizes"], *options["decoder_sizes"], 1])
    if widest < 256 or batch_size < 256:
        return False
    return has_bfloat16(device)


def has_bfloat16(device):
    """Say whether a device has instructions for products in bfloat16."""
    if device.type == "cpu":
        has = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not say
        return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
