"""Bottlenecks: constraints on latent vectors, as one class for each kind.

The parameter `bottleneck` of an autoencoder is a word or an object. An object describes the
bottleneck, and builds the torch module between encoder and decoder.
"""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import torch
from sklearn.base import clone

from skae._options import Option, resolve_option
from skae._sklearn_compat import Interval, StrOptions
from skae.networks.bottlenecks import (
    BottleneckModule,
    NestedDropout,
    NormalPosterior,
    VectorQuantizer,
)

__all__ = [
    "Bottleneck",
    "BottleneckModule",
    "Deterministic",
    "Ordered",
    "Quantized",
    "Variational",
]

MIN_CODEBOOK_USAGE = 0.5
"""Fraction of the codebook vectors that should represent samples."""


class Bottleneck(Option):
    """Base class of bottlenecks.

    A subclass implements `make_module`, and declares class attributes where the defaults do not
    apply.

    Attributes
    ----------
    is_deterministic : bool
        Whether latent vectors pass unchanged, so that the reconstruction loss is the only
        objective.
    is_nested : bool
        Whether the first j latent dimensions are a latent vector of j dimensions, for every j. The
        decoder then receives the number of dimensions, and codes can be cut.
    has_cost : bool
        Whether the module returns a cost. It is added to the loss with the weight `weight`, and
        there can be no penalty beside it.
    draws_noise : bool
        Whether the module draws random numbers, also for validation.
    epochs_factor : int
        Factor of the default number of epochs, relative to a deterministic bottleneck.
    needs_latents : bool
        Whether the module is initialized from latent vectors, by `init_from_latents`.
    couples_samples : bool
        Whether the module remembers the samples of a batch, or compares them. Several processes
        then don't divide batches.
    weight : float
        Weight of the cost per feature, relative to a loss in units of the variance of X.
    """

    is_deterministic: ClassVar[bool] = False
    is_nested: ClassVar[bool] = False
    has_cost: ClassVar[bool] = False
    draws_noise: ClassVar[bool] = False
    epochs_factor: ClassVar[int] = 3
    needs_latents: ClassVar[bool] = False
    couples_samples: ClassVar[bool] = False
    weight: float = 0.0

    @property
    def cost_weight(self) -> float | None:
        """Weight of the cost; None without a cost."""
        if not self.has_cost:
            return None
        return self.weight

    def resolve(self, n_samples: int) -> Self:
        """Return a copy in which every "auto" is resolved for this number of samples."""
        return clone(self)

    def make_module(self, n_components: int, n_hidden: int) -> BottleneckModule:
        """Build the module between encoder and decoder.

        Parameters
        ----------
        n_components : int
            k, the number of latent dimensions.
        n_hidden : int
            Width of the encoder's last hidden layer.

        Returns
        -------
        module : BottleneckModule
            Its weights are created here. They are initialized again by its `init_from_pca`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement make_module.")

    def init_from_latents(self, module: Any, z: torch.Tensor, generator: torch.Generator) -> None:
        """Initialize the module from whitened latent vectors of PCA.

        Parameters
        ----------
        module : BottleneckModule
            Changed in place.
        z : torch.Tensor of shape (n, n_components)
            Latent vectors of up to 4,096 samples.
        generator : torch.Generator
            Random number generator on the CPU.
        """

    def fitted_attributes(self, network: Any, chunks: Iterable[torch.Tensor]) -> dict[str, Any]:
        """Compute fitted attributes of the estimator.

        Parameters
        ----------
        network : skae.networks.autoencoder.Autoencoder
            Trained network; ``network.bottleneck`` is the module.
        chunks : iterable of torch.Tensor of shape (b, d)
            Standardized samples, at most 8,192: of the validation set if there is one.

        Returns
        -------
        attributes : dict
            Values by name; each name ends in an underscore.
        """
        return {}

    def collapse_message(self, network: Any, chunks: Iterable[torch.Tensor]) -> str | None:
        """Return a warning for a trained bottleneck of little use, or None.

        Parameters
        ----------
        network : skae.networks.autoencoder.Autoencoder
            Trained network.
        chunks : iterable of torch.Tensor of shape (b, d)
            Standardized training samples, at most 4,096.
        """
        return None

    def describe(self, estimator: Any) -> str:
        """Return a few words on the bottleneck of a fitted estimator; none if deterministic."""
        return type(self).__name__.lower()


class Deterministic(Bottleneck):
    """Latent vectors without constraints. The word is "deterministic"."""

    is_deterministic = True
    epochs_factor = 1

    def make_module(self, n_components: int, n_hidden: int) -> BottleneckModule:
        """Build the module; see `Bottleneck`."""
        return BottleneckModule()

    def describe(self, estimator: Any) -> str:
        """Return a few words on the bottleneck."""
        return ""


class Ordered(Bottleneck):
    r"""Ordered latent dimensions by nested dropout: the first j are the best code of length j [1]_.

    In training the decoder receives the first j dimensions, and zeros for the others. The length j
    is drawn for each sample with

    .. math:: P(j) \propto \begin{cases} j^{-1/4} / 3 & j \le 3 \\ j^{-1/4} & j > 3 \end{cases}

    The word is "ordered".

    References
    ----------
    .. [1] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested
       dropout", ICML 2014.
    """

    is_nested = True
    draws_noise = True
    epochs_factor = 6

    def make_module(self, n_components: int, n_hidden: int) -> BottleneckModule:
        """Build the module; see `Bottleneck`."""
        return NestedDropout()

    def fitted_attributes(self, network: Any, chunks: Iterable[torch.Tensor]) -> dict[str, Any]:
        """Return `explained_variance_ratio_`: the share of the variance of each dimension."""
        k = len(network.whitening)
        errors, total = np.zeros(k + 1), 0.0
        for x in chunks:
            z = network.latents(x)
            for length in range(k + 1):
                prefix = z * (torch.arange(k, device=z.device) < length)
                residual = network.residual_from_code(prefix, x).nan_to_num(0.0)
                errors[length] += float(residual.square().sum(dtype=torch.float64))
            total += float(x.nan_to_num(0.0).square().sum(dtype=torch.float64))
        explained = 1 - errors / max(total, 1e-300)
        explained[0] = 0.0
        return {"explained_variance_ratio_": np.diff(explained)}


class Variational(Bottleneck):
    r"""Variational autoencoder: a normal posterior for each sample, near a standard normal [1]_.

    The encoder computes the mean :math:`\mu` and the variance :math:`\sigma^2` of the posterior
    :math:`q(z | x)`. The decoder receives a sample of the posterior in training, and the mean
    afterwards. The cost is the divergence from the prior in nats,

    .. math::

        D_{KL}(q \,\|\, p) = \tfrac{1}{2} \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)

    The loss is :math:`L + w D_{KL} / d` for d features. Samples from the standard normal prior
    decode to new samples. The word is "variational".

    Parameters
    ----------
    weight : float, default=0.1
        Weight w of the divergence in nats per feature, relative to a loss in units of the variance
        of X; as in a beta-VAE [2]_.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [2] I. Higgins et al., "beta-VAE: Learning basic visual concepts with a constrained
       variational framework", ICLR 2017.
    """

    _parameter_constraints = {"weight": [Interval(Real, 0, None, closed="left")]}
    has_cost = True
    draws_noise = True

    def __init__(self, weight: float = 0.1) -> None:
        self.weight = weight

    def make_module(self, n_components: int, n_hidden: int) -> BottleneckModule:
        """Build the module; see `Bottleneck`."""
        return NormalPosterior(n_components, n_hidden)


class Quantized(Bottleneck):
    r"""Vector quantization (VQ-VAE): groups of latent dimensions are codebook vectors [1]_.

    The encoder's vector :math:`z_e` of a group, of up to four dimensions, is replaced by the
    nearest codebook vector :math:`e`. With the stop-gradient operator sg, the cost is

    .. math:: \| \mathrm{sg}(z_e) - e \|^2 + \| z_e - \mathrm{sg}(e) \|^2

    Its first term trains the codebook, its second term the encoder. The decoder's gradient passes
    to the encoder unchanged. Codebook vectors that represent no sample are renewed. The word is
    "quantized".

    Parameters
    ----------
    codebook_size : int or "auto", default="auto"
        Number of vectors in each codebook. If "auto", one vector for every eight samples, at least
        2 and at most 256.
    weight : float, default=1.0
        Weight of the cost per feature, relative to a loss in units of the variance of X.

    References
    ----------
    .. [1] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation
       learning", NeurIPS 2017.
    """

    _parameter_constraints = {
        "codebook_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "weight": [Interval(Real, 0, None, closed="left")],
    }
    has_cost = True
    needs_latents = True
    couples_samples = True

    def __init__(self, codebook_size: int | Literal["auto"] = "auto", weight: float = 1.0) -> None:
        self.codebook_size = codebook_size
        self.weight = weight

    def resolve(self, n_samples: int) -> Self:
        """Return a copy with an integer `codebook_size`."""
        size = self.codebook_size
        if size == "auto":
            size = max(2, min(256, n_samples // 8))
        return clone(self).set_params(codebook_size=int(size))

    def make_module(self, n_components: int, n_hidden: int) -> BottleneckModule:
        """Build the module; see `Bottleneck`."""
        return VectorQuantizer(n_components, self.codebook_size)

    def init_from_latents(self, module: Any, z: torch.Tensor, generator: torch.Generator) -> None:
        """Select the first codebook vectors by k-means++."""
        from sklearn.cluster import kmeans_plusplus  # slow to import

        groups = module.grouped(z).cpu().numpy()  # (n_groups, n, length)
        size = module.codebooks.shape[1]
        seed = int(torch.randint(2**31, (1,), generator=generator))
        for codebook, group in zip(module.codebooks, groups, strict=True):
            enough = np.resize(group, (max(size, len(group)), group.shape[1]))
            vectors, _ = kmeans_plusplus(enough, size, random_state=seed)
            codebook.copy_(torch.from_numpy(vectors))

    def fitted_attributes(self, network: Any, chunks: Iterable[torch.Tensor]) -> dict[str, Any]:
        """Return `codebooks_`, and the share of samples of each vector as `codebook_usage_`."""
        codebooks = network.bottleneck.codebooks * network.centre.scale
        return {
            "codebooks_": codebooks.cpu().numpy(),
            "codebook_usage_": self._codebook_usage(network, chunks),
        }

    def collapse_message(self, network: Any, chunks: Iterable[torch.Tensor]) -> str | None:
        """Return a warning if most codebook vectors represent no sample."""
        if (self._codebook_usage(network, chunks) > 0).mean() >= MIN_CODEBOOK_USAGE:
            return None
        return (
            "More than half of the codebook vectors represent no sample. Choose a smaller "
            "codebook_size in bottleneck=Quantized(codebook_size), or 'auto'. "
            f"Got codebook_size={self.codebook_size}."
        )

    def _codebook_usage(self, network, chunks):
        """Return the share of samples of each codebook vector, (n_groups, codebook_size)."""
        module = network.bottleneck
        counts = torch.zeros(module.codebooks.shape[:2], dtype=torch.float64)
        for x in chunks:
            nearest = module.nearest(network.latents(x)).cpu()  # (n_groups, b)
            counts += torch.stack(
                [torch.bincount(group, minlength=counts.shape[1]) for group in nearest]
            )
        return (counts / counts.sum(1, keepdim=True)).numpy()

    def describe(self, estimator: Any) -> str:
        """Return a few words on the bottleneck."""
        n_codebooks, size, length = estimator.codebooks_.shape
        noun = "codebook"
        if n_codebooks > 1:
            noun = "codebooks"
        return f"quantized: {n_codebooks:,} {noun} of {size} vectors of length {length}"


BOTTLENECKS: dict[str, type[Bottleneck]] = {
    "deterministic": Deterministic,
    "ordered": Ordered,
    "variational": Variational,
    "quantized": Quantized,
}
"""The class of each word."""

BottleneckOption: TypeAlias = (
    Literal["deterministic", "ordered", "variational", "quantized"] | Bottleneck
)


def resolve_bottleneck(bottleneck):
    """Return a word or an object as a `Bottleneck` with valid parameters."""
    bottleneck = resolve_option(bottleneck, Bottleneck, BOTTLENECKS, "bottleneck")
    if bottleneck.has_cost and "weight" not in bottleneck.get_params():
        raise TypeError(
            f"Got bottleneck={bottleneck!r}, whose class has a cost, but no parameter weight. Add "
            "weight to its constructor, or set has_cost = False."
        )
    return bottleneck
