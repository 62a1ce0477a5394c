"""What a notebook shows of a fitted autoencoder between its parameters and its attributes, which scikit-learn shows."""

import math
from html import escape

import torch

__all__ = ["SummaryMixin", "layers", "start_name", "summary"]

KEPT = "that is PCA: training gained nothing sure over it. Where data are linear, this is the right outcome"
"""Said where the result is PCA."""

FOLDED = (
    '<div class="estimator-table"><details{}><summary>{}</summary><table class="parameters-table">{}</table></details></div>'
)
"""The markup of scikit-learn's own tables, whose style sheet it uses, in light and in dark."""

STYLE = 'style="padding: .3em .5em; max-width: 34em"'
"""Of cells: a sentence is broken rather than making everything wide."""


class SummaryMixin:
    """Adds what was fitted to scikit-learn's HTML, also where that shows a step of a Pipeline, or the best of a search."""

    def _get_fitted_attr_html(self, doc_link=""):
        """Give scikit-learn's table of fitted attributes, with ours before it."""
        found = super()._get_fitted_attr_html(doc_link)
        attributes = getattr(found, "_html_repr", None)  # private: without it, there is scikit-learn's table alone
        if attributes is not None and hasattr(self, "net_"):
            found._html_repr = lambda: _tables(self) + attributes()
        return found


def start_name(estimator):
    """Say what the first of the scores of rows held out is that of: "PCA", or only the "start".

    The network before its first step is PCA, but codes that are judged with noise, or through a sigmoid, are not PCA's.
    """
    network = estimator._spec["network"]
    same = network["bottleneck"] == "deterministic" and network["output"] == "linear"
    return "PCA" if same and estimator.init_.split(",")[0] == "pca" else "start"


def summary(estimator):
    """Tell in words what was fitted.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.

    Returns
    -------
    rows : list of (str, str, bool)
        What it is about, what there is to say, and whether that was chosen automatically.
    """
    network, weights = estimator._spec["network"], estimator.net_.module_
    learned = sum(weight.numel() for weight in weights.parameters())
    fixed = sum(weight.numel() for weight in weights.buffers())
    rows = [
        ("input", _input(estimator), _auto(estimator, "image_shape")),
        ("code", _code(estimator), _auto(estimator, "n_components")),
        ("start", estimator.init_, _auto(estimator, "init")),
        ("explained", _explained(estimator), False),
        ("epochs", _epochs(estimator), _auto(estimator, "max_iter")),
        ("held out", _held_out(estimator), _auto(estimator, "validation_fraction") and estimator.n_held_out_ > 0),
        ("hidden layers", _widths(network), _auto(estimator, "hidden_layer_sizes", missing=True)),
        ("weights", f"{learned:,} learned, {fixed:,} fixed", False),
        ("batches", f"{estimator.batch_size_:,} samples", _auto(estimator, "batch_size")),
        ("learning rate", f"{estimator.learning_rate_init_:.3g}", _auto(estimator, "learning_rate_init")),
        ("precision", _precision(estimator), _auto(estimator, "precision")),
        ("device", str(estimator.net_.device), _auto(estimator, "device")),
    ]
    if "n_filters" in network:
        rows.insert(7, ("filters", str(network["n_filters"]), _auto(estimator, "n_filters")))
    return rows


def layers(estimator):
    """List what has weights, in the order in which a sample passes, under the names of ``net_.module_``.

    Shapes are found with a network that has no numbers in it, so that this costs no more for large layers than for small ones.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.

    Returns
    -------
    rows : list of (str, str, str, int)
        Name, kind, shape of what one sample becomes, number of weights.
    """
    with torch.device("meta"):
        network = estimator._network_class(**estimator._spec["network"]).eval()
        sample = torch.empty(1, network.n_working)
    fixed = network.components
    rows = [("components", "fixed", f"{len(fixed):,}", fixed.numel())]

    def note(name):
        def hook(module, args, out):
            out = out[0] if isinstance(out, tuple) else out
            shape = " x ".join(f"{n:,}" for n in out.shape[1:])
            count = sum(weight.numel() for weight in module.parameters(recurse=False))
            rows.append((name, type(module).__name__, shape, count))

        return hook

    for name, module in network.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_hook(note(name))
    with torch.inference_mode():
        network(sample, torch.Generator())
    return rows


