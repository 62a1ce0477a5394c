"""How codes are formed: what stands between encoder and decoder while training, and what a code is afterwards.

Each takes whitened codes ``z`` and the encoder's last hidden layer, and gives what the decoder sees and what it costs: one
number per row, or None. `settle` gives the code that the user sees. What is drawn comes from a generator on the CPU.
"""

import math

import torch
from torch import nn

from skae.networks.blocks import Linear, widened

__all__ = ["BOTTLENECKS", "Deterministic", "Ordered", "Quantized", "Rated", "Variational"]


class Deterministic(nn.Module):
    """The code as the encoder gives it; also what the others build on.

    Parameters
    ----------
    n_components : int
        k, the length of a code.
    n_hidden : int
        Width of the encoder's last hidden layer.
    codebook_size : int
        Of vector quantization.
    step : float
        Of the quantizer that "rate" has in mind, in units of PCA's scores of scaled rows.
    """

    standard = False
    """Whether codes are given in units of the prior, in place of those of PCA."""

    def __init__(self, n_components, n_hidden, codebook_size, step):
        super().__init__()

    @torch.no_grad()
    def start(self, whitening, deviations):
        """Begin as PCA.

        Parameters
        ----------
        whitening : torch.Tensor of shape (n_components,)
            Standard deviations of PCA's scores, at least a little above zero.
        deviations : torch.Tensor of shape (n_coordinates,)
            Standard deviations of all principal coordinates.
        """

    def forward(self, z, hidden, generator):
        """Give what the decoder sees, and what it costs."""
        return z, None

    def settle(self, z):
        """Give the code that stands for a row once training is over."""
        return z


class Ordered(Deterministic):
    """Nested dropout: only the first numbers of a code reach the decoder, how many is drawn for each row anew [1]_.

    So the first j numbers become the best code of length j. A length of j is drawn in proportion to ``j ** -0.25``: long codes
    have most to learn, but short ones are a part of them. One, two and three are drawn a third as often, since what makes these
    few numbers a good code makes longer ones worse.

    References
    ----------
    .. [1] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested dropout", ICML 2014.
    """

    def forward(self, z, hidden, generator):
        """Hide the end of each code."""
        k = z.shape[-1]
        often = torch.arange(1, k + 1) ** -0.25
        often[:3] /= 3
        shares = often.cumsum(0) / often.sum()
        drawn = torch.rand(z.shape[:-1], generator=generator)
        last = torch.searchsorted(shares, drawn, right=True).clamp(max=k - 1).to(z.device)
        return z * (torch.arange(k, device=z.device) <= last[..., None]), None


class Variational(Deterministic):
    """A normal distribution for each row, held near the standard normal [1]_.

    The cost is the Kullback-Leibler divergence between the two, in nats. A code is the mean.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    """

    standard = True

    def __init__(self, n_components, n_hidden, codebook_size, step):
        super().__init__(n_components, n_hidden, codebook_size, step)
        self.log_variance = Linear(n_hidden, n_components)

    @torch.no_grad()
    def start(self, whitening, deviations):
        """Give every number the uncertainty that it has in probabilistic PCA."""
        k = len(whitening)
        beyond = deviations[k:].square()
        noise = beyond.mean() if len(beyond) else deviations[-1:].square().mean()
        nn.init.zeros_(self.log_variance.weight)
        self.log_variance.bias.copy_((noise / (whitening.square() + noise)).clamp(1e-4, 1).log())

    def forward(self, z, hidden, generator):
        """Draw from each row's distribution."""
        log_variance = self.log_variance(hidden).float().clamp(-12, 6)
        divergence = (z.float().square() + log_variance.exp() - 1 - log_variance).sum(-1) / 2
        noise = torch.randn(z.shape, generator=generator).to(z.device)
        return z + noise * (log_variance / 2).exp(), divergence


