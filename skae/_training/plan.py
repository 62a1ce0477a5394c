"""The training plan of a fit: parameters and objective decide on folds and epochs."""

import torch

from skae._devices import is_bfloat16_faster
from skae._training.defaults import make_plan
from skae.distributed._context import active_group

__all__ = ["resolve_plan", "resolve_precision"]

AUGMENTED_EPOCHS_FACTOR = 6
"""Factor of the default number of epochs of augmented images, which are overfitted later."""

MIN_EPOCHS_FACTOR = 3
"""Factor of the default number of epochs if reconstruction is not the only objective."""

MAX_FOLD_BYTES = 2**26
"""Cross-validation is used if the prepared rows of all folds take at most this much memory."""


def resolve_plan(
    estimator, objective, data, network, spec, extra, *, resume, one_pass, augmented=False
):
    """Resolve the training plan.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    objective : Objective
        Its options as objects.
    data : TrainingData
        The training data.
    network : skae.networks.autoencoder.Autoencoder
        Initialized.
    spec : FittedSpec
        Description of the network.
    extra : dict
        Settings of skorch from `net_params`.
    resume : bool
        Whether the weights of an earlier fit are trained further.
    one_pass : bool
        Whether this is ``partial_fit``.
    augmented : bool, default=False
        Whether training samples are augmented.

    Returns
    -------
    plan : TrainingPlan
        Every "auto" is resolved.
    """
    config = spec.network
    only_reconstruction = (
        config.bottleneck.is_deterministic and config.penalty is None and data.targets is None
    )
    imputation = only_reconstruction and config.gaussian_imputation
    plain = only_reconstruction and not estimator.allow_nan and objective.corruption is None
    epochs_factor = 1
    if not plain:
        epochs_factor = max(MIN_EPOCHS_FACTOR, config.bottleneck.epochs_factor)
    elif config.has_own_modules:
        epochs_factor = MIN_EPOCHS_FACTOR
    elif augmented and config.output == "linear":
        epochs_factor = AUGMENTED_EPOCHS_FACTOR
    folds = None
    if resume:
        folds = getattr(estimator, "_folds", None)
    user_needs_one_network = one_pass or data.validation_rows is not None
    if estimator.validation_fraction != "auto":  # of one validation set
        user_needs_one_network = True
    if resume and folds is None:
        user_needs_one_network = True
    if config.has_own_modules:  # which can't be stacked
        user_needs_one_network = True
    if "callbacks" in extra or "compile" in extra:
        user_needs_one_network = True
    fold_bytes = 6 * 4 * len(data) * network.n_prepared_features  # five folds and all, float32
    augmentation = objective.augmentation
    cross_validation = (
        (plain or imputation)
        and (augmentation is None or augmentation == "auto")
        and not user_needs_one_network
        and config.output == "linear"
        and network.is_stackable
        and not config.has_features  # which would be computed for each copy
        and fold_bytes <= MAX_FOLD_BYTES
    )
    early_stopping = estimator.early_stopping or data.validation_rows is not None
    widths = [*config.encoder_sizes, *config.decoder_sizes[:1], 1]
    plan = make_plan(
        *data.rows.shape,
        max(widths),
        batch_size=estimator.batch_size,
        max_iter=1 if one_pass else estimator.max_iter,
        learning_rate_init=estimator.learning_rate_init,
        early_stopping=early_stopping and not one_pass,
        cross_validation=cross_validation,
        convolutional=config.convolutional,
        plain=plain,
        imputation=imputation,
        epochs_factor=epochs_factor,
        own_modules=config.has_own_modules,
        has_linear_part=config.has_linear_part,
        augmented=augmented,
        # callbacks may read losses, which increase where the learning rate rises again
        restarts=estimator.learning_rate in ("auto", "cosine") and "callbacks" not in extra,
    )
    if folds is not None and plan.n_folds > 1:
        plan = plan.resumed(len(folds.val_indices), from_pca=folds.is_initial)
    if "callbacks" in extra:  # they may read the validation loss of any epoch
        return plan.with_evaluation_of_every_epoch()
    return plan


def resolve_precision(estimator, device, plan, config):
    """Return the dtype of matrix products in training, the same in all processes.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    device : torch.device
        Where the network is trained.
    plan : TrainingPlan
        Resolved settings.
    config : NetworkConfig
        Description of the network.
    """
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if estimator.precision in names:
        return names[estimator.precision]
    is_faster = is_bfloat16_faster(device, plan.batch_size, config)
    group = active_group()
    if group is not None:
        is_faster = group.share_json(is_faster)
    if is_faster:
        return torch.bfloat16
    return torch.float32
