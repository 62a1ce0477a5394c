"""Autoencoder of a user's own encoder and decoder modules."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Literal

import torch
from sklearn.utils import Tags

from skae._input.sample_layout import SampleLayout
from skae._sklearn_compat import Interval, StrOptions
from skae._typing import (
    Auto,
    Keywords,
    OutputDtype,
    PathLike,
    Precision,
    RandomState,
    Schedule,
    Solver,
)
from skae.augmentations import AUGMENTATIONS, Augmentation, ExplicitAugmentation
from skae.autoencoders._architecture import UNIT_CONSTRAINTS
from skae.autoencoders._base import BaseAutoencoder
from skae.autoencoders._module_parameters import ModuleParametersMixin
from skae.bottlenecks import BottleneckOption
from skae.corruptions import CorruptionOption
from skae.losses import LossOption
from skae.networks import ModuleNetwork
from skae.networks.config import ModuleConfig
from skae.penalties import PenaltyOption

__all__ = ["ModuleAutoencoder"]


class ModuleAutoencoder(ModuleParametersMixin, BaseAutoencoder):
    """Autoencoder of your own encoder and decoder, which are modules of PyTorch.

    The modules are beside a linear autoencoder, behind factors that start at zero. The network
    starts as PCA, and a validation set decides whether to keep the modules. With ``residual=None``
    the network consists of the modules alone.

    X has any shape (n, ...). The encoder gets samples as float32 tensors of this shape, by default
    centered and divided by the overall standard deviation. Channels of images come first.

    Parameters
    ----------
    encoder : type, callable or torch.nn.Module
        Map from samples (b, ...) to latent vectors (b, n_components): a class, a function that
        returns a module, or a module. Classes and functions are called with the parameters
        ``encoder__*``, and with `sample_shape` and `n_components` where their signature has them. A
        module is copied in fit, and never changed. The output may have more axes, of n_components
        values in total. It may be a pair (mean, log_variance) with ``bottleneck="variational"``.
    decoder : type, callable or torch.nn.Module
        Map from the output of the encoder to samples (b, ...), or to flat rows, as `encoder`.
    n_components : int or "auto", default="auto"
        Number of latent dimensions. If "auto", the number of values that the encoder returns for a
        sample. For a class or function with the parameter `n_components`, half of the number of
        features, at most 32.
    residual : {"pca"} or None, default="pca"
        Linear part of the network. "pca": a linear autoencoder that starts as PCA, to which the
        outputs of the modules are added. None: no linear part, and no guarantee relative to PCA.
    standardize : bool, default=True
        Whether the modules get and return samples that are centered and divided by the overall
        standard deviation of X. If False, the encoder gets samples in the units of X, and the
        decoder returns such, as networks that end with a sigmoid or were trained before.
    sample_shape : tuple of int or "auto", default="auto"
        Shape of one sample as the modules get it, such as (1, 28, 28) for flat rows or grayscale
        images of 28 x 28 pixels. If "auto", the shape of a sample in X, with channels first.
    channel_axis : int, None or "auto", default="auto"
        Axis of X that becomes axis 1 of the input of the modules. Axis 0 is the sample axis. None:
        all axes keep their order. If "auto", None unless X has four dimensions. The channels of
        images are then the axis of 1, 3 or 4 values, or the last one.
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
    augmentation : {"mirror", "crop"}, Augmentation, callable or None, default=None
        Random changes of the training samples, and so of input and target: a word, an object of
        `skae.augmentations`, or a function as for `corruption`.
    penalty : {"sparsity", "contraction", "decorrelation", "rate", "spread"} or Penalty, \
            default=None
        Regularization of the latent vectors: a word, or an object of `skae.penalties` with its
        weight, such as ``Sparsity(weight=0.2)``. If None, no penalty is added to the loss.

        - "sparsity": most latent dimensions of a sample are close to zero.
        - "contraction": latent vectors change little with the input.
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
        Maximum learning rate. If "auto", it grows with the square root of the number of samples, up
        to 0.003.
    batch_size : int or "auto", default="auto"
        Number of samples per step. If "auto", 128 for fewer than 4,000 samples, 256 for fewer than
        20,000, and 512 otherwise. It is reduced to at most 16 million values per batch.
    max_iter : int or "auto", default="auto"
        Maximum number of epochs (passes over X). If "auto", the number of steps is about
        ``30 * sqrt(n_samples)``, and lower for more than about 100 features.
    early_stopping : bool, default=True
        Whether to select the weights on a validation set, and to stop training if they do not
        improve on the initial weights. If False, the weights of the last epoch are used.
    validation_fraction : float or "auto", default="auto"
        Fraction of the samples in the validation set. If "auto", 0.1, at most 3,000 samples.
    warm_start : bool, default=False
        Whether `fit` resumes training from the current weights, mean and scale.
    device : str, default="auto"
        Device of the network: a device name of torch, or "auto" for CUDA, then MPS, then CPU.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Data type of matrix products in training. If "auto", bfloat16 for wide layers on processors
        with bfloat16 instructions. Latent vectors and reconstructions are always computed in
        float32.
    allow_nan : bool, default=False
        Whether NaN in X is a missing value: excluded from the loss, and replaced by the mean before
        encoding. `reconstruct` imputes every missing value.
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
    **module_params : dict
        Parameters of the modules: ``encoder__hidden=64`` is the parameter `hidden` of the encoder,
        and ``decoder__hidden`` that of the decoder.

    Attributes
    ----------
    n_components_ : int
        Number of latent dimensions.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only when `X` has feature names that are
        all strings.
    sample_shape_ : tuple of int
        Shape of one sample as the modules get it.
    channel_axis_ : int or None
        Axis of the channels in X, with the sample axis counted: -1 for the last one. None if the
        axes keep their order.
    init_ : str
        Initialization method: "pca" for exact principal components of all samples, "random" for
        the weights of the modules without a linear part, "warm start" for those of an earlier fit.
    net_ : AutoencoderNet
        Trained skorch net; the torch module is ``net_.module_``.
    n_iter_ : int
        Number of epochs trained.
    best_iter_ : int
        Epoch of the selected weights; 0 is the initial network, PCA unless `residual` is None or
        `warm_start` is set.
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

    Notes
    -----
    Modules are built, and their random numbers drawn, with seeds of `random_state`. Parameters with
    ``requires_grad=False`` are not trained, and modules without any other parameter remain in
    evaluation mode. Running statistics belong to the selected weights.

    References
    ----------
    .. [3] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising
       autoencoders", Journal of Machine Learning Research 11, 2010.
    .. [4] O. Rippel, M. Gelbart and R. Adams, "Learning ordered representations with nested
       dropout", ICML 2014.
    .. [5] D. P. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [6] A. van den Oord, O. Vinyals and K. Kavukcuoglu, "Neural discrete representation
       learning", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from torch import nn
    >>> from skae import ModuleAutoencoder
    >>> class Encoder(nn.Sequential):
    ...     def __init__(self, n_components, hidden):
    ...         super().__init__(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, n_components))
    >>> class Decoder(nn.Sequential):
    ...     def __init__(self, n_components, hidden):
    ...         super().__init__(nn.Linear(n_components, hidden), nn.ReLU(), nn.Linear(hidden, 64))
    >>> X = load_digits().data
    >>> widths = {"encoder__hidden": 64, "decoder__hidden": 64}
    >>> autoencoder = ModuleAutoencoder(Encoder, Decoder, 8, random_state=0, **widths)
    >>> autoencoder.fit(X).transform(X).shape
    (1797, 8)
    """

    _parameter_constraints = {
        **{
            name: constraint
            for name, constraint in BaseAutoencoder._parameter_constraints.items()
            if name not in ("init", *UNIT_CONSTRAINTS)
        },
        "encoder": [callable],
        "decoder": [callable],
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "residual": [StrOptions({"pca"}), None],
        "standardize": ["boolean"],
        "augmentation": [StrOptions(set(AUGMENTATIONS)), Augmentation, callable, None],
        "sample_shape": ["array-like", StrOptions({"auto"})],
        "channel_axis": [Integral, StrOptions({"auto"}), None],
    }
    _network_class = ModuleNetwork
    _takes_images = True
    _option_words = {**BaseAutoencoder._option_words, "augmentation": AUGMENTATIONS}

    sample_shape_: tuple[int, ...]
    channel_axis_: int | None
    _layout: SampleLayout

    def __init__(
        self,
        encoder: Callable[..., Any] | torch.nn.Module,
        decoder: Callable[..., Any] | torch.nn.Module,
        n_components: int | Auto = "auto",
        *,
        residual: Literal["pca"] | None = "pca",
        standardize: bool = True,
        sample_shape: Sequence[int] | Auto = "auto",
        channel_axis: int | Auto | None = "auto",
        bottleneck: BottleneckOption = "deterministic",
        loss: LossOption = "squared_error",
        corruption: CorruptionOption | None = None,
        augmentation: ExplicitAugmentation = None,
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
        **module_params: Any,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.n_components = n_components
        self.residual = residual
        self.standardize = standardize
        self.sample_shape = sample_shape
        self.channel_axis = channel_axis
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
        self._set_module_params(module_params)

    @property
    def _starts_as_pca(self):
        return self.residual is not None

    @property
    def _has_image_layout(self):
        return not self._layout.flat

    def _restore_layout(self, rows, shape):
        return self._layout.unflatten(rows, shape)

    def _network_config(self, options, objective):
        return ModuleConfig(
            **{**options, "encoder_sizes": (), "decoder_sizes": ()},
            has_linear_part=self._starts_as_pca,
            **self._module_options(),
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
