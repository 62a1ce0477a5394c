"""Modules between encoder and decoder, built by the options of `skae.bottlenecks`.

A bottleneck maps whitened latent vectors ``z`` and the encoder's last hidden layer to the decoder's
input and to a cost. The cost is one number per sample, or None. `quantize` returns the latent
vectors for inference. Random numbers come from a generator on the CPU.
"""

import torch
from torch import nn

from skae.networks.layers import Linear, to_device, widen

__all__ = [
    "BottleneckModule",
    "NestedDropout",
    "NormalPosterior",
    "VectorQuantizer",
    "check_forward",
    "quantized",
]


class BottleneckModule(nn.Module):
    """The identity, and the base class of all modules of bottlenecks."""

    in_prior_units = False
    """Whether users get latent vectors in units of the prior instead of PCA's units."""

    reads_log_variance = False
    """Whether the hidden layer may be the log-variance that an encoder of the user returns."""

    @torch.no_grad()
    def init_from_pca(self, whitening, deviations):
        """Set the parameters for a network that is PCA.

        Parameters
        ----------
        whitening : torch.Tensor of shape (n_components,)
            Standard deviations of PCA's scores, bounded from below.
        deviations : torch.Tensor of shape (n_coordinates,)
            Standard deviations of all principal coordinates.
        """

    def forward(self, z, hidden, generator):
        """Return the decoder's input (b, k), and the cost (b,) or None."""
        return z, None

    def quantize(self, z):
        """Return the latent vectors (b, k) for inference."""
        return z

    def keep_components(self, k):
        """Cut the module to the first k latent dimensions; only for nested bottlenecks."""

    def use_hidden_as_log_variance(self):
        """Use the encoder's hidden layer as log-variance; only for variational bottlenecks."""

    def prepare_for_export(self):
        """Replace operations that ONNX does not have."""


def check_forward(module, z, output):
    """Check the result of a module's ``forward``, which may be that of a user's class.

    Parameters
    ----------
    module : BottleneckModule
        Module for the message.
    z : torch.Tensor of shape (..., k)
        Argument of ``forward``.
    output : object
        Result of ``forward``.

    Returns
    -------
    decoder_input : torch.Tensor of shape (..., k)
        First item of the result.
    cost : torch.Tensor of shape (...) or None
        Second item of the result.
    """
    if not isinstance(output, tuple) or len(output) != 2:
        raise ValueError(
            f"Got {_shape(output)} from {type(module).__name__}.forward, but expected a tuple of "
            "the decoder's input and the cost. Return (z, None) without a cost."
        )
    decoder_input, cost = output
    if not isinstance(decoder_input, torch.Tensor) or decoder_input.shape != z.shape:
        raise ValueError(
            f"Got a decoder input of {_shape(decoder_input)} from {type(module).__name__}.forward, "
            f"but expected the shape of z, {tuple(z.shape)}."
        )
    is_cost = isinstance(cost, torch.Tensor) and cost.shape == z.shape[:-1]
    if cost is not None and not is_cost:
        raise ValueError(
            f"Got a cost of {_shape(cost)} from {type(module).__name__}.forward, but expected None "
            f"or one number per sample, of shape {tuple(z.shape[:-1])}."
        )
    return decoder_input, cost


def quantized(module, z):
    """Return the result of a module's ``quantize`` for latent vectors (b, k), after a check."""
    codes = module.quantize(z)
    if not isinstance(codes, torch.Tensor) or codes.shape != z.shape:
        raise ValueError(
            f"Got latent vectors of {_shape(codes)} from {type(module).__name__}.quantize, but "
            f"expected the shape of z, {tuple(z.shape)}."
        )
    return codes


def _shape(value):
    """Return the shape of a tensor, or the type of another object, for messages."""
    if isinstance(value, torch.Tensor):
        return f"shape {tuple(value.shape)}"
    return f"type {type(value).__name__}"


class NestedDropout(BottleneckModule):
    """Nested dropout: the decoder receives a random number of leading latent dimensions [1]_.

    The first j dimensions become the best code of length j. The probability of length j is
    proportional to ``j ** -0.25``, and a third of that for j <= 3. Frequent short lengths would
    reduce the quality of long codes.

    References
    ----------
    .. [1] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested
       dropout", ICML 2014.
    """

    def forward(self, z, hidden, generator):
        """Set all latent dimensions beyond a random length to zero."""
        k = z.shape[-1]
        frequencies = torch.arange(1, k + 1) ** -0.25
        frequencies[:3] /= 3
        cumulative = frequencies.cumsum(0) / frequencies.sum()
        uniform = torch.rand(z.shape[:-1], generator=generator)
        last = torch.searchsorted(cumulative, uniform, right=True).clamp(max=k - 1)  # (b,)
        mask = torch.arange(k, device=z.device) <= to_device(last, z.device)[..., None]  # (b, k)
        return z * mask, None


