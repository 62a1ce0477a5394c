"""The autoencoder of tables."""

from numbers import Integral

from sklearn.utils._param_validation import StrOptions

from skae import _validation as check
from skae._base import BaseAutoencoder
from skae.networks import DenseNetwork

__all__ = ["DenseAutoencoder"]


class DenseAutoencoder(BaseAutoencoder):
    def __init__(
        self,
        n_components="auto",
        *,
        hidden_layer_sizes="auto",
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
        self.hidden_layer_sizes = hidden_layer_sizes
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
        "hidden_layer_sizes": ["array-like", Integral, StrOptions({"auto"})],
    }
    _network_class = DenseNetwork

    def _check_X(self, X, *, reset):
        return check.check_rows(self, X, reset=reset)

    def _network(self, options, n_samples):
        return {**options, "rotated": self.loss == "squared_error"}
