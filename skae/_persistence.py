"""State of fitted estimators in pickles, copies and files, and the version check on loading."""

import copy
from contextlib import contextmanager

import numpy as np
import sklearn
import torch

from skae._devices import resolve_device
from skae._training.net import make_net
from skae._training.net_params import compile_settings
from skae._version import __version__
from skae._warnings import warn_user

__all__ = ["NetworkPersistenceMixin", "compare_versions", "restore_state_on_error", "versions"]


class NetworkPersistenceMixin:
    """Mixin for estimators with a skorch net `net_`.

    The pickled state holds the network as options, ``_spec.network``, and weights. Every other
    attribute is pickled unchanged.
    """

    _network_class: type[torch.nn.Module]

    def __getstate__(self):
        """Return the state to pickle.

        The state holds parameters, fitted attributes, network options, weights as arrays, and the
        library versions. It never holds the net with its optimizer, training data or a device.
        """
        state = super().__getstate__().copy()
        if "net_" in state:
            weights = state.pop("net_").module_.state_dict()
            state["_weights"] = {name: weight.cpu().numpy() for name, weight in weights.items()}
            state["_versions"] = versions()
        return state

    def __setstate__(self, state):
        """Restore the state, with the network that was fitted.

        The network comes from the recorded options, because parameters may have changed since.
        """
        state = dict(state)
        weights = state.pop("_weights", None)
        saved_versions = state.pop("_versions", {})
        super().__setstate__(state)
        if weights is None:
            return
        compare_versions(f"This {type(self).__name__}", saved_versions)
        network = self._build(self._spec.network)
        network.load_state_dict(
            {name: torch.from_numpy(np.array(weight)) for name, weight in weights.items()}
        )
        device = resolve_device(self.device, fall_back=True)
        self.net_ = make_net(network, device, **compile_settings(self.net_params))

    def __copy__(self):
        """Return a shallow copy that shares the network.

        The default implementation would copy the network through the pickled state.
        """
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    @classmethod
    def _build(cls, config):
        """Build a network on the CPU, with undefined weights and without random numbers."""
        with torch.device("meta"):
            network = cls._network_class(**config.options())
        return network.to_empty(device="cpu")


def versions():
    """Return the versions of the libraries that affect the output of a fitted estimator."""
    return {
        "skae": __version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__.split("+")[0],
    }


def compare_versions(subject, saved_versions):
    """Warn about libraries with a different major or minor version.

    Parameters
    ----------
    subject : str
        Saved object, as the first words of the message.
    saved_versions : dict of str
        Return value of `versions` when the object was saved.
    """
    for name, current in versions().items():
        saved = saved_versions.get(name, current)
        if saved.split(".")[:2] != current.split(".")[:2]:
            warn_user(
                f"{subject} was written with {name} {saved}, and is read with {name} {current}: "
                "results may differ."
            )


@contextmanager
def restore_state_on_error(estimator):
    """Restore the attributes of an estimator if its fit raises an error or is interrupted."""
    before = copy.copy(vars(estimator))
    try:
        yield
    except BaseException:
        # scikit-learn's callback attributes stay: the decorator of fit removes them later
        callback_state = {
            name: value
            for name, value in vars(estimator).items()
            if name.startswith(("_callback", "_skl_"))
        }
        vars(estimator).clear()
        vars(estimator).update(before, **callback_state)
        raise
