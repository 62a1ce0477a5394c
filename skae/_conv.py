"""The autoencoder of images."""

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

from sklearn.utils import Tags

from skae import _validation as check
from skae._base import BaseAutoencoder
from skae._layout import find_layout
from skae._stored import stored
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
from skae._validation import Interval, Options, StrOptions
from skae.networks import ConvNetwork
from skae.networks.grid import Grid

__all__ = ["ConvAutoencoder"]


class ConvAutoencoder(BaseAutoencoder):
    """An autoencoder of images: convolutional, and PCA with a nonlinear correction.

    The encoder turns an image into a code of `n_components` numbers, the decoder turns a code into an image of exactly the same
    size, whatever that is. Both begin as PCA. What training adds is kept only where it surely pays on images that it did not
    see. So the result is seldom worse than PCA, as long as images are independent of each other.

    X holds grey images (n, H, W), images with channels (n, H, W, C), or flat rows (n, d) whose layout `image_shape` says. After
    fit, images and flat rows of them are interchangeable.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Length of a code. "auto": half of the number of features, at most 32. A float between 0 and 1, with an "ordered"
        bottleneck, trains at that length and keeps as much of it as explains this share of the variance.
    n_filters : int or "auto", default="auto"
        Channels of the first convolution. "auto": 16.
    image_shape : tuple of int or "auto", default="auto"
        One image as it lies in X: (H, W), (H, W, C), or (C, H, W) with ``channel_axis=1``; (1, d) is a signal. "auto": that of
        the images; for flat rows a square number is a square grey image, and any other a signal.
    channel_axis : {-3, -1, 1, 3}, default=-1
        Which axis of X holds the channels of images with channels; the sample axis counts.
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
    image_shape_ : tuple of int
        One image as it lies in X.
    channel_axis_ : {1, -1} or None
        Which axis of images holds their channels; the sample axis counts. None if they have none.
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
    DenseAutoencoder : The same for tables.
    sklearn.decomposition.PCA : The linear one.

    Notes
    -----
    An image is cut into patches, so that a convolution at full resolution, which would cost most, is a product of matrices. The
    number of convolutions follows the number of patches. With squared error, at most 4,096 numbers in an image, and fewer
    components than images and numbers, the network before its first step is the PCA of all images [1]_. For larger images
    it is the PCA of the means of small blocks, and nothing is promised.

    With targets the encoder of small images, those of at most 100 patches, reads patches of half the size where they have more
    than a pixel, with ``2 * n_filters`` channels and one convolution more: what a thing is shows in finer detail than how
    bright each place is.

    References
    ----------
    .. [1] P. Baldi and K. Hornik, "Neural networks and principal component analysis: Learning from examples without local
       minima", Neural Networks 2, 1989.
    .. [2] J. Masci, U. Meier, D. Ciresan and J. Schmidhuber, "Stacked convolutional auto-encoders for hierarchical feature
       extraction", ICANN 2011.
    .. [3] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising autoencoders", Journal of
       Machine Learning Research 11, 2010.
    .. [4] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested dropout", ICML 2014.
    .. [5] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [6] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation learning", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder
    >>> images = load_digits().images
    >>> autoencoder = ConvAutoencoder(n_components=8, random_state=0).fit(images)
    >>> autoencoder.transform(images).shape
    (1797, 8)
    >>> autoencoder.reconstruct(images).shape
    (1797, 8, 8)
    """

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "n_filters": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "image_shape": ["array-like", StrOptions({"auto"})],
        "channel_axis": [Options(Integral, {-3, -1, 1, 3})],
    }
    _network_class = ConvNetwork

    image_shape_: tuple[int, ...]
    channel_axis_: int | None

    def __init__(
        self,
        n_components: int | float | Auto = "auto",
        *,
        n_filters: int | Auto = "auto",
        image_shape: Sequence[int] | Auto = "auto",
        channel_axis: Literal[-3, -1, 1, 3] = -1,
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
        self.n_filters = n_filters
        self.image_shape = image_shape
        self.channel_axis = channel_axis
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

    def _check_X(self, X, *, reset):
        X = stored(X)
        layout = find_layout(X, self.image_shape, self.channel_axis) if reset else self._layout
        rows = check.check_rows(self, layout.rows(X), reset=reset)
        if reset:
            self._layout, self.image_shape_, self.channel_axis_ = layout, layout.image_shape, layout.channel_axis
        return rows

    def _view(self):
        return Grid(*self._layout.size, self._layout.channels_first).view

    def _network(self, options):
        return {
            **options,
            "image_size": self._layout.size,
            "channels_first": self._layout.channels_first,
            "n_filters": 16 if self.n_filters == "auto" else self.n_filters,
            "fine": bool(options["head_sizes"]),
        }

    def _shape(self, rows, shape):
        return self._layout.restore(rows, shape)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
