"""HTML representation of fitted autoencoders: summary and layers between scikit-learn's tables."""

import copy
import math
from html import escape

import torch

from skae._devices import uses_default_torch_state
from skae.displays._training import start_name
from skae.networks.layers import OWN_MODULES
from skae.networks.own_modules import module_name

__all__ = ["SummaryMixin", "layers", "summary"]

EQUALS_PCA = (
    "identical to PCA: training did not reduce the validation error significantly. "
    "This is the expected result for linear data"
)
"""Text for a fitted model with the weights of PCA."""

TABLE_TEMPLATE = (
    '<div class="estimator-table"><details{}><summary>{}</summary>'
    '<table class="parameters-table">{}</table></details></div>'
)
"""Markup of scikit-learn's tables, so that its style sheet applies, in light and dark mode."""

CELL_STYLE = 'style="padding: .3em .5em; max-width: 34em"'
"""Style of table cells: long sentences are wrapped."""

MIN_DIGITS, MAX_DIGITS = 3, 9
"""Decimal places of fractions: 0.987 usually, more for fractions close to 1."""


class SummaryMixin:
    """Mixin that adds a summary to scikit-learn's HTML, also inside pipelines and searches."""

    def _get_fitted_attr_html(self, doc_link=""):
        """Return scikit-learn's table of fitted attributes, preceded by the tables of skae."""
        table = super()._get_fitted_attr_html(doc_link)
        # private: without this method, only scikit-learn's table is shown
        attributes_html = getattr(table, "_html_repr", None)
        if attributes_html is not None and hasattr(self, "net_"):
            table._html_repr = lambda: _tables(self) + attributes_html()
        return table


def summary(estimator):
    """Return a description of a fitted autoencoder.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted autoencoder.

    Returns
    -------
    rows : list of (str, str, bool)
        Name, description, and whether the value was selected by "auto".
    """
    network = estimator._spec.network
    module = estimator.net_.module_
    weights = list(module.parameters())
    n_trainable = sum(weight.numel() for weight in weights if weight.requires_grad)
    n_fixed = sum(one.numel() for one in [*weights, *module.buffers()]) - n_trainable
    has_auto_fraction = _is_auto(estimator, "validation_fraction") and estimator.n_held_out_ > 0
    has_auto_widths = _is_auto(estimator, "hidden_layer_sizes", default="auto") and _is_auto(
        estimator, "decoder_hidden_layer_sizes", default="auto"
    )
    rate = f"{estimator.learning_rate_init_:.3g}"
    rows = [
        ("input", _describe_input(estimator), _is_auto(estimator, "image_shape")),
        ("latent vector", _describe_latent(estimator), _is_auto(estimator, "n_components")),
        ("initialization", estimator.init_, _is_auto(estimator, "init")),
        ("explained", _describe_score(estimator), False),
        ("epochs", _describe_epochs(estimator), _is_auto(estimator, "max_iter")),
        ("validation set", _describe_validation(estimator), has_auto_fraction),
        ("hidden layers", _describe_widths(network), has_auto_widths),
        ("hidden units", _describe_units(module.units), False),
        ("weights", f"{n_trainable:,} trainable, {n_fixed:,} fixed", False),
        ("batch size", _count(estimator.batch_size_, "sample"), _is_auto(estimator, "batch_size")),
        ("learning rate", rate, _is_auto(estimator, "learning_rate_init")),
        ("precision", _describe_precision(estimator), _is_auto(estimator, "precision")),
        ("device", str(estimator.net_.device), _is_auto(estimator, "device")),
    ]
    if network.has_own_modules:
        names = [module_name(getattr(network, role)) for role in OWN_MODULES]
        rows[6:8] = [("modules", ", ".join(names), False)]
    if network.convolutional:
        rows.insert(7, ("filters", _describe_filters(network), _is_auto(estimator, "n_filters")))
    return rows


