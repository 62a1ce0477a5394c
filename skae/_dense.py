"""The autoencoder of tables."""

from collections.abc import Sequence
from numbers import Integral

from skae import _validation as check
from skae._base import BaseAutoencoder
from skae._principal import MOST_LINKED
from skae._typing import (
    Activation,
    Auto,
    Bottleneck,
    Corruption,
    Initial,
    Keywords,
    Level,
    Loss,
    Penalty,
    Precision,
    RandomState,
    Solver,
)
from skae._validation import StrOptions
from skae.networks import DenseNetwork

__all__ = ["DenseAutoencoder"]


class DenseAutoencoder(BaseAutoencoder):
    """An autoencoder of tables: fully connected, and PCA with a nonlinear correction.

    The encoder turns a sample into a code of `n_components` numbers, the decoder turns a code into a sample. Both begin as PCA.
    What training adds is kept only where it surely pays on samples that it did not see. So the result is seldom worse than PCA,
    as long as samples are independent of each other.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Length of a code. "auto": half of the number of features, at most 32. A float between 0 and 1, with an "ordered"
        bottleneck, trains at that length and keeps as much of it as explains this share of the variance.
    hidden_layer_sizes : int, array-like of int or "auto", default="auto"
        Widths of the hidden layers of the encoder; those of the decoder are the same in reverse. An empty tuple leaves a linear
        autoencoder. "auto": one layer in the encoder, of 128 or 256, and two in the decoder, whose width grows with X and its
        features from 128 to 512, or 1,024 in the last.
    activation : {"gelu", "relu", "silu", "tanh", "identity"}, default="gelu"
        What follows each hidden layer.
    init : {"auto", "random"}, default="auto"
        What the linear part starts from. "auto": the principal components of X, exactly where that is affordable; `init_` says
        how they were found. "random": random orthogonal directions, with no promise about PCA.
    bottleneck : {"deterministic", "ordered", "variational", "quantized"}, default="deterministic"
        How codes are formed. "ordered": their first j numbers are the best code of length j, for every j, as in PCA [4]_.
        "variational": each row has a normal distribution, held near the standard normal; a code is its mean, and codes drawn
        from the standard normal decode to new rows [5]_. "quantized": each few numbers are one of the vectors of a codebook
        [6]_.
    codebook_size : int or "auto", default="auto"
        Vectors in each codebook of a "quantized" bottleneck. "auto": one for eight samples, at most 256.
    loss : {"squared_error", "absolute_error", "log_loss"}, default="squared_error"
        What is made small, on average over the features. "log_loss" is the cross-entropy for numbers in [0, 1], or uint8 over
        255; reconstructions then go through a sigmoid.
    corruption : {"gaussian", "masking", "salt_and_pepper", "patches"} or callable, default=None
        Damage done to what goes in while training, anew at every step; what comes out is compared with what it was before [3]_.
        "gaussian" adds noise, "masking" puts the mean, "salt_and_pepper" the smallest or the largest number of the batch in
        place of some numbers; "patches", of images only, puts the mean into a square hole. A callable ``(x, level, generator)
        -> x`` gets samples, images with the channels first, about their mean and in units of the overall standard deviation of
        X, and a ``torch.Generator`` of the CPU.
    corruption_level : float or (float, float), default=0.2
        The standard deviation of the noise, in units of the overall one of X, the share of the numbers that are replaced, or
        that of the area of the hole. A pair draws for each sample between the two.
    penalty : {"sparsity", "contraction", "decorrelation", "rate"}, default=None
        What is asked of the codes beside reconstruction: that most of their numbers are small ("sparsity"), that they change
        little with the input ("contraction"; of images estimated from one direction at each step), that they are not correlated
        ("decorrelation"), or that they take few bits once they are rounded ("rate": `code_steps_` says to what).
    penalty_weight : float or "auto", default="auto"
        Weight of the penalty beside the loss, both in shares of the variance: for "rate", of the bits of a code for each
        feature. Also that of what the bottleneck asks: of the divergence, in nats for each feature, or of the squared distance
        to the vectors. "auto": 1 for "quantized", 0.5 for "rate", else 0.1.
    target_weight : float, default=0.0
        Above 0, a linear map guesses `y` from the codes, or a small network where they have less than two numbers for each
        class. What that misses is added to the loss with this weight, in shares of what a guess without X misses; of classes it
        need not be more than nine tenths sure. The codes then carry what `y` is about. They have seen it, so judge by
        cross-validation of the whole Pipeline.
    solver : {"adamw", "adam", "rmsprop", "sgd"} or type, default="adamw"
        The optimizer: a name, or a class of ``torch.optim.Optimizer``'s kind, perhaps in a ``functools.partial``.
    learning_rate_init : float or "auto", default="auto"
        Its learning rate at the peak: in `fit` it rises from zero in the first quarter of the steps, and then falls to zero.
        "auto" grows with the root of the number of samples.
    batch_size : int or "auto", default="auto"
        Samples per step. "auto": 128 below 4,000 samples, 256 below 20,000, else 512; fewer where samples are so large that a
        batch would have more than 16 million numbers.
    max_iter : int or "auto", default="auto"
        The most epochs (passes over X). "auto": as many as make about ``10 * sqrt(n_samples)`` steps, fewer where there are
        more than about 100 features; three times as many where more than reconstruction is asked, six for "ordered" codes.
    early_stopping : bool, default=True
        Whether to hold samples out, take the weights that are best for those, and give up where nothing is gained over the
        start. If false, all epochs are trained and the last weights are taken.
    validation_fraction : float or "auto", default="auto"
        The share held out where there are more than 3,000 samples. "auto": a tenth, at most 3,000 samples. Fewer are
        cross-validated, so that all of them count, except with "log_loss", with what is asked beside reconstruction (but for
        gaps of up to 1,000), with `warm_start`, with callbacks or compilation in `net_params`, and where samples are large.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights, mean and scale that are there.
    device : str, default="auto"
        "auto" (CUDA, else MPS, else CPU), or a name that torch knows.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What the products of a training step are computed in. "auto": bfloat16 where the processor has instructions for it and
        the layers are wide. Codes and reconstructions are always computed in float32.
    allow_nan : bool, default=False
        Whether NaN in X is a gap: left out of the loss, and filled before encoding. In tables of up to 128 columns it is filled
        with what a normal distribution expects given the rest of the row, else with the mean; the network is told where gaps
        are. `reconstruct` gives a number for every gap.
    net_params : dict, default=None
        More parameters for the skorch net, such as ``{"callbacks": [...], "optimizer__weight_decay": 1e-4}``. One that skae
        sets itself is an error.
    random_state : int, RandomState instance or None, default=None
        Where weights, folds and the order of the samples come from. An int makes fits on one machine equal to the bit.
    verbose : int, default=0
        1 shows a progress bar with the losses and the time left; 0 shows nothing.

    Attributes
    ----------
    n_components_ : int
        Length of a code.
    n_features_in_ : int
        Numbers in a sample.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when `X` has feature names that are all strings.
    init_ : str
        How the start was found: "pca" stands for the exact principal components of all samples, "warm start" for the weights
        that were there.
    net_ : AutoencoderNet
        The trained skorch net; its ``module_`` is the network.
    n_iter_ : int
        Epochs trained.
    best_iter_ : int
        The epoch whose weights were taken; 0 is the start: PCA, unless `init` or `warm_start` says otherwise.
    loss_curve_ : list of float
        Mean training loss of each epoch, in units of the loss of X.
    validation_scores_ : list of float or None
        Share of the loss of the mean that was explained on samples held out, at the start and after each look at them. None
        where none were held out.
    validation_iters_ : list of int or None
        The epochs of these looks; the first is 0, the start.
    best_validation_score_ : float or None
        The same share with the weights taken, which may be those of part of the way from the start.
    best_loss_ : float
        Mean loss of the samples held out with the weights taken, or the lowest training loss where none were.
    batch_size_ : int
        Samples in each step.
    max_iter_ : int
        The most epochs that the last training could have.
    learning_rate_init_ : float
        Its learning rate.
    precision_ : {"float32", "bfloat16"}
        What its products were computed in.
    n_folds_ : int
        In how many folds samples were cross-validated: 1 where a share of them, or `X_val`, was held out from one network, and
        0 where nothing was held out.
    n_held_out_ : int
        Samples that were held out; with folds all of them, each once.
    code_steps_ : ndarray of shape (`n_components_`,)
        To multiples of what the numbers of a code can be rounded. Only with ``penalty="rate"``.
    explained_variance_ratio_ : ndarray of shape (`n_components_`,)
        Share of the variance that each number of a code adds, on samples held out if there were any. Only with an "ordered"
        bottleneck.
    codebooks_ : ndarray of shape (n_codebooks, codebook_size, length)
        The vectors, in units of the codes. Only with a "quantized" bottleneck.
    codebook_usage_ : ndarray of shape (n_codebooks, codebook_size)
        Share of the samples, held out if there were any, that use each vector. Only with a "quantized" bottleneck.

    See Also
    --------
    ConvAutoencoder : The same for images.
    sklearn.decomposition.PCA : The linear one.

    Notes
    -----
    With squared error, and fewer components than samples and features, the network before its first step is the PCA of all
    samples: a linear autoencoder can do no better [1]_. Its codes are PCA's scores, and stay in their units. Where there are
    more than 4,096 both of samples and of features it is the PCA of some of the samples, and nothing is promised.

    References
    ----------
    .. [1] P. Baldi and K. Hornik, "Neural networks and principal component analysis: Learning from examples without local
       minima", Neural Networks 2, 1989.
    .. [2] G. E. Hinton and R. R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
    .. [3] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising autoencoders", Journal of
       Machine Learning Research 11, 2010.
    .. [4] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested dropout", ICML 2014.
    .. [5] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [6] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skae import DenseAutoencoder
    >>> X = scale(load_breast_cancer().data)
    >>> autoencoder = DenseAutoencoder(n_components=4, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (569, 4)
    >>> bool(autoencoder.score(X) > 0.79)  # PCA of 4 components explains 0.79
    True
    """

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "hidden_layer_sizes": ["array-like", Integral, StrOptions({"auto"})],
    }
    _network_class = DenseNetwork

    def __init__(
        self,
        n_components: int | float | Auto = "auto",
        *,
        hidden_layer_sizes: int | Sequence[int] | Auto = "auto",
        activation: Activation = "gelu",
        init: Initial = "auto",
        bottleneck: Bottleneck = "deterministic",
        codebook_size: int | Auto = "auto",
        loss: Loss = "squared_error",
        corruption: Corruption | None = None,
        corruption_level: Level = 0.2,
        penalty: Penalty | None = None,
        penalty_weight: float | Auto = "auto",
        target_weight: float = 0.0,
        solver: Solver = "adamw",
        learning_rate_init: float | Auto = "auto",
        batch_size: int | Auto = "auto",
        max_iter: int | Auto = "auto",
        early_stopping: bool = True,
        validation_fraction: float | Auto = "auto",
        warm_start: bool = False,
        device: str = "auto",
        precision: Precision = "auto",
        allow_nan: bool = False,
        net_params: Keywords | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.init = init
        self.bottleneck = bottleneck
        self.codebook_size = codebook_size
        self.loss = loss
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.penalty = penalty
        self.penalty_weight = penalty_weight
        self.target_weight = target_weight
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.allow_nan = allow_nan
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    def _check_together(self):
        super()._check_together()
        if self.corruption == "patches":
            raise ValueError("Got corruption='patches', but expected another one: only images have squares to cut out.")

    def _check_X(self, X, *, reset):
        return check.check_rows(self, X, reset=reset)

    def _network(self, options):
        if not isinstance(self.hidden_layer_sizes, str):
            sizes = check.check_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
            options = {**options, "encoder_sizes": sizes, "decoder_sizes": sizes[::-1]}
        rotated = self.loss == "squared_error" and not self.allow_nan
        return {**options, "rotated": rotated, "linked": self._links(options["n_features"])}

    def _links(self, n_features):
        return self.allow_nan and n_features <= MOST_LINKED
