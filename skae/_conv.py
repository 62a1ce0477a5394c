"""The autoencoder of images."""

from numbers import Integral

from skae import _validation as check
from skae._base import BaseAutoencoder
from skae._layout import find_layout
from skae._validation import Interval, Options, StrOptions
from skae.networks import ConvNetwork
from skae.networks.grid import Grid

__all__ = ["ConvAutoencoder"]


class ConvAutoencoder(BaseAutoencoder):
    def __init__(
        self,
        n_components="auto",
        *,
        n_filters="auto",
        image_shape="auto",
        channel_axis=-1,
        activation="gelu",
        init="auto",
        loss="squared_error",
        solver="adamw",
        learning_rate_init="auto",
        batch_size="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction=0.1,
        warm_start=False,
        device="auto",
        precision="auto",
        net_params=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.n_filters = n_filters
        self.image_shape = image_shape
        self.channel_axis = channel_axis
        self.activation = activation
        self.init = init
        self.loss = loss
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "n_filters": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "image_shape": ["array-like", StrOptions({"auto"})],
        "channel_axis": [Options(Integral, {-3, -1, 1, 3})],
    }
    _network_class = ConvNetwork

    def _check_X(self, X, *, reset):
        layout = find_layout(X, self.image_shape, self.channel_axis) if reset else self._layout
        rows = check.check_rows(self, layout.rows(X), reset=reset)
        if reset:
            self._layout, self.image_shape_ = layout, layout.image_shape
        return rows

    def _view(self):
        layout = self._layout
        return Grid(*layout.size, layout.channels_first).view

    def _network(self, options, n_samples):
        layout = self._layout
        filters = 16 if self.n_filters == "auto" else self.n_filters
        return {
            **options,
            "image_size": layout.size,
            "channels_first": layout.channels_first,
            "n_filters": filters,
        }

    def _shape(self, rows, shape):
        return self._layout.restore(rows, shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