@uses_default_torch_state
def layers(estimator):
    """Return the layers with weights, in the order of the forward pass.

    Output shapes are computed on torch's meta device, so that the cost does not depend on the size
    of the layers. Modules of the user may not support this device, and are applied to a sample.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted autoencoder.

    Returns
    -------
    rows : list of (str, str, str, int)
        Name in ``net_.module_``, class, output shape for one sample, number of weights.
    """
    network = _network_for_shapes(estimator)
    sample = torch.zeros(1, network.n_prepared_features, device=network.whitening.device)
    components = network.components
    rows = [("components", "fixed", f"{len(components):,}", components.numel())]
    weights = {}
    for name, module in network.named_modules():
        n_weights = sum(weight.numel() for weight in module.parameters(recurse=False))
        if n_weights > 0:
            weights[name] = n_weights

    def record(name):
        def hook(module, args, output):
            if isinstance(output, tuple):
                output = output[0]
            shape = " x ".join(f"{n:,}" for n in output.shape[1:])
            rows.append((name, type(module).__name__, shape, weights[name]))

        return hook

    for name in weights:
        network.get_submodule(name).register_forward_hook(record(name))
    with torch.inference_mode():
        network(sample, torch.Generator())
    called = {name for name, *_ in rows}
    for name, n_weights in weights.items():
        if name not in called:  # modules of penalties
            rows.append((name, type(network.get_submodule(name)).__name__, "", n_weights))
    return rows


def _network_for_shapes(estimator):
    """Return a network in evaluation mode to which hooks can be added."""
    if estimator._spec.network.has_own_modules:
        return copy.deepcopy(estimator.net_.module_).cpu().eval()
    return estimator._build_without_memory(estimator._spec.network).eval()


def _tables(estimator):
    """Render the tables of summary and layers."""
    summary_rows = ""
    for name, text, is_auto in summary(estimator):
        cell = escape(text)
        if is_auto:
            cell += " <i>(auto)</i>"
        summary_rows += _render_row([escape(name).replace(" ", "&nbsp;"), cell])
    layer_rows = _render_row(["layer", "kind", "shape", "weights"], "th")
    for *cells, n_weights in layers(estimator):
        layer_rows += _render_row([escape(cell) for cell in (*cells, f"{n_weights:,}")])
    summary_table = TABLE_TEMPLATE.format(" open", "Summary", summary_rows)
    return summary_table + TABLE_TEMPLATE.format("", "Layers", layer_rows)


def _render_row(cells, tag="td"):
    """Render a row of a table."""
    content = "".join(f"<{tag} {CELL_STYLE}>{cell}</{tag}>" for cell in cells)
    return f'<tr class="default">{content}</tr>'


def _is_auto(estimator, name, default=None):
    """Return whether a parameter is "auto"; `default` is the value of a missing parameter."""
    value = getattr(estimator, name, default)
    return isinstance(value, str) and value == "auto"


def _count(n, noun):
    """Return a number with its noun, in the plural unless the number is 1."""
    if n == 1:
        return f"{n:,} {noun}"
    return f"{n:,} {noun}s"


def _describe_input(estimator):
    """Return a description of one sample."""
    dtype = estimator._spec.dtype
    shape = getattr(estimator, "sample_shape_", ())
    if len(shape) > 1:
        return f"samples of shape ({', '.join(map(str, shape))}), {dtype}"
    if not hasattr(estimator, "image_shape_"):
        return f"{_count(estimator.n_features_in_, 'feature')}, {dtype}"
    n_channels, height, width = estimator._layout.size
    if height == 1 and n_channels == 1:
        return f"signals of length {width:,}, {dtype}"
    if estimator._layout.signals:
        return f"signals of length {width:,}, {_count(n_channels, 'channel')}, {dtype}"
    channels = "grayscale"
    if len(estimator.image_shape_) != 2:
        channels = _count(n_channels, "channel")
    if estimator.channel_axis_ == 1:
        channels += " (channels first)"
    elif estimator.channel_axis_ is not None:
        channels += " (channels last)"
    return f"images of {height} x {width} pixels, {channels}, {dtype}"