class NormalPosterior(BottleneckModule):
    """A normal posterior for each sample, regularized toward the standard normal prior [1]_.

    The cost is the Kullback-Leibler divergence ``KL(posterior || prior)``, in nats. The latent
    vector for inference is the mean.

    Parameters
    ----------
    n_components : int
        k, the number of latent dimensions.
    n_hidden : int
        Width of the encoder's last hidden layer.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    """

    in_prior_units = True
    reads_log_variance = True

    def __init__(self, n_components, n_hidden):
        super().__init__()
        self.log_variance = Linear(n_hidden, n_components)

    @torch.no_grad()
    def init_from_pca(self, whitening, deviations):
        """Set the posterior variances to those of probabilistic PCA."""
        k = len(whitening)
        discarded = deviations[k:]
        if len(discarded) == 0:
            discarded = deviations[-1:]
        noise = discarded.square().mean()
        nn.init.zeros_(self.log_variance.weight)
        self.log_variance.bias.copy_((noise / (whitening.square() + noise)).clamp(1e-4, 1).log())

    @torch.no_grad()
    def use_hidden_as_log_variance(self):
        """Set the map to the identity, for an encoder that returns the log-variance itself."""
        nn.init.eye_(self.log_variance.weight)
        nn.init.zeros_(self.log_variance.bias)
        self.log_variance.requires_grad_(False)

    def forward(self, z, hidden, generator):
        """Sample from the posteriors, and return the divergences."""
        log_variance = self.log_variance(hidden).float().clamp(-12, 6)
        divergence = (z.float().square() + log_variance.exp() - 1 - log_variance).sum(-1) / 2
        noise = to_device(torch.randn(z.shape, generator=generator), z.device)
        return z + noise * (log_variance / 2).exp(), divergence


class VectorQuantizer(BottleneckModule):
    """Vector quantization: each group of latent dimensions becomes a vector of a codebook [1]_.

    Gradients pass the quantizer unchanged (straight-through estimator). The cost is the squared
    distance between latent vectors and codebook vectors, counted twice: its gradient moves the
    codebook in one term, and the encoder in the other. Unused codebook vectors are renewed.

    Parameters
    ----------
    n_components : int
        k, the number of latent dimensions.
    codebook_size : int
        Number of vectors per codebook.

    References
    ----------
    .. [1] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation
       learning", NeurIPS 2017.
    """

    renewal_interval = 20
    """Samples per codebook vector between two renewals of unused vectors."""

    def __init__(self, n_components, codebook_size):
        super().__init__()
        length = max(size for size in (1, 2, 3, 4) if n_components % size == 0)
        n_groups = n_components // length
        self.codebooks = nn.Parameter(torch.zeros(n_groups, codebook_size, length))
        self.register_buffer("units", torch.ones(n_components))
        self.register_buffer("used", torch.zeros(n_groups, codebook_size))

    @torch.no_grad()
    def init_from_pca(self, whitening, deviations):
        """Set the units of distances to those of PCA."""
        self.units.copy_(whitening)
        self.used.zero_()

    def grouped(self, z):
        """Return latent vectors (b, k) as groups in units of PCA: (groups, b, length)."""
        return (z * self.units).unflatten(-1, (len(self.codebooks), -1)).transpose(0, 1)

    def nearest(self, z):
        """Return the indices (groups, b) of the nearest codebook vectors."""
        return torch.cdist(widen(self.grouped(z).float()), widen(self.codebooks)).argmin(-1)

    def vectors(self, indices):
        """Convert indices of codebook vectors (groups, b) to latent vectors (b, k)."""
        length = self.codebooks.shape[-1]
        vectors = self.codebooks.gather(1, indices[..., None].expand(-1, -1, length))
        return vectors.transpose(0, 1).flatten(1) / self.units  # (b, k)

    def forward(self, z, hidden, generator):
        """Replace each group by the nearest codebook vector."""
        if self.training:
            self._renew(z.detach(), generator)  # before the codebooks take part in a gradient
        indices = self.nearest(z.detach())
        if self.training:
            self.used.scatter_add_(1, indices, torch.ones_like(indices, dtype=self.used.dtype))
        q = self.vectors(indices)
        squared_error = (q - z.detach()).square() + (z - q.detach()).square()
        return z + (q - z).detach(), (squared_error * self.units.square()).sum(-1)

    @torch.no_grad()
    def _renew(self, z, generator):
        """Replace unused codebook vectors by random samples."""
        if float(self.used[0].sum()) < self.renewal_interval * self.used.shape[1]:
            return
        groups, unused = (self.used == 0).nonzero().T
        samples = torch.randint(len(z), (len(unused),), generator=generator).to(z.device)
        self.codebooks[groups, unused] = self.grouped(z)[groups, samples].to(self.codebooks.dtype)
        self.used.zero_()

    def quantize(self, z):
        """Return the nearest codebook vectors as latent vectors (b, k)."""
        return self.vectors(self.nearest(z))

    def prepare_for_export(self):
        """Compute distances without cdist, which ONNX does not have."""
        self.nearest = self._nearest_by_differences

    def _nearest_by_differences(self, z):
        """Return the indices (groups, b) of the nearest codebook vectors."""
        vectors = self.codebooks.unsqueeze(1)  # (groups, 1, size, length)
        differences = self.grouped(z).unsqueeze(-2) - vectors  # (groups, b, size, length)
        return differences.square().sum(-1).argmin(-1)
