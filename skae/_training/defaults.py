"""Defaults: the values that "auto" stands for.

They were chosen by measurements over many data sets; see benchmarks/.
"""

import math
from dataclasses import dataclass, replace

__all__ = [
    "MAX_BATCH_NUMBERS",
    "MAX_ENCODER_INPUTS",
    "TrainingPlan",
    "default_hidden_sizes",
    "default_n_components",
    "default_n_coordinates",
    "default_n_feature_coordinates",
    "learning_rate_cycles",
    "make_plan",
]

MAX_ENCODER_INPUTS = 128
"""The most principal coordinates that the nonlinear part of the encoder reads. More gave no lower
test error."""

MAX_BATCH_NUMBERS = 2**24
"""The most numbers in a batch. A training step holds about a dozen times as many, in float32."""

MAX_FOLD_SAMPLES = 3000
"""With more samples one validation set is large enough, and folds only cost time."""

MAX_FOLD_SAMPLES_WITH_MISSING = 1000
"""The same for tables with missing values, since imputation takes longer."""

MIN_FOLD_SAMPLES = 10
"""With fewer samples the folds are too small to compare candidates."""

MAX_CYCLE_SAMPLES = 3000
"""Up to this many samples, longer trainings than the default have cycles of the learning rate. With
more samples longer trainings rarely overfit, and one long cycle has a lower error: 10,000 images of
MNIST had 0.491 of PCA's error after 20 epochs in one cycle, and 0.503 in three."""

MIN_AVERAGED_EPOCHS = 4
"""In shorter trainings the learning rate falls so soon that averaged weights gain nothing."""

MAX_AUGMENTED_RATE = 0.0035
"""Largest learning rate of augmented images, which have more epochs: 50,000 color photographs had
0.920 of PCA's error after 5 epochs with 0.003, and 0.956 after 2 epochs with 0.007."""

MAX_OWN_MODULES_RATE = 0.003
"""Largest learning rate of modules of the user, of which many diverge at the rates of skae's."""