def _tables(estimator):
    """Render both."""
    shown = "".join(
        _row([escape(name).replace(" ", "&nbsp;"), escape(text) + (" <i>(auto)</i>" if auto else "")])
        for name, text, auto in summary(estimator)
    )
    found = _row(["layer", "kind", "shape", "weights"], "th")
    found += "".join(_row([escape(part) for part in (*row[:3], f"{row[3]:,}")]) for row in layers(estimator))
    return FOLDED.format(" open", "Summary", shown) + FOLDED.format("", "Layers", found)


def _row(cells, tag="td"):
    """Render a row of a table."""
    return f'<tr class="default">{"".join(f"<{tag} {STYLE}>{cell}</{tag}>" for cell in cells)}</tr>'


def _auto(estimator, name, *, missing=False):
    """Say whether a parameter was left to skae; `missing` is for those that not all estimators have."""
    value = getattr(estimator, name, "auto" if missing else None)
    return isinstance(value, str) and value == "auto"


def _input(estimator):
    """Say what a sample is."""
    dtype, shape = estimator._spec["dtype"], getattr(estimator, "image_shape_", None)
    if shape is None:
        return f"{estimator.n_features_in_:,} numbers, {dtype}"
    channels, height, width = estimator._layout.size
    if height == 1 and channels == 1:
        return f"signals of {width:,} numbers, {dtype}"
    colour = "grey" if len(shape) == 2 else f"{channels} channel{'s' if channels > 1 else ''}"
    where = "" if estimator.channel_axis_ is None else " that come first" if estimator.channel_axis_ == 1 else " that come last"
    return f"images of {height} x {width} pixels, {colour}{where}, {dtype}"


def _code(estimator):
    """Say what a code is."""
    network, k = estimator._spec["network"], estimator.n_components_
    text = f"{k:,} number{'s' if k > 1 else ''}"
    kind = network["bottleneck"]
    if kind == "quantized":
        n_codebooks, size, length = estimator.codebooks_.shape
        return f"{text}, quantized: {n_codebooks} codebooks of {size} vectors of {length}"
    return text if kind == "deterministic" else f"{text}, {'for few bits' if kind == 'rate' else kind}"


def _widths(network):
    """Say how wide hidden layers are."""
    parts = [
        f"{name} {', '.join(f'{width:,}' for width in network[f'{name}_sizes'])}"
        for name in ("encoder", "decoder")
        if network[f"{name}_sizes"]
    ]
    return "; ".join(parts) or "none"


def _explained(estimator):
    """Say how well rows held out are reconstructed, and how well the start did."""
    scores = estimator.validation_scores_
    if hasattr(estimator, "explained_variance_ratio_"):
        held = "held out" if scores else "learned from"
        return f"{_share(estimator.explained_variance_ratio_.sum())} of the variance of samples {held}"
    if not scores:
        return f"not known: {'what was held out does not vary' if estimator.n_held_out_ else 'no samples were held out'}"
    loss = {"squared_error": "variance"}.get(estimator._spec["parameters"]["loss"], "loss of the mean")
    noise = ", with noise as in training" if estimator._spec["network"]["bottleneck"] in ("variational", "rate") else ""
    name = start_name(estimator)
    found = f"{_share(estimator.best_validation_score_)} of the {loss} of samples held out{noise}"
    if estimator.best_iter_ == 0:
        return f"{found}; {KEPT if name == 'PCA' else 'that is the start, over which training gained nothing'}"
    return f"{found}; {'PCA' if name == 'PCA' else 'the start'} {_share(scores[0])}"


def _share(number):
    """Write a share so that what is missing to 1 has two digits that count."""
    digits = 3 if not math.isfinite(number) or number >= 1 else max(3, min(9, 1 - math.floor(math.log10(1 - number))))
    return f"{number:.{digits}f}"


def _precision(estimator):
    """Say what products are computed in."""
    return "float32" if estimator.precision_ == "float32" else f"{estimator.precision_} in training, float32 in use"


def _epochs(estimator):
    """Say how many epochs were trained, and which was taken."""
    n, most, best = estimator.n_iter_, estimator.max_iter_, estimator.best_iter_
    trained = f"{n:,} trained" if n >= most else f"{n:,} of {most:,} trained"
    return trained if best == n else f"{trained}, weights {f'after {best:,}' if best else 'of the start'} taken"


def _held_out(estimator):
    """Say which rows judged."""
    if not estimator.n_held_out_:
        return "none"
    folds = f", each once, in {estimator.n_folds_} folds" if estimator.n_folds_ > 1 else ""
    return f"{'all ' if folds else ''}{estimator.n_held_out_:,} samples{folds}"
