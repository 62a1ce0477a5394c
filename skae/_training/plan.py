"""The training plan of a fit: parameters and objectives decide on folds and epochs."""

from skae._training.defaults import make_plan

__all__ = ["resolve_plan"]

MAX_FOLD_BYTES = 2**26
"""Cross-validation is used if the prepared rows of all folds take at most this much memory."""


def resolve_plan(estimator, data, network, spec, corrupt, extra, *, resume, one_pass):
    """Resolve the training plan.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    data : TrainingData
        The training data.
    network : skae.networks.autoencoder.Autoencoder
        Initialized.
    spec : FittedSpec
        Description of the network.
    corrupt : callable or None
        Corruption of inputs.
    extra : dict
        Settings of skorch from `net_params`.
    resume : bool
        Whether the weights of an earlier fit are trained further.
    one_pass : bool
        Whether this is ``partial_fit``.

    Returns
    -------
    plan : TrainingPlan
        Every "auto" is resolved.
    """
    config = spec.network
    only_reconstruction = (
        config.bottleneck == "deterministic" and estimator.penalty is None and data.targets is None
    )
    imputation = only_reconstruction and config.gaussian_imputation
    plain = only_reconstruction and not estimator.allow_nan and corrupt is None
    user_needs_one_network = resume or one_pass or data.validation_rows is not None
    if "callbacks" in extra or "compile" in extra:
        user_needs_one_network = True
    fold_bytes = 6 * 4 * len(data) * network.n_training_features  # five folds and all, float32
    cross_validation = (
        (plain or imputation)
        and not user_needs_one_network
        and config.output == "linear"
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
        ordered=config.bottleneck == "ordered",
    )
    if "callbacks" in extra:  # they may read the validation loss of any epoch
        return plan.with_evaluation_of_every_epoch()
    return plan
