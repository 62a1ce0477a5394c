"""State of a net in training: weights, optimizer, history and callbacks."""

import torch

from skae._training.checkpoint_values import check_fields, check_tensors
from skae._warnings import warn_user

__all__ = ["apply_net_state", "check_net_state", "load_history", "net_state", "plain_records"]

NET_FIELDS = {
    "weights": dict,
    "optimizer": dict,
    "groups": list,
    "history": list,
    "callbacks": dict,
    "n_steps": int,
    "parts": int,
    "usual_norm": (torch.Tensor, type(None)),
    "lowest_loss": float,
}

PLAIN_TYPES = (bool, int, float, str, type(None))


def net_state(net, *, within_epoch):
    """Return the state of a net between two steps.

    Parameters
    ----------
    net : AutoencoderNet
        In training.
    within_epoch : bool
        Whether the epoch is not at its end. Its record in the history is then left out.

    Returns
    -------
    state : dict
        Plain values and tensors.
    """
    optimizer = net.optimizer_.state_dict()
    history = list(net.history)
    if within_epoch:
        history = history[:-1]
    return {
        "weights": dict(net.module_.state_dict()),
        "optimizer": {index: dict(state) for index, state in optimizer["state"].items()},
        "groups": plain_records(optimizer["param_groups"]),
        "history": plain_records(history),
        "callbacks": {
            name: callback.state_dict()
            for name, callback in net.callbacks_
            if hasattr(callback, "state_dict")
        },
        "n_steps": net.n_steps_,
        "parts": net.parts,
        "usual_norm": net.usual_norm_,
        "lowest_loss": float(net.lowest_loss_),
    }


def plain_records(records):
    """Return records, such as the epochs of a history, with their plain values alone."""
    return [
        {name: value for name, value in record.items() if isinstance(value, PLAIN_TYPES)}
        for record in records
    ]


def load_history(history, records):
    """Fill a history of skorch from its records."""
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("Got a history without epochs.")
    history.clear()
    for record in records:
        history.new_epoch()
        history[-1].update(record)
        if "train_loss" in record:  # some of skorch's callbacks read the last batch
            history.new_batch()
            history.record_batch("train_loss", record["train_loss"])


def check_net_state(state, net):
    """Raise a ValueError if a state does not suit a net."""
    check_fields(state, NET_FIELDS, "a net")
    check_tensors(state["weights"], net.module_.state_dict())
    if state["n_steps"] < 0 or state["parts"] < 1:
        raise ValueError("Got a net with a negative number of steps or parts.")
    weights = _weights_of_optimizer(net)
    groups = net.optimizer_.param_groups
    if len(state["groups"]) != len(groups) or not set(state["optimizer"]) <= set(weights):
        raise ValueError("Got the state of another optimizer.")
    for group, saved in zip(groups, state["groups"], strict=True):
        if not set(saved) <= {*group, "initial_lr"} - {"params"}:
            raise ValueError("Got other parameters of an optimizer.")
    for index, values in state["optimizer"].items():
        for name, value in values.items():
            is_tensor = isinstance(value, torch.Tensor)
            if is_tensor and not bool(torch.isfinite(value).all()):
                raise ValueError(f"Got the state of an optimizer with {name} that is not finite.")
            if is_tensor and value.ndim > 0 and value.ndim != weights[index].ndim:
                raise ValueError(f"Got {name} of an optimizer of shape {tuple(value.shape)}.")
    if not all(isinstance(record, dict) for record in state["history"]):
        raise ValueError("Got a history without epochs.")


def _weights_of_optimizer(net):
    """Return the weights of the optimizer by their index in its state."""
    weights = {}
    for group in net.optimizer_.param_groups:
        for weight in group["params"]:
            weights[len(weights)] = weight
    return weights


def apply_net_state(state, net):
    """Load a checked state into a net at the beginning of a training."""
    net.module_.load_state_dict(state["weights"])
    _load_optimizer(state, net)
    usual_norm = state["usual_norm"]
    if usual_norm is not None:
        usual_norm = usual_norm.to(net.device)
    net.set_progress(state["n_steps"], state["parts"], state["lowest_loss"], usual_norm)
    load_history(net.history, state["history"])
    _load_callbacks(state["callbacks"], net)


def _load_optimizer(state, net):
    """Load the state of an optimizer, in the memory format of the weights."""
    weights = _weights_of_optimizer(net)
    restored = net.optimizer_.state_dict()
    restored["state"] = {
        index: {name: _like(value, weights[index]) for name, value in values.items()}
        for index, values in state["optimizer"].items()
    }
    for group, saved in zip(restored["param_groups"], state["groups"], strict=True):
        group.update(saved)
    net.optimizer_.load_state_dict(restored)


def _like(value, weight):
    """Return a tensor of the optimizer with device and memory format of a weight."""
    if not isinstance(value, torch.Tensor) or value.shape != weight.shape:
        return value
    return torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _load_callbacks(states, net):
    """Load the states of callbacks, and warn about callbacks without one."""
    forgetful = []
    for name, callback in net.callbacks_:
        if name in states and hasattr(callback, "load_state_dict"):
            callback.load_state_dict(states[name])
        else:
            forgetful.append(name)
    if forgetful:
        warn_user(
            f"The fit is resumed, but the callbacks {', '.join(forgetful)} begin anew, because "
            "they have no state_dict and load_state_dict."
        )
