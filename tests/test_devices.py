"""Device selection."""

import pytest
import torch

from skae._devices import resolve_device


def test_the_cpu_is_always_available():
    """The name of the CPU is always valid, and "auto" is CUDA, then MPS, then CPU."""
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("cpu:0").type == "cpu"
    expected = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    assert resolve_device("auto").type == expected


def test_auto_prefers_cuda_then_mps(monkeypatch):
    """The device "auto" is CUDA where there is CUDA, else MPS where there is MPS."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto").type == "cuda"
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("cuda").type == "cuda"


@pytest.mark.parametrize("device", ["cuda:99", "meta", "gpu", "", "cuda:x"])
def test_an_unavailable_device_is_an_error(device):
    """The error has the given device and the available ones."""
    with pytest.raises(ValueError, match=rf"device='{device}'.*'cpu'\]"):
        resolve_device(device)


def test_a_loaded_model_falls_back_to_the_cpu():
    """With fall_back, an unavailable device becomes the CPU, with a warning."""
    with pytest.warns(UserWarning, match=r"device='cuda:99'.*CPU"):
        assert resolve_device("cuda:99", fall_back=True) == torch.device("cpu")
