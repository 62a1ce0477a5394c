"""Inputs and targets of a training step: samples prepared, augmented and corrupted."""

import torch

__all__ = ["prepare_batch", "prepared_rows"]


@torch.no_grad()
def prepare_batch(net, batch, generator):
    """Prepare the samples of a batch, after the augmentation and the corruption of a net.

    Parameters
    ----------
    net : skae._training.net.AutoencoderNet
        Samples are augmented if its module is in training mode.
    batch : skae._input.batching.Batch
        Samples, prepared or in units of X.
    generator : torch.Generator
        Source of augmentation and corruption.

    Returns
    -------
    x : torch.Tensor of shape (b, ...)
        Inputs in the space of training.
    target : torch.Tensor of shape (b, ...)
        Targets without corruption.
    visible : torch.Tensor of bool or None
        Mask of the values that the corruption left, if it may produce missing values, or if the
        masked values have a weight in the loss.
    """
    module = net.module_
    augments = net.augment is not None and module.training
    if net.corrupt is None and not augments:
        x = prepared_rows(net, batch)
        return x, module.target(x), None
    centered = batch.X
    if not net.prepared:
        centered = module.centre(centered)
    flat = centered.flatten(0, -2)  # (n, d)
    if augments:
        flat = net.augment(flat, generator)
    x = module.to_training_space(flat.unflatten(0, centered.shape[:-1]))
    target = module.target(x)
    if net.corrupt is None:
        return x, target, None
    corrupted, masked = net.corrupt(module.to_samples(flat), generator)
    corrupted = module.to_rows(corrupted).unflatten(0, centered.shape[:-1])
    x = module.to_training_space(corrupted)
    visible = None
    if masked is not None:
        visible = ~module.mask_of_target(module.to_rows(masked)).unflatten(0, centered.shape[:-1])
    elif module.allow_nan:
        visible = ~module.target(x).isnan()
    return x, target, visible


def prepared_rows(net, batch):
    """Return the samples of a batch in the space of training."""
    if net.prepared:
        return batch.X
    return net.module_.prepare(batch.X)