MAX_INTERPOLATED_SAMPLES = 20000
"""Up to this many samples, weights between PCA and the trained network are tried as well."""


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of one training, with every "auto" resolved.

    Attributes
    ----------
    batch_size : int
        Samples per step.
    epochs : int
        The most passes over the data.
    default_epochs : int
        The number of epochs that "auto" stands for.
    learning_rate, default_learning_rate : float
        The learning rate at its peak, and the one that "auto" stands for.
    n_folds : int
        0: no validation set. 1: one validation set. More: k-fold cross-validation.
    n_evaluations : int
        How often the validation loss is computed in each cycle.
    interpolation_weights : tuple of float
        At each evaluation, weights between the initial (0) and the trained network (1) that are
        tried.
    min_gain_in_standard_errors : float or None
        The gain in validation loss over the initial network that is required, in standard errors of
        the gain. None: any weights with the lowest validation loss are kept.
    warm_up : float
        The share of all steps in which the learning rate rises.
    clip : float
        The largest norm of a gradient, as a multiple of the usual norm. 0: gradients are not
        clipped.
    averages_weights : bool
        Whether each evaluation also tries a moving average of the weights.
    restarts : bool
        Whether the learning rate rises again after the default number of epochs.
    stops_early : bool
        Whether a training ends if it gains nothing in its first epochs.
    """

    batch_size: int
    epochs: int
    default_epochs: int
    learning_rate: float
    default_learning_rate: float
    n_folds: int
    n_evaluations: int
    interpolation_weights: tuple
    min_gain_in_standard_errors: float | None
    warm_up: float
    clip: float
    restarts: bool = False
    averages_weights: bool = False
    stops_early: bool = True

    def resumed(self, n_folds, *, from_pca):
        """Return a copy that continues a cross-validated fit.

        A network that is no longer PCA has shown a gain, and any further gain counts. The learning
        rate rises again, so that losses increase before they decrease.
        """
        min_gain = self.min_gain_in_standard_errors if from_pca else 0.0
        return replace(
            self, n_folds=n_folds, min_gain_in_standard_errors=min_gain, stops_early=False
        )

    @property
    def early_evaluations(self):
        """Further epochs to evaluate: those of shorter trainings, from the default on."""
        epochs, epoch = [], self.default_epochs
        while self.averages_weights and epoch < self.epochs:
            epochs.append(epoch)
            epoch *= 2
        return epochs

    @property
    def cycle_ends(self):
        """Epochs at whose end the learning rate has decayed to zero. The last is `epochs`."""
        if self.restarts:
            return learning_rate_cycles(self.epochs, self.default_epochs)
        return (self.epochs,)

    @property
    def epochs_to_evaluate(self):
        """Epochs after which the validation loss is computed: evenly spread over each cycle."""
        epochs, start = set(self.early_evaluations), 0
        for end in self.cycle_ends:
            length = end - start
            n = min(self.n_evaluations, length)
            epochs |= {start + round(length * (i + 1) / n) for i in range(n)}
            start = end
        return epochs

    def with_evaluation_of_every_epoch(self):
        """Return a copy with an evaluation after each epoch."""
        return replace(self, n_evaluations=self.epochs)


def default_n_components(n_features):
    """Return half the number of features, at least 1 and at most 32."""
    return max(1, min(32, n_features // 2))


def default_n_coordinates(n_components, *, convolutional):
    """Return the number of principal coordinates that a network reads and returns.

    The rest is reconstructed as its mean. Convolutions add detail beyond the first 256 coordinates;
    dense networks need 384. The number is at least twice that of the components.
    """
    if convolutional:
        return max(256, 2 * n_components)
    return max(384, 2 * n_components)


def default_n_feature_coordinates(n_components):
    """Return the number of coordinates of features of images: at least twice the components."""
    return max(128, 2 * n_components)


def default_hidden_sizes(n_samples, n_features):
    """Return the widths of the hidden layers of encoder and decoder.

    The width is the power of 2 nearest to a third of ``sqrt(n_samples * n_features)``, between 128
    and a maximum: 512 from 64 features on, 256 from 32 on, else 128. The encoder has one layer of
    at most 256 units. The decoder has two layers; the second is twice as wide where the first has
    the maximum of 256 or 512. A small encoder and a large decoder make the best use of operations.
    """
    if n_features >= 64:
        max_width = 512
    elif n_features >= 32:
        max_width = 256
    else:
        max_width = 128
    wanted = 2 ** round(math.log2(math.sqrt(n_samples * n_features) / 3))
    width = int(min(max_width, max(128, wanted)))
    last = width
    if width == max_width > 128:
        last = 2 * width
    return (min(width, 256),), (width, last)


def default_batch_size(n_samples, n_features):
    """Return 128 below 4,000 samples, 256 below 20,000, else 512; less for very wide samples."""
    if n_samples < 4000:
        batch = 128
    elif n_samples < 20000:
        batch = 256
    else:
        batch = 512
    while batch > 8 and batch * n_features > MAX_BATCH_NUMBERS:
        batch //= 2
    return batch


def default_epochs(n_samples, n_features, batch_size, *, convolutional, epochs_factor):
    """Return the number of epochs.

    The number of steps grows with the root of the samples. It falls with the features beyond 125
    (100 with convolutions), since each sample then holds more information. `epochs_factor`
    multiplies it: other objectives than reconstruction take more steps.
    """
    few_features = 125
    if convolutional:
        few_features = 100
    steps = max(100, 10 * math.sqrt(n_samples) * min(1, few_features / n_features))
    return max(1, math.ceil(steps * epochs_factor * batch_size / n_samples))


def default_learning_rate(n_samples, width, *, convolutional):
    """Return the learning rate.

    It grows with the root of the number of samples, since few samples are soon overfitted.
    """
    rate = min(0.02, 2.5e-4 * math.sqrt(n_samples)) * min(1, 256 / width)
    if convolutional:  # weights are shared over an image, so large steps diverge
        rate = min(rate, 0.007)
    return rate


def default_gain(*, plain, own_modules, has_linear_part):
    """Return the gain over the initial network that is required, in standard errors of the gain.

    It is None if the initial network is random: the weights of the lowest validation loss are kept.
    Modules of the user have one small validation set, on which gains by chance are more frequent
    than on folds.
    """
    if not has_linear_part:
        return None
    if not plain:
        return 0.0
    if own_modules:
        return 3.0
    return 2.0


def default_n_folds(n_samples, *, early_stopping, cross_validation, imputation):
    """Return 0 folds without early stopping, 1 for one validation set, else 3 or 5."""
    if not early_stopping:
        return 0
    max_samples = MAX_FOLD_SAMPLES_WITH_MISSING if imputation else MAX_FOLD_SAMPLES
    if not cross_validation or not MIN_FOLD_SAMPLES <= n_samples <= max_samples:
        return 1
    if n_samples > 1000:
        return 3
    return 5


def learning_rate_cycles(epochs, default_epochs):
    """Return the epochs at whose end the learning rate has decayed to zero.

    A training of more than the default number of epochs begins with the default training. Each
    further cycle doubles the number of epochs so far, and the last one takes all the others.
    """
    ends = [min(epochs, default_epochs)]
    while ends[-1] < epochs:
        end = 2 * ends[-1]
        if 2 * end > epochs:
            end = epochs
        ends.append(end)
    return tuple(ends)


def make_plan(
    n_samples,
    n_features,
    width,
    *,
    batch_size,
    max_iter,
    learning_rate_init,
    early_stopping,
    cross_validation,
    convolutional,
    plain=True,
    imputation=False,
    epochs_factor=1,
    own_modules=False,
    has_linear_part=True,
    augmented=False,
    restarts=True,
):
    """Resolve every "auto" of one training.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the training data.
    width : int
        The larger width of the first hidden layers of encoder and decoder.
    batch_size, max_iter, learning_rate_init : number or "auto"
        As the user set them.
    early_stopping : bool
        Whether samples may be held out for validation.
    cross_validation : bool
        Whether folds are possible.
    convolutional : bool
        Whether the network is convolutional.
    plain : bool, default=True
        Whether reconstruction is the only objective. If not, any improvement over PCA is accepted.
    imputation : bool, default=False
        Whether imputation is the only other objective. Then weights between PCA and the trained
        network are tried.
    epochs_factor : int, default=1
        Factor of the default number of epochs.
    own_modules : bool, default=False
        Whether encoder and decoder are modules of the user.
    has_linear_part : bool, default=True
        Whether the network starts as a linear autoencoder.
    augmented : bool, default=False
        Whether training samples are augmented.
    restarts : bool, default=True
        Whether the learning rate of a training with a validation set may rise again after the
        default number of epochs.

    Returns
    -------
    plan : TrainingPlan
        The resolved settings.
    """
    batch = batch_size
    if batch == "auto":
        batch = default_batch_size(n_samples, n_features)
    batch = min(batch, n_samples)
    usual = default_epochs(
        n_samples, n_features, batch, convolutional=convolutional, epochs_factor=epochs_factor
    )
    epochs = max_iter
    if epochs == "auto":
        epochs = usual
    usual_rate = default_learning_rate(n_samples, width, convolutional=convolutional)
    if own_modules:
        usual_rate = min(usual_rate, MAX_OWN_MODULES_RATE)
    if augmented:
        usual_rate = min(usual_rate, MAX_AUGMENTED_RATE)
    rate = learning_rate_init
    if rate == "auto":
        rate = usual_rate
    interpolation_weights = (1.0,)
    if (plain or imputation) and n_samples <= MAX_INTERPOLATED_SAMPLES:
        interpolation_weights = (0.25, 0.5, 0.75, 1.0)
    n_folds = default_n_folds(
        n_samples,
        early_stopping=early_stopping,
        cross_validation=cross_validation,
        imputation=imputation,
    )
    # running statistics, which modules of the user may have, can't be averaged with the weights
    averages_weights = plain and n_folds == 1 and epochs >= MIN_AVERAGED_EPOCHS and not own_modules
    return TrainingPlan(
        batch_size=batch,
        epochs=epochs,
        default_epochs=usual,
        learning_rate=rate,
        default_learning_rate=usual_rate,
        n_folds=n_folds,
        n_evaluations=min(5, epochs),
        interpolation_weights=interpolation_weights,
        min_gain_in_standard_errors=default_gain(
            plain=plain, own_modules=own_modules, has_linear_part=has_linear_part
        ),
        warm_up=0.25,
        clip=2.0 if convolutional or own_modules else 0.0,
        # without validation nothing selects among the cycles
        restarts=restarts and n_folds > 0 and n_samples <= MAX_CYCLE_SAMPLES,
        averages_weights=averages_weights,
    )