def _describe_latent(estimator):
    """Return a description of one latent vector."""
    dimensions = _count(estimator.n_components_, "dimension")
    config = estimator._spec.network
    parts = [dimensions]
    bottleneck = config.bottleneck.describe(estimator)
    if bottleneck:
        parts.append(bottleneck)
    if config.penalty is not None:
        parts.append(f"{type(config.penalty).__name__.lower()} penalty")
    return ", ".join(parts)


def _describe_widths(network):
    """Return the widths of the hidden layers."""
    parts = []
    for name in ("encoder", "decoder"):
        widths = getattr(network, f"{name}_sizes")
        if widths:
            parts.append(f"{name} {', '.join(f'{width:,}' for width in widths)}")
    return "; ".join(parts) or "none"


def _describe_units(units):
    """Return activation, normalization and dropout of the hidden layers."""
    parts = [units.activation]
    if not isinstance(units.activation, str):
        parts = [units.activation.__name__]
    if units.normalization is not None:
        parts.append(f"{units.normalization} normalization")
    if units.dropout:
        parts.append(f"dropout {units.dropout:g}")
    return ", ".join(parts)


def _describe_filters(network):
    """Return the number of channels of the first convolution, or of all of the encoder."""
    if isinstance(network.n_filters, tuple):
        return ", ".join(f"{n:,}" for n in network.n_filters)
    return f"{network.n_filters:,}"


def _describe_score(estimator):
    """Return the fraction explained on the validation set, and the fraction before training."""
    scores = estimator.validation_scores_
    if hasattr(estimator, "explained_variance_ratio_"):
        fraction = _format_fraction(estimator.explained_variance_ratio_.sum())
        if scores:
            return f"{fraction} of the variance of the validation set"
        return f"{fraction} of the variance of the training set"
    if not scores:
        if estimator.n_held_out_:
            return "unknown: the validation set is constant"
        return "unknown: no validation set"
    fraction = _format_fraction(estimator.best_validation_score_)
    text = f"{fraction} of the {_score_unit(estimator)}"
    is_pca = start_name(estimator) == "PCA"
    if estimator.best_iter_ > 0:
        initial = "PCA"
        if not is_pca:
            initial = "initial network"
        return f"{text}; {initial} {_format_fraction(scores[0])}"
    if is_pca:
        return f"{text}; {EQUALS_PCA}"
    return f"{text}; identical to the initial network: training did not improve it"


def _score_unit(estimator):
    """Return the quantity that validation scores are fractions of."""
    unit = "loss of the mean on the validation set"
    if estimator._spec.loss.rotation_invariant:
        unit = "variance of the validation set"
    if estimator._spec.network.draws_noise:
        unit += ", with noise as in training"
    return unit


def _format_fraction(fraction):
    """Format a fraction with enough digits for two significant ones in its difference from 1."""
    n_digits = MIN_DIGITS
    if math.isfinite(fraction) and fraction < 1:
        n_digits = 1 - math.floor(math.log10(1 - fraction))
        n_digits = max(MIN_DIGITS, min(MAX_DIGITS, n_digits))
    return f"{fraction:.{n_digits}f}"


def _describe_precision(estimator):
    """Return the data types of matrix products in training and inference."""
    if estimator.precision_ == "float32":
        return "float32"
    return f"{estimator.precision_} in training, float32 in inference"


def _describe_epochs(estimator):
    """Return the number of epochs, and the epoch of the selected weights."""
    n_epochs, best = estimator.n_iter_, estimator.best_iter_
    text = f"{n_epochs:,} trained"
    if n_epochs < estimator.max_iter_:
        text = f"{n_epochs:,} of {estimator.max_iter_:,} trained"
    if best == n_epochs:
        return text
    if best == 0:
        return f"{text}, initial weights selected"
    return f"{text}, weights of epoch {best:,} selected"


def _describe_validation(estimator):
    """Return the number of samples in the validation set, and the number of folds."""
    if not estimator.n_held_out_:
        return "none"
    samples = _count(estimator.n_held_out_, "sample")
    if estimator.n_folds_ > 1:
        return f"all {samples} in {estimator.n_folds_} folds"
    return samples