class Quantized(Deterministic):
    """Vector quantization: each group of numbers of a code is one of the few vectors of a codebook [1]_.

    Gradients pass the quantizer as if it were not there. The cost is the squared distance between codes and their vectors,
    once to draw the vectors, and once to draw the codes. A vector that no row used for long is put where a row is.

    References
    ----------
    .. [1] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning", NeurIPS 2017.
    """

    patience = 20
    """Vectors without a row among so many rows per vector are moved."""

    def __init__(self, n_components, n_hidden, codebook_size, step):
        super().__init__(n_components, n_hidden, codebook_size, step)
        length = max(size for size in (1, 2, 3, 4) if n_components % size == 0)
        self.codebooks = nn.Parameter(torch.zeros(n_components // length, codebook_size, length))
        self.register_buffer("units", torch.ones(n_components))
        self.register_buffer("used", torch.zeros(n_components // length, codebook_size), persistent=False)

    @torch.no_grad()
    def start(self, whitening, deviations):
        """Measure distances as PCA does."""
        self.units.copy_(whitening)
        self.used.zero_()

    def grouped(self, z):
        """See codes (b, k) as groups in units of PCA: (groups, b, length)."""
        return (z * self.units).unflatten(-1, (len(self.codebooks), -1)).transpose(0, 1)

    def nearest(self, z):
        """Give the numbers of the nearest vectors: (groups, b)."""
        return torch.cdist(widened(self.grouped(z).float()), widened(self.codebooks)).argmin(-1)

    def vectors(self, chosen):
        """Give codes (b, k) from numbers of vectors (groups, b)."""
        found = self.codebooks.gather(1, chosen[..., None].expand(-1, -1, self.codebooks.shape[-1]))
        return found.transpose(0, 1).flatten(1) / self.units

    def forward(self, z, hidden, generator):
        """Replace every group by the nearest vector."""
        if self.training:
            self._renew(z.detach(), generator)  # before the vectors are part of a gradient
        chosen = self.nearest(z.detach())
        if self.training:
            self.used.scatter_add_(1, chosen, torch.ones_like(chosen, dtype=self.used.dtype))
        q = self.vectors(chosen)
        apart = (q - z.detach()).square() + (z - q.detach()).square()
        return z + (q - z).detach(), (apart * self.units.square()).sum(-1)

    @torch.no_grad()
    def _renew(self, z, generator):
        """Move the vectors that had no row for long."""
        if float(self.used[0].sum()) < self.patience * self.used.shape[1]:
            return
        dead = (self.used == 0).nonzero().T  # (2, number)
        rows = torch.randint(len(z), (dead.shape[1],), generator=generator).to(z.device)
        self.codebooks[dead[0], dead[1]] = self.grouped(z)[dead[0], rows].to(self.codebooks.dtype)
        self.used.zero_()

    def settle(self, z):
        """Give the vectors."""
        return self.vectors(self.nearest(z))


class Rated(Deterministic):
    """What a codec wants: noise as wide as a quantizer's step, and the bits that the quantized code would take [1]_.

    All numbers have one step in units of PCA; the encoder learns how finely each of them is told. A logistic distribution for
    each number is learned beside it. The cost is in bits. A code is what the encoder gives; quantizing is left to the codec.

    References
    ----------
    .. [1] J. Balle, V. Laparra and E. P. Simoncelli, "End-to-end optimized image compression", ICLR 2017.
    """

    pace = 3.0
    """How much faster than the network its distributions learn: they follow it."""

    def __init__(self, n_components, n_hidden, codebook_size, step):
        super().__init__(n_components, n_hidden, codebook_size, step)
        self.step = step
        self.place = nn.Parameter(torch.zeros(n_components))
        self.log_width = nn.Parameter(torch.zeros(n_components))
        self.register_buffer("steps", torch.ones(n_components))

    @torch.no_grad()
    def start(self, whitening, deviations):
        """Begin with distributions of unit variance."""
        self.steps.copy_(self.step / whitening)
        self.place.zero_()
        self.log_width.fill_(math.log(math.sqrt(3) / math.pi) / self.pace)

    def forward(self, z, hidden, generator):
        """Add the noise, and count the bits."""
        noisy = z + (torch.rand(z.shape, generator=generator).to(z.device) - 0.5) * self.steps
        width = (self.pace * self.log_width).exp()
        away, half = (noisy.float() - self.pace * self.place) / width, self.steps / 2 / width
        away = -away.abs()  # the difference of two sigmoids, on the side where neither is near 1
        share = torch.sigmoid(away + half) - torch.sigmoid(away - half)
        return noisy, -share.clamp(min=1e-9).log2().sum(-1)


BOTTLENECKS = {
    "deterministic": Deterministic,
    "ordered": Ordered,
    "variational": Variational,
    "quantized": Quantized,
    "rate": Rated,
}
"""By name; "rate" is a penalty in the words of the estimators."""
