"""What is kept of a fitted estimator with a network, in pickles, copies and files, and how it is built again from that."""

import copy
from contextlib import contextmanager

import numpy as np
import sklearn
import torch

from skae import _validation as check
from skae._net import bare_net
from skae._settings import compile_settings
from skae._version import __version__
from skae._warning import advise

__all__ = ["KeepsNetwork", "compare_versions", "unchanged_on_error", "versions"]


class KeepsNetwork:
    """State of estimators with a skorch net, `net_`, whose network can be built from what fit recorded, ``_spec["network"]``.

    Every other attribute is kept as it is, whichever there are.
    """

    _network_class: type[torch.nn.Module]

    def __getstate__(self):
        """Give what is pickled.

        Always: the parameters, the fitted numbers, the recorded shape of the network, its weights as arrays, and which versions
        made them. Never: the net with its optimizer, training data, a device.
        """
        state = super().__getstate__().copy()
        if "net_" in state:
            weights = state.pop("net_").module_.state_dict()
            state["_weights"] = {name: weight.cpu().numpy() for name, weight in weights.items()}
            state["_versions"] = versions()
        return state

    def __setstate__(self, state):
        """Rebuild the network from what was recorded in fit, whatever the parameters say by now."""
        state = dict(state)
        weights, made_by = state.pop("_weights", None), state.pop("_versions", {})
        super().__setstate__(state)
        if weights is not None:
            compare_versions(f"This {type(self).__name__}", made_by)
            network = self._build(self._spec["network"])
            network.load_state_dict({name: torch.from_numpy(np.array(weight)) for name, weight in weights.items()})
            device = check.resolve_device(self.device, fall_back=True)
            self.net_ = bare_net(network, device, **compile_settings(self.net_params))

    def __copy__(self):
        """Share the network: a shallow copy doesn't go through the pickled state."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    @classmethod
    def _build(cls, options):
        """Make a network without touching any random state."""
        with torch.device("meta"):
            network = cls._network_class(**options)
        return network.to_empty(device="cpu")


def versions():
    """Give the versions that matter for what a fitted estimator computes."""
    return {"skae": __version__, "scikit-learn": sklearn.__version__, "torch": torch.__version__.split("+")[0]}


def compare_versions(what, made_by):
    """Warn where versions differ by more than the last number.

    Parameters
    ----------
    what : str
        What was made by them, as the beginning of a sentence.
    made_by : dict of str
        As `versions` gave them.
    """
    for name, now in versions().items():
        then = made_by.get(name, now)
        if then.split(".")[:2] != now.split(".")[:2]:
            advise(f"{what} was written with {name} {then}, and is read with {name} {now}: results may differ.")


@contextmanager
def unchanged_on_error(estimator):
    """Take back every change of the fitted state if a fit can't be done, or is broken off."""
    before = copy.copy(vars(estimator))
    try:
        yield
    except BaseException:
        # what scikit-learn's callbacks left here is taken down later, by the decorator around fit
        kept = {name: value for name, value in vars(estimator).items() if name.startswith(("_callback", "_skl_"))}
        vars(estimator).clear()
        vars(estimator).update(before, **kept)
        raise
