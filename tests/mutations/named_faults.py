"""Faults in seven decisions that earlier tests did not notice, most of them in several places.

The decisions are the clipping of gradients, the shape of masked patches, the units of the loss with
many features, sample weights in cross-validation, validation samples in the PCA of the training
samples, the standard error of a gain, and which objectives need a significant gain.
"""

from fault import Fault

__all__ = ["NAMED_FAULTS"]

EARLY_STOPPING = ("_training/test_early_stopping.py",)
NET = ("_training/test_net.py",)
CORRUPTIONS = ("test_corruptions.py",)

NAMED_FAULTS = [
    # ---------- clipping of gradients
    Fault(
        "gradient-clipping-off-in-the-plan",
        "defaults",
        "_training/defaults.py",
        "clip=2.0 if convolutional or own_modules else 0.0",
        "clip=0.0",
        NET,
    ),
    Fault(
        "gradient-clipping-of-dense-networks",
        "defaults",
        "_training/defaults.py",
        "clip=2.0 if convolutional or own_modules else 0.0",
        "clip=2.0",
        NET,
    ),
    Fault(
        "gradient-clipping-off-in-the-step",
        "training",
        "_training/net.py",
        "        if self.clip:\n",
        "        if False:\n",
        NET,
    ),
    Fault(
        "gradient-clipping-at-the-usual-norm",
        "training",
        "_training/learning_rate.py",
        "* (clip * usual_norm)",
        "* usual_norm",
        NET,
    ),
    Fault(
        "gradient-clipping-by-a-mean-of-unbounded-growth",
        "training",
        "_training/learning_rate.py",
        "usual_norm.copy_(torch.minimum(mean, MAX_GROWTH * usual_norm))",
        "usual_norm.copy_(mean)",
        NET,
    ),
    Fault(
        "gradient-clipping-by-the-first-norm",
        "training",
        "_training/net.py",
        "            self.usual_norm_ = clip_gradients(weights, self.usual_norm_, self.clip)\n",
        "            usual_norm = clip_gradients(weights, self.usual_norm_, self.clip)\n"
        "            if self.usual_norm_ is None:\n"
        "                self.usual_norm_ = usual_norm\n",
        NET,
    ),
    # ---------- masked patches
    Fault(
        "patches-in-the-shape-of-the-image",
        "data",
        "corruptions/_noise.py",
        "place < start + side[:, None])",
        "place < start + (side * length / (h * w) ** 0.5).round()[:, None])",
        CORRUPTIONS,
    ),
    Fault(
        "patches-by-the-width-alone",
        "data",
        "corruptions/_noise.py",
        "* (h * w)\n",
        "* w**2\n",
        CORRUPTIONS,
    ),
    Fault(
        "patches-of-low-images-clipped",
        "data",
        "corruptions/_noise.py",
        "torch.where(square > other, longer, square)",
        "square",
        CORRUPTIONS,
    ),
    Fault(
        "patches-twice-as-wide-as-high",
        "data",
        "corruptions/_noise.py",
        "place < start + side[:, None])",
        "place < start + (side if length == h else 2 * side)[:, None])",
        CORRUPTIONS,
    ),
    # ---------- units of the loss with many features
    Fault(
        "loss-of-many-features-without-offset",
        "initialization",
        "_training/initialization.py",
        "loss_offset=offset)",
        "loss_offset=0.0)",
        EARLY_STOPPING,
    ),
    Fault(
        "loss-of-many-features-offset-outside-of-pca-space",
        "initialization",
        "_training/initialization.py",
        "    if spec.network.in_pca_space:",
        "    if True:",
        EARLY_STOPPING,
    ),
    Fault(
        "loss-of-many-features-offset-in-scaled-units",
        "initialization",
        "_training/initialization.py",
        "offset = unit * max(",
        "offset = max(",
        EARLY_STOPPING,
    ),
    Fault(
        "loss-of-many-features-per-coordinate",
        "initialization",
        "_training/initialization.py",
        "loss_scale=unit * network.n_training_features / d",
        "loss_scale=unit",
        EARLY_STOPPING,
    ),
    # ---------- sample weights in cross-validation
    Fault(
        "fold-weights-not-in-the-batches",
        "training",
        "_training/validation_split.py",
        "weights = self.dataset.weights\n",
        "weights = None\n",
        EARLY_STOPPING,
    ),
    Fault(
        "fold-weights-not-in-the-dataset",
        "training",
        "_training/setup.py",
        "RowDataset(X, self.data.weights, self.device)",
        "RowDataset(X, None, self.device)",
        EARLY_STOPPING,
    ),
    Fault(
        "fold-weights-not-in-the-validation-batches",
        "training",
        "_training/validation_split.py",
        "= torch.from_numpy(weights[fold.numpy()])",
        "= 1",
        EARLY_STOPPING,
    ),
    Fault(
        "fold-weights-not-passed-to-the-folds",
        "training",
        "_training/setup.py",
        "            val_indices,\n            self.data.weights,\n",
        "            val_indices,\n            None,\n",
        EARLY_STOPPING,
    ),
    Fault(
        "fold-weights-not-in-the-pca",
        "initialization",
        "_training/initialization.py",
        "weights = weights[indices.numpy()]",
        "weights = None",
        EARLY_STOPPING,
    ),
    # ---------- validation samples in the PCA of the training samples
    Fault(
        "validation-samples-in-the-pca-of-one-network",
        "initialization",
        "_training/setup.py",
        "        if self.pca is not None and is_small and starts_as_pca:\n",
        "        if False:\n",
        EARLY_STOPPING,
    ),
    Fault(
        "validation-samples-in-the-components-of-one-network",
        "initialization",
        "_training/setup.py",
        "pca = self.pca_of(train_indices)",
        "pca = self.pca",
        EARLY_STOPPING,
    ),
    Fault(
        "validation-samples-in-the-pca-of-folds",
        "initialization",
        "_training/setup.py",
        "[self.pca_of(indices) for indices in train_indices])",
        "[self.pca for _ in train_indices])",
        EARLY_STOPPING,
    ),
    Fault(
        "validation-samples-in-the-components-of-folds",
        "initialization",
        "_training/setup.py",
        "[self.pca_of(indices) for indices in train_indices])",
        "[replace(self.pca_of(indices), components=self.pca.components) for indices in train_indices])",
        EARLY_STOPPING,
    ),
    Fault(
        "validation-samples-in-the-copies-of-folds",
        "training",
        "_training/validation_split.py",
        "        fold_network.init_from_pca(pca)\n",
        "        pass\n",
        EARLY_STOPPING,
    ),
    # ---------- the standard error of a gain
    Fault(
        "gain-compared-with-the-standard-deviation",
        "early-stopping",
        "_training/early_stopping.py",
        " / np.sqrt(len(gains))",
        "",
        EARLY_STOPPING,
    ),
    Fault(
        "standard-error-divided-by-n",
        "early-stopping",
        "_training/early_stopping.py",
        " / np.sqrt(len(gains))",
        " / len(gains)",
        EARLY_STOPPING,
    ),
    # ---------- which objectives need a significant gain
    Fault(
        "significant-gain-for-every-objective",
        "early-stopping",
        "_training/defaults.py",
        "    if not plain:\n        return 0.0\n",
        "",
        EARLY_STOPPING,
    ),
    Fault(
        "significant-gain-for-no-objective",
        "early-stopping",
        "_training/defaults.py",
        "    return 2.0\n",
        "    return 0.0\n",
        EARLY_STOPPING,
    ),
    Fault(
        "significant-gain-with-variational-latents",
        "early-stopping",
        "_training/plan.py",
        "config.bottleneck.is_deterministic and",
        "not config.bottleneck.is_nested and not config.bottleneck.needs_latents and",
        EARLY_STOPPING,
    ),
    Fault(
        "significant-gain-with-a-penalty",
        "early-stopping",
        "_training/plan.py",
        "and config.penalty is None and data.targets is None",
        "and data.targets is None",
        EARLY_STOPPING,
    ),
    Fault(
        "significant-gain-with-targets",
        "early-stopping",
        "_training/plan.py",
        "and config.penalty is None and data.targets is None",
        "and config.penalty is None",
        EARLY_STOPPING,
    ),
]
