"""Other packages for `speed.py`: each function fits one of them and returns the seconds and the test errors."""

import contextlib
import importlib
import io
import os
import tempfile

import numpy as np
import torch
from common import (
    as_channels_first,
    as_floats,
    flat,
    in_chunks,
    mean_squared_error,
    timed,
    torch_device,
)
from sklearn.neural_network import MLPRegressor

__all__ = ["PEERS", "available_peers"]


def run_mlp(X, T, args, seed):
    """Fit scikit-learn's MLPRegressor with its input as target."""
    model = MLPRegressor(
        hidden_layer_sizes=(512, args.k, 512), max_iter=args.epochs, random_state=seed
    )
    rows = as_floats(flat(X))
    seconds, model = timed(lambda: model.fit(rows, rows))
    X_test = as_floats(flat(T))
    return seconds, [mean_squared_error(X_test, model.predict(X_test))]


def run_keras(X, T, args, seed):
    """Fit the textbook layers in Keras on torch, with the same optimizer, learning rate and batch size."""
    os.environ["KERAS_BACKEND"] = "torch"  # before the first import
    import keras
    from keras import layers

    if keras.backend.backend() != "torch":
        raise ImportError(f"keras was imported before with the backend {keras.backend.backend()}")
    # the order of torch, in which Keras is faster than in its own order
    keras.config.set_image_data_format("channels_first")
    keras.utils.set_random_seed(seed)

    def fit():
        images = as_channels_first(X)
        channels, height, width = images.shape[1:]
        inner = (64, height // 4, width // 4)
        model = keras.Sequential(
            [
                keras.Input(images.shape[1:]),
                layers.Conv2D(32, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(64, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(args.k),
                layers.Dense(int(np.prod(inner)), activation="relu"),
                layers.Reshape(inner),
                layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
                layers.Conv2DTranspose(channels, 3, strides=2, padding="same"),
            ]
        )
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
        model.fit(images, images, batch_size=64, epochs=args.epochs, verbose=0)
        return model

    seconds, model = timed(fit)
    X_test = as_channels_first(T)
    return seconds, [mean_squared_error(X_test, model.predict(X_test, batch_size=1000, verbose=0))]


def run_pyod(X, T, args, seed):
    """Fit PyOD's AutoEncoder, with the latent layer as its last hidden layer, on pixels in [0, 1]."""
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(
        preprocessing=False,
        hidden_neuron_list=[64, args.k],
        epoch_num=args.epochs,
        random_state=seed,
        verbose=0,
    )
    seconds, _ = timed(lambda: model.fit(as_floats(flat(X))))
    # decision_function returns the Euclidean norm of the residual
    distances = model.decision_function(as_floats(flat(T)))
    return seconds, [float(np.square(distances).mean() / flat(T).shape[1])]


def run_pythae(X, T, args, seed):
    """Fit Pythae's AE with its default network and the learning rate of the textbook loop."""
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    images, X_test = as_channels_first(X), as_channels_first(T)
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder, num_epochs=args.epochs, learning_rate=1e-3, seed=seed
        )
        settings.no_cuda = torch_device(args.device) == "cpu"
        model = AE(AEConfig(input_dim=images.shape[1:], latent_dim=args.k))
        seconds, _ = timed(lambda: TrainingPipeline(model=model, training_config=settings)(images))
    device = next(model.parameters()).device
    found = in_chunks(lambda x: model({"data": x}).recon_x, torch.from_numpy(X_test), device)
    return seconds, [mean_squared_error(X_test, found)]


def run_encdr(X, T, args, seed):
    """Fit encdr with default settings except for sizes and epochs, on pixels in [0, 1]."""
    from encdr import ENCDR

    model = ENCDR(
        hidden_dims=[512],
        latent_dim=args.k,
        max_epochs=args.epochs,
        standardize=False,
        random_state=seed,
        trainer_kwargs={"enable_progress_bar": False, "enable_model_summary": False},
    )
    seconds, _ = timed(lambda: model.fit(as_floats(flat(X))))
    X_test = as_floats(flat(T))
    return seconds, [mean_squared_error(X_test, model.predict(X_test))]


PEERS = {
    "mlp": ("MLPRegressor 512-k-512, {epochs} epochs", run_mlp, ["sklearn"]),
    "keras": ("textbook layers in Keras on torch, {epochs} epochs", run_keras, []),
    "pyod": ("PyOD AutoEncoder, {epochs} epochs", run_pyod, ["pyod.models.auto_encoder"]),
    "pythae": (
        "Pythae AE, {epochs} epochs",
        run_pythae,
        ["pythae.models", "pythae.pipelines", "pythae.trainers"],
    ),
    "encdr": ("encdr 512-k-512, {epochs} epochs", run_encdr, ["encdr"]),
}


def available_peers(peers):
    """Return the peers that can be imported, and a list of the others with the reason."""
    found, missing = {}, []
    for name in peers:
        label, run, modules = PEERS[name]
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                for module in modules:
                    importlib.import_module(module)
        except Exception as error:  # an import may also fail in a broken package
            missing.append(f"{label.split(',')[0]} ({type(error).__name__}: {error})")
        else:
            found[name] = label, run
    return found, missing
