"""Fully connected autoencoder for tables."""

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

from sklearn.utils import Tags

from skae._parameter_names import names_parameters
from skae._sklearn_compat import StrOptions
from skae._typing import (
    Activation,
    Auto,
    Initial,
    Keywords,
    OutputDtype,
    PathLike,
    Precision,
    RandomState,
    Schedule,
    Solver,
)
from skae.autoencoders._architecture import dense_sizes
from skae.autoencoders._base import BaseAutoencoder
from skae.autoencoders._tables import TABLE_CONSTRAINTS, TableInputMixin
from skae.bottlenecks import BottleneckOption
from skae.corruptions import CorruptionOption
from skae.losses import LossOption
from skae.networks import DenseNetwork
from skae.networks.config import DenseConfig
from skae.penalties import PenaltyOption

__all__ = ["DenseAutoencoder"]


class DenseAutoencoder(TableInputMixin, BaseAutoencoder):
    """Fully connected autoencoder for tables, initialized from PCA.

    The network is a linear autoencoder plus a nonlinear residual. It starts as PCA, and a
    validation set decides whether to keep the nonlinear part. For independent samples, the
    reconstruction error is rarely above the error of PCA.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Number of latent dimensions. If "auto", half of the number of features, at most 32. A float
        between 0 and 1 requires ``bottleneck="ordered"``: training uses the "auto" number, and
        `fit` keeps the first latent dimensions that explain this fraction of the variance.
    hidden_layer_sizes : int, array-like of int or "auto", default="auto"
        Widths of the hidden layers of the encoder, used in reverse order in the decoder. An empty
        tuple builds a linear autoencoder. If "auto", the encoder has one hidden layer of width 128
        or 256. The decoder has two hidden layers of width 128 to 512, or 1,024 in the last one. The
        widths of the decoder grow with the number of samples and features.
    decoder_hidden_layer_sizes : int, array-like of int or "auto", default="auto"
        Widths of the hidden layers of the decoder, from the latent vector to the output. If "auto",
        those of `hidden_layer_sizes` in reverse order.
    activation : {"gelu", "relu", "silu", "tanh", "identity"} or type, default="gelu"
        Activation function of the hidden layers: a word, or a class of torch modules without
        required arguments, such as ``torch.nn.LeakyReLU``.
    normalization : {"layer"}, default=None
        Normalization of each hidden layer before the activation. "layer": mean 0 and variance 1 of
        the units of each sample [7]_. If None, no normalization.
    dropout : float, default=0.0
        Probability that a hidden unit is set to zero in training [8]_. Transformed and validation
        samples have no dropout.
    init : {"auto", "random"}, default="auto"
        Initialization of the linear part of the network. "auto" uses the principal components of
        X, exact ones if X is small enough; `init_` is the method. "random" uses random orthogonal
        directions, without a guarantee relative to PCA.
    bottleneck : {"deterministic", "ordered", "variational", "quantized"} or Bottleneck, \
            default="deterministic"
        Constraint on the latent vectors: a word, or an object of `skae.bottlenecks` with its
        parameters, such as ``Variational(weight=0.3)``.

        - "deterministic": latent vectors without constraints.
        - "ordered": nested dropout. The first j latent dimensions are the best latent vector of
          j dimensions, for every j, as in PCA [4]_.
        - "variational": a variational autoencoder. The encoder computes a normal distribution for
          each sample, close to a standard normal prior. The latent vector is the mean of this
          distribution, and samples from the prior decode to new samples [5]_.
        - "quantized": vector quantization (VQ-VAE). Groups of latent dimensions are replaced by
          the nearest vector of a codebook [6]_.
    loss : {"squared_error", "absolute_error", "huber", "log_loss"}, Loss or callable, \
            default="squared_error"
        Reconstruction loss, averaged over the features: a word, an object of `skae.losses`, or a
        function ``(x_hat, x) -> losses`` of tensors with one loss for each sample. "huber" is
        squared for small and linear for large errors. "log_loss" is the cross-entropy of values in
        [0, 1], or of uint8 values divided by 255. It adds a sigmoid to the decoder.
    corruption : {"gaussian", "masking", "salt_and_pepper", "patches"}, Corruption or \
            callable, default=None
        Noise added to the inputs in training, drawn anew at every step: a word, an object of
        `skae.corruptions` that sets the level, or a function. The loss compares reconstructions
        with the samples before corruption [3]_. If None, no noise is added.

        - "gaussian": add Gaussian noise of standard deviation 0.2.
        - "masking": replace a fifth of the values, at random, by the mean.
        - "salt_and_pepper": replace a fifth of the values by the minimum or maximum of the batch.
        - "patches": replace a square region, a fifth of each image, by the mean; for images only.
        - callable: a function ``(x, generator) -> x``. Samples are centered and divided by the
          overall standard deviation of X. Images have their channels first, and the generator is a
          ``torch.Generator`` of the CPU.
    penalty : {"sparsity", "contraction", "decorrelation", "rate", "spread"} or Penalty, \
            default=None
        Regularization of the latent vectors: a word, or an object of `skae.penalties` with its
        weight, such as ``Sparsity(weight=0.2)``. If None, no penalty is added to the loss.

        - "sparsity": most latent dimensions of a sample are close to zero.
        - "contraction": latent vectors change little with the input. It is estimated for images.
        - "decorrelation": latent dimensions are uncorrelated.
        - "rate": latent vectors need few bits after rounding to multiples of `code_steps_`.
        - "spread": views of a sample have similar latent vectors, and samples differ (VICReg).
    target_weight : float, default=0.0
        Weight of the supervised loss, relative to that of a constant predictor. If positive, a
        linear map predicts `y` from the latent vectors. With fewer than two latent dimensions per
        class, a small network replaces the linear map. Class targets use label smoothing of 0.1.
        Latent vectors depend on `y`, so evaluate by cross-validation of the whole Pipeline.
    solver : {"adamw", "adam", "rmsprop", "sgd"} or type, default="adamw"
        Optimizer for the weights. Other optimizers are classes with the interface of
        ``torch.optim.Optimizer``, optionally in a ``functools.partial``.
    learning_rate : {"auto", "constant", "cosine"} or callable, default="auto"
        Schedule of the learning rate in `fit`. "auto": it increases linearly from zero during the
        first quarter of the steps, then decreases linearly to zero. "cosine": it decreases as a
        half cosine. Both repeat in cycles if `max_iter` is above its default. A class of
        ``torch.optim.lr_scheduler``, or a ``functools.partial`` of it, steps after each epoch.
    learning_rate_init : float or "auto", default="auto"
        Maximum learning rate. If "auto", it grows with the square root of the number of samples.
    batch_size : int or "auto", default="auto"
        Number of samples per step. If "auto", 128 for fewer than 4,000 samples, 256 for fewer than
        20,000, and 512 otherwise. It is reduced to at most 16 million values per batch.
    max_iter : int or "auto", default="auto"
        Maximum number of epochs (passes over X). If "auto", the number of steps is about
        ``10 * sqrt(n_samples)``, and lower for more than about 100 features. "ordered" latent
        vectors use six times as many steps. Other additional training objectives (bottlenecks,
        penalties, corruption, targets, missing values) use three times as many.
    early_stopping : bool, default=True
        Whether to select the weights on a validation set, and to stop training if they do not
        improve on the initial weights. If False, the weights of the last epoch are used.
    validation_fraction : float or "auto", default="auto"
        Fraction of the samples in the validation set. If "auto", 0.1, at most 3,000 samples.
        Up to 3,000 samples are then cross-validated instead, so that each sample is in a validation
        set once. Cross-validation is not used with "log_loss", `warm_start`, additional training
        objectives, callbacks or compilation in `net_params`, or large samples. Tables with missing
        values are cross-validated up to 1,000 samples.
    warm_start : bool, default=False
        Whether `fit` resumes training from the current weights, mean and scale.
    device : str, default="auto"
        Device of the network: a device name of torch, or "auto" for CUDA, then MPS, then CPU.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Data type of matrix products in training. If "auto", bfloat16 for wide layers on processors
        with bfloat16 instructions. Latent vectors and reconstructions are always computed in
        float32.
    allow_nan : bool, default=False
        Whether NaN in X is a missing value: excluded from the loss, and imputed before encoding.
        Missing values of tables are imputed by conditional means of a normal distribution, with a
        covariance of low rank for more than 128 columns. Pixels are imputed by the mean. The mask
        is an input of the network. `reconstruct` imputes every missing value. A column without any
        value is imputed by 0, with a warning.
    categorical_features : array-like of str, int or bool, "from_dtype" or None, \
            default="from_dtype"
        Columns of categories: names, indices or a mask. "from_dtype": columns of a data frame with
        a categorical dtype or text, and then also boolean columns. None: all columns are numbers.
        If X has categories, numbers are standardized. Categories become indicators, scaled so that
        each column has a total variance of 1. `reconstruct` and `inverse_transform` then return a
        data frame as in fit, with the most likely category of each cell. Data frames always have
        the data types of fit.
    handle_unknown : {"error", "ignore", "infrequent_if_exist"}, default="error"
        Encoding of categories that are not in X of fit: an error, no indicator, or the indicator
        of infrequent categories if there is one. As in scikit-learn's ``OneHotEncoder``.
    min_frequency : int or float, default=None
        Number of samples, or fraction of the samples, below which categories are infrequent and
        share one indicator. It decodes to the most frequent of them.
    max_categories : int, default=None
        Maximum number of indicators of a column. The rarest categories share one indicator. If
        this and `min_frequency` are None, more than 255 categories, and text with mostly different
        values, raise an error.
    output_dtype : {"auto", "input"}, default="auto"
        Data type of `reconstruct` and `inverse_transform`. "auto": float32, neither rounded nor
        clipped, or float64 if float32 has too few digits for the mean of X in fit. "input": the
        data type of X in fit. Integers are then rounded and clipped to their range, so that images
        of uint8 can be displayed. `score` and `reconstruction_error` are always exact.
    net_params : dict, default=None
        Additional parameters of the skorch net, for instance
        ``{"callbacks": [...], "optimizer__weight_decay": 1e-4}``. Parameters that skae sets itself
        raise an error.
    random_state : int, RandomState instance or None, default=None
        Random number generation for weights, validation split and order of the samples. Pass an
        int for bitwise reproducible results on one machine.
    checkpoint_dir : str or path-like, default=None
        Folder in which `fit` writes its state while it trains. If the process ends, the same call
        of `fit` in a new process is resumed, with the result of an uninterrupted fit. A finished
        fit returns at once. Each combination of parameters and data has a subfolder of its own.
        Requires an int or a RandomState instance as `random_state`, and safetensors. If None,
        nothing is written.
    verbose : int, default=0
        Verbosity: 1 shows a progress bar with losses and remaining time, 0 shows nothing.

    Attributes
    ----------
    n_components_ : int
        Number of latent dimensions.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only when `X` has feature names that are
        all strings.
    init_ : str
        Initialization method: "pca" for exact principal components of all samples, "pca,
        randomized" for approximate ones of a large sparse matrix, "warm start" for
        the weights of an earlier fit.
    net_ : AutoencoderNet
        Trained skorch net; the torch module is ``net_.module_``.
    n_iter_ : int
        Number of epochs trained.
    best_iter_ : int
        Epoch of the selected weights; 0 is the initial network, PCA unless `init` or `warm_start`
        is set.
    loss_curve_ : list of float
        Mean training loss of each epoch, in units of the loss of X.
    history_ : dict of str to ndarray of shape (n_epochs,)
        Arrays "epoch", "train_loss", "validation_loss", "seconds" and "learning_rate" (of the last
        step), as of ``pandas.DataFrame(history_)``. Losses are in units of the loss of X, NaN where
        there is none. Epoch 0 is the initial network, if there is a validation set.
    validation_scores_ : list of float or None
        Explained fraction of the loss of the mean on the validation set, for the initial network
        and at each evaluation. None without a validation set.
    validation_iters_ : list of int or None
        Epochs of the evaluations; the first one is 0.
    best_validation_score_ : float or None
        Validation score of the selected weights, possibly interpolated between the initial and the
        trained weights.
    best_loss_ : float
        Mean validation loss of the selected weights, or the lowest training loss without a
        validation set.
    batch_size_ : int
        Number of samples per step.
    max_iter_ : int
        Maximum number of epochs of the last training.
    learning_rate_init_ : float
        Maximum learning rate of the last training.
    precision_ : {"float32", "bfloat16"}
        Data type of matrix products in the last training.
    n_folds_ : int
        Number of cross-validation folds: 1 for a single validation set or `X_val`, and 0 without a
        validation set.
    n_held_out_ : int
        Number of samples in validation sets; with cross-validation, all samples.
    code_steps_ : ndarray of shape (`n_components_`,)
        Quantization step of each latent dimension. Only with ``penalty="rate"``.
    explained_variance_ratio_ : ndarray of shape (`n_components_`,)
        Fraction of the variance explained by each latent dimension, on the validation set if there
        is one. Only with an "ordered" bottleneck.
    codebooks_ : ndarray of shape (n_codebooks, codebook_size, length)
        Codebook vectors, in units of the latent vectors. Only with a "quantized" bottleneck.
    codebook_usage_ : ndarray of shape (n_codebooks, codebook_size)
        Fraction of the samples assigned to each codebook vector, on the validation set if there is
        one. Only with a "quantized" bottleneck.

    See Also
    --------
    ConvAutoencoder : Convolutional autoencoder for images and signals.
    sklearn.decomposition.PCA : Linear dimensionality reduction.

    Notes
    -----
    With squared error and fewer components than samples and features, the initial network is the
    PCA of all samples, the best linear autoencoder [1]_. Latent vectors start as the scores of PCA,
    and have the same units. The nonlinear residual generalizes PCA [2]_. With more than 4,096
    samples and more than 4,096 features, PCA uses a subset of the samples, and there is no
    guarantee relative to PCA. PCA of a sparse matrix uses all samples, and is randomized.

    References
    ----------
    .. [1] P. Baldi and K. Hornik, "Neural networks and principal component analysis: Learning from
       examples without local minima", Neural Networks 2, 1989.
    .. [2] G. E. Hinton and R. R. Salakhutdinov, "Reducing the dimensionality of data with neural
       networks", Science 313, 2006.
    .. [3] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising
       autoencoders", Journal of Machine Learning Research 11, 2010.
    .. [4] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested
       dropout", ICML 2014.
    .. [5] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [6] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation
       learning", NeurIPS 2017.
    .. [7] J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv:1607.06450, 2016.
    .. [8] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: A
       simple way to prevent neural networks from overfitting", JMLR 15, 2014.

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
        "decoder_hidden_layer_sizes": ["array-like", Integral, StrOptions({"auto"})],
        **TABLE_CONSTRAINTS,
    }
    _network_class = DenseNetwork

    @names_parameters
    def __init__(
        self,
        n_components: int | float | Auto = "auto",
        *,
        hidden_layer_sizes: int | Sequence[int] | Auto = "auto",
        decoder_hidden_layer_sizes: int | Sequence[int] | Auto = "auto",
        activation: Activation = "gelu",
        normalization: Literal["layer"] | None = None,
        dropout: float = 0.0,
        init: Initial = "auto",
        bottleneck: BottleneckOption = "deterministic",
        loss: LossOption = "squared_error",
        corruption: CorruptionOption | None = None,
        penalty: PenaltyOption = None,
        target_weight: float = 0.0,
        solver: Solver = "adamw",
        learning_rate: Schedule = "auto",
        learning_rate_init: float | Auto = "auto",
        batch_size: int | Auto = "auto",
        max_iter: int | Auto = "auto",
        early_stopping: bool = True,
        validation_fraction: float | Auto = "auto",
        warm_start: bool = False,
        device: str = "auto",
        precision: Precision = "auto",
        allow_nan: bool = False,
        categorical_features: Sequence[int | str | bool] | Literal["from_dtype"] | None = (
            "from_dtype"
        ),
        handle_unknown: Literal["error", "ignore", "infrequent_if_exist"] = "error",
        min_frequency: float | None = None,
        max_categories: int | None = None,
        output_dtype: OutputDtype = "auto",
        net_params: Keywords | None = None,
        random_state: RandomState = None,
        checkpoint_dir: PathLike | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.decoder_hidden_layer_sizes = decoder_hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.init = init
        self.bottleneck = bottleneck
        self.loss = loss
        self.corruption = corruption
        self.penalty = penalty
        self.target_weight = target_weight
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.allow_nan = allow_nan
        self.categorical_features = categorical_features
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.output_dtype = output_dtype
        self.net_params = net_params
        self.random_state = random_state
        self.checkpoint_dir = checkpoint_dir
        self.verbose = verbose

    def _network_config(self, options, objective):
        options = {**options, **dense_sizes(self)}
        in_pca_space = objective.is_rotation_invariant and not self.allow_nan
        return DenseConfig(
            **options,
            in_pca_space=in_pca_space,
            gaussian_imputation=self._uses_gaussian_imputation,
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
