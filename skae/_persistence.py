"""State of fitted estimators in pickles, copies and files, and the version check on loading."""

import copy
import re
from contextlib import contextmanager

import numpy as np
import sklearn
import torch

from skae._devices import resolve_device, uses_default_torch_state
from skae._training.net import make_net
from skae._training.net_params import compile_settings
from skae._version import __version__
from skae._warnings import warn_user

__all__ = ["NetworkPersistenceMixin", "compare_versions", "restore_state_on_error", "versions"]

COMPILE_VALUES = {
    "compile": (True, False),
    "compile__disable": (True, False),
    "compile__dynamic": (True, False, None),
    "compile__fullgraph": (True, False),
    "compile__mode": (
        "default",
        "reduce-overhead",
        "max-autotune",
        "max-autotune-no-cudagraphs",
    ),
}
"""Settings of torch.compile in `net_params` that a restored estimator keeps, and their values.

Others, such as ``compile__options``, are arguments of a compiler that can run commands.
"""


TOO_LARGE = "overflow|Overflow|can't allocate memory|not enough memory"
"""Parts of torch's messages about tensors of more bytes than memory or 64-bit integers hold."""


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
        state.pop("_folds", None)  # with them the state would be up to six times as large
        if "net_" in state:
            weights = state.pop("net_").module_.state_dict()
            state["_weights"] = {name: weight.cpu().numpy() for name, weight in weights.items()}
            state["_versions"] = versions()
        return state

    def __setstate__(self, state):
        """Restore the state of a pickle or of a skops file, with the network that was fitted.

        The network comes from the recorded options, because parameters may have changed since.
        Options of torch.compile that reach a compiler's command line are dropped with a warning.
        """
        self._restore({**state, **_checked_net_params(state, type(self).__name__)})

    def _restore(self, state):
        """Restore the state of an estimator of this process, or a checked state."""
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

    def __deepcopy__(self, memo):
        """Return a deep copy, which keeps all options of torch.compile."""
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new._restore(copy.deepcopy(self.__getstate__(), memo))
        return new

    def __copy__(self):
        """Return a shallow copy that shares the network.

        The default implementation would copy the network through the pickled state.
        """
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    @classmethod
    @uses_default_torch_state
    def _build(cls, config, seed=0):
        """Build a network on the CPU, with undefined weights.

        Modules of bottleneck and penalty draw their own weights, because they may be classes of the
        user. The random state of the caller does not change.
        """
        try:
            network = cls._build_without_memory(config)._apply(_allocate)
        except (RuntimeError, TypeError) as error:
            if not re.search(TOO_LARGE, str(error)):
                raise
            raise ValueError(
                "Got a network that is too large for the memory. Decrease n_components, "
                "hidden_layer_sizes, n_filters or codebook_size."
            ) from error
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            config.add_option_modules(network)
        return network

    @classmethod
    @uses_default_torch_state
    def _build_without_memory(cls, config):
        """Build a network on torch's meta device."""
        with torch.device("meta"):
            return cls._network_class(**config.options())


def _allocate(tensor):
    """Return a tensor with undefined values on the CPU for a tensor without memory."""
    if tensor.is_meta:
        return torch.empty_like(tensor, device="cpu")
    return tensor


def _checked_net_params(state, name):
    """Return the part of a state that replaces unchecked options of torch.compile."""
    net_params = state.get("net_params")
    if not isinstance(net_params, dict):
        return {}
    kept, dropped = {}, []
    for key, value in net_params.items():
        is_compile = isinstance(key, str) and key.partition("__")[0] == "compile"
        if is_compile and not _is_plain_compile_value(key, value):
            dropped.append(key)
        else:
            kept[key] = value
    if not dropped:
        return {}
    warn_user(
        f"This {name} was read with {', '.join(dropped)} in net_params, which is dropped: options "
        "of torch.compile can run commands. Set them again with set_params."
    )
    return {"net_params": kept}


def _is_plain_compile_value(key, value):
    """Return whether a setting of torch.compile is one of `COMPILE_VALUES`."""
    is_plain = value is None or type(value) in (bool, str)
    return is_plain and value in COMPILE_VALUES.get(key, ())


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
