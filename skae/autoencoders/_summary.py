"""Text representation of fitted autoencoders: resolved parameters and layers."""

from sklearn.utils.validation import check_is_fitted

from skae.autoencoders._html import layers, summary

__all__ = ["TextSummaryMixin"]

HEADER = ("layer", "kind", "shape", "weights")
"""Titles of the columns of a table of layers."""


class TextSummaryMixin:
    """Mixin that adds the method `summary`."""

    def summary(self) -> str:
        """Return a description of the fitted autoencoder as text.

        The first part has shapes, epochs, validation and the values of "auto". The second part has
        one line for each layer: its name in ``net_.module_``, its class, the shape of its output
        for one sample, and the number of its weights.

        Returns
        -------
        text : str
            Lines of text, for ``print``.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skae import DenseAutoencoder
        >>> autoencoder = DenseAutoencoder(2, hidden_layer_sizes=(8,), random_state=0)
        >>> text = autoencoder.fit(load_iris().data).summary()
        >>> print(text[text.index("layer ") :])
        layer                     kind    shape  weights
        components                fixed   4           16
        trunk.encoder_linear      Linear  2            8
        trunk.encoder_hidden.0.0  Linear  8           40
        trunk.encoder_last        Linear  2           18
        trunk.decoder_linear      Linear  4            8
        trunk.decoder_hidden.0    Linear  8           24
        trunk.decoder_skip        Linear  8           16
        trunk.decoder_last        Linear  4           36
        """
        check_is_fitted(self)
        lines = [type(self).__name__, ""]
        lines += _table(_parameter_cells(self))
        lines.append("")
        lines += _table([HEADER, *_layer_cells(self)], n_right=1)
        return "\n".join(lines)


def _parameter_cells(estimator):
    """Return pairs of a name and a description."""
    cells = []
    for name, text, is_auto in summary(estimator):
        if is_auto:
            text += " (auto)"
        cells.append((name, text))
    return cells


def _layer_cells(estimator):
    """Return name, class, output shape and number of weights of each layer."""
    return [(*cells, f"{n_weights:,}") for *cells, n_weights in layers(estimator)]


def _table(rows, n_right=0):
    """Return rows of cells as aligned lines; the last `n_right` columns are aligned right."""
    n_columns = len(rows[0])
    widths = [max(len(row[i]) for row in rows) for i in range(n_columns)]
    lines = []
    for row in rows:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            if i >= n_columns - n_right:
                cells.append(cell.rjust(width))
            else:
                cells.append(cell.ljust(width))
        lines.append("  ".join(cells).rstrip())
    return lines
