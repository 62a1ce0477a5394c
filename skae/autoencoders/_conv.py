"""Convolutional autoencoder for images and signals."""

from collections.abc import Sequence
from typing import Literal

from skae._parameter_names import names_parameters
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
from skae.augmentations import AugmentationOption
from skae.autoencoders._base import BaseAutoencoder
from skae.autoencoders._images import IMAGE_CONSTRAINTS, ImageLayoutMixin
from skae.bottlenecks import BottleneckOption
from skae.corruptions import CorruptionOption
from skae.features import FeatureOption
from skae.losses import LossOption
from skae.networks import ConvNetwork
from skae.penalties import PenaltyOption

__all__ = ["ConvAutoencoder"]


class ConvAutoencoder(ImageLayoutMixin, BaseAutoencoder):
    """Convolutional autoencoder for images and signals, initialized from PCA.

    The network is a linear autoencoder plus a nonlinear residual. It starts as PCA, and a
    validation set decides whether to keep the nonlinear part. For independent images, the
    reconstruction error is rarely above the error of PCA.

    X holds grayscale images (n, H, W), images with channels (n, H, W, C), or flat rows (n, d) with
    the layout of `image_shape`. Images can have any size. After fit, images and flat rows are
    interchangeable. With ``signals=True``, X holds signals (n, time) or (n, time, channels), and
    each channel is divided by its standard deviation.

    Parameters
    ----------
    n_components : int, float or "auto", default="auto"
        Number of latent dimensions. If "auto", half of the number of features, at most 32. A float
        between 0 and 1 requires ``bottleneck="ordered"``: training uses the "auto" number, and
        `fit` keeps the first latent dimensions that explain this fraction of the variance.
    n_filters : int, array-like of int or "auto", default="auto"
        Number of channels of the first convolution of the encoder. It doubles with each convolution
        up to four times as many. An array has the channels of each convolution. The decoder has
        twice the first number. If "auto", 16, and 32 for color images.
    n_stages : int or "auto", default="auto"
        Number of convolutions of the encoder. Each of them halves the grid of patches, down to 16
        patches. If "auto", the length of `n_filters`, or as many as halve the grid.
    kernel_size : int or "auto", default="auto"
        Height and width of the kernels in patches, an odd number. If "auto", 3, and 1 for the first
        and the last convolution of patches with more than 256 values.
    image_shape : tuple of int or "auto", default="auto"
        Shape of one image in X: (H, W), (H, W, C), or (C, H, W) with ``channel_axis=1``. A signal
        has the shape (1, d). If "auto", the shape of the images in X. Flat rows with a square
        number of features are square grayscale images, and other flat rows are signals.
    channel_axis : {-3, -1, 1, 3}, default=-1
        Axis of the channels in X, for images or signals with channels. Axis 0 is the sample axis.
    signals : bool or "auto", default="auto"
        Whether X holds signals: (n, time), (n, time, channels), or (n, channels, time) with
        ``channel_axis=1``. If True, the units of the channels do not matter: losses, corruptions,
        latent vectors, `score` and `reconstruction_error` are those of channels divided by
        `channel_scale_`. "auto": False for X of three dimensions, which has the shape of grayscale
        images. A warning is issued if one side is at least four times the other.
    features : {"patches"} or Features, default=None
        Features for classification, a word or an object of `skae.features`. Latent vectors are
        principal components of features and pixels, with larger reconstruction errors. Only
        `penalty` or `target_weight` train the encoder further. If None, it receives pixels alone.

        - "patches": responses of filters to whitened patches, which are averaged over a grid [9]_.
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
    augmentation : {"auto", "mirror", "crop"}, Augmentation, callable or None, default="auto"
        Random changes of the training samples, and so of input and target: a word, an object of
        `skae.augmentations`, or a function as for `corruption`. The default `max_iter` is six-fold.

        - "auto": "mirror" in `fit` for more than 3,000 images, if PCA reconstructs mirrored images
          as well as the originals. This holds for photographs, and not for digits or signals.
        - "mirror": exchange left and right in half the images.
        - "crop": resize a random rectangle of each image to the whole image.
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
    image_shape_ : tuple of int
        Shape of one image in X; (1, time), (1, time, channels) or (channels, 1, time) for signals.
    channel_axis_ : {1, -1} or None
        Axis of the channels in X, with the sample axis counted. None for images without channels.
    channel_scale_ : ndarray of shape (n_channels,)
        Standard deviation of each channel in fit, over all samples and time steps. 1 for a constant
        channel. Defined only with ``signals=True``.
    init_ : str
        Initialization method: "pca" for exact principal components of all samples, "pca of
        features" with `features`, "warm start" for the weights of an earlier fit.
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
    DenseAutoencoder : Fully connected autoencoder for tables.
    sklearn.decomposition.PCA : Linear dimensionality reduction.

    Notes
    -----
    Convolutions run over a grid of patches [2]_. With squared error, at most 4,096 values per
    image, and fewer components than images and values, the initial network is the PCA of all images
    [1]_. For larger images it is the PCA of block means, without a guarantee relative to PCA. For
    signals, it is the PCA of the channels divided by `channel_scale_`.

    With targets, the encoder of images of at most 100 patches uses patches of half the size,
    ``2 * n_filters`` channels and one more convolution, for finer details.

    References
    ----------
    .. [1] P. Baldi and K. Hornik, "Neural networks and principal component analysis: Learning from
       examples without local minima", Neural Networks 2, 1989.
    .. [2] J. Masci, U. Meier, D. Ciresan and J. Schmidhuber, "Stacked convolutional auto-encoders
       for hierarchical feature extraction", ICANN 2011.
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
    .. [9] A. Coates et al., "An analysis of single-layer networks", AISTATS 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder
    >>> images = load_digits().images[:300]
    >>> autoencoder = ConvAutoencoder(n_components=8, max_iter=20, random_state=0)
    >>> autoencoder = autoencoder.fit(images)
    >>> autoencoder.transform(images).shape
    (300, 8)
    """

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        **IMAGE_CONSTRAINTS,
    }
    _network_class = ConvNetwork

    image_shape_: tuple[int, ...]
    channel_axis_: int | None

    @names_parameters
    def __init__(
        self,
        n_components: int | float | Auto = "auto",
        *,
        n_filters: int | Sequence[int] | Auto = "auto",
        n_stages: int | Auto = "auto",
        kernel_size: int | Auto = "auto",
        image_shape: Sequence[int] | Auto = "auto",
        channel_axis: Literal[-3, -1, 1, 3] = -1,
        signals: bool | Auto = "auto",
        features: FeatureOption = None,
        activation: Activation = "gelu",
        normalization: Literal["layer"] | None = None,
        dropout: float = 0.0,
        init: Initial = "auto",
        bottleneck: BottleneckOption = "deterministic",
        loss: LossOption = "squared_error",
        corruption: CorruptionOption | None = None,
        augmentation: AugmentationOption = "auto",
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
        output_dtype: OutputDtype = "auto",
        net_params: Keywords | None = None,
        random_state: RandomState = None,
        checkpoint_dir: PathLike | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_filters = n_filters
        self.n_stages = n_stages
        self.kernel_size = kernel_size
        self.image_shape = image_shape
        self.channel_axis = channel_axis
        self.signals = signals
        self.features = features
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.init = init
        self.bottleneck = bottleneck
        self.loss = loss
        self.corruption = corruption
        self.augmentation = augmentation
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
        self.output_dtype = output_dtype
        self.net_params = net_params
        self.random_state = random_state
        self.checkpoint_dir = checkpoint_dir
        self.verbose = verbose
