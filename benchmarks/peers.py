"""The packages that one might take instead, for `speed.py`: each function fits one, and gives seconds and test errors."""

import contextlib
import importlib
import io
import os
import tempfile

import numpy as np
import torch
from common import as_floats, as_maps, flat, in_pieces, mean_squared_error, timed, torch_device
from sklearn.neural_network import MLPRegressor

__all__ = ["PEERS", "present"]


def run_mlp(X, T, args, seed):
    """scikit-learn's MLPRegressor that has its input as target."""
    model = MLPRegressor(
        hidden_layer_sizes=(512, args.k, 512), max_iter=args.epochs, random_state=seed
    )
    rows = as_floats(flat(X))
    seconds, model = timed(lambda: model.fit(rows, rows))
    tests = as_floats(flat(T))
    return seconds, [mean_squared_error(tests, model.predict(tests))]


def run_keras(X, T, args, seed):
    """Take the textbook's layers in Keras on torch, with the textbook's optimizer, rate and batches."""
    os.environ["KERAS_BACKEND"] = "torch"  # before the first import
    import keras
    from keras import layers

    if keras.backend.backend() != "torch":
        raise ImportError(f"imported with {keras.backend.backend()} behind it already")
    keras.config.set_image_data_format(
        "channels_first"
    )  # torch's own order, in which it is faster than in Keras's
    keras.utils.set_random_seed(seed)

    def fit():
        images = as_maps(X)
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
    tests = as_maps(T)
    return seconds, [mean_squared_error(tests, model.predict(tests, batch_size=1000, verbose=0))]


def run_pyod(X, T, args, seed):
    """Take PyOD's AutoEncoder, with the code as its last layer, on pixels in [0, 1]."""
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(
        preprocessing=False,
        hidden_neuron_list=[64, args.k],
        epoch_num=args.epochs,
        random_state=seed,
        verbose=0,
    )
    seconds, _ = timed(lambda: model.fit(as_floats(flat(X))))
    distances = model.decision_function(as_floats(flat(T)))  # from each row to its reconstruction
    return seconds, [float(np.square(distances).mean() / flat(T).shape[1])]


def run_pythae(X, T, args, seed):
    """Take Pythae's AE with its own network and the textbook's rate."""
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    images, tests = as_maps(X), as_maps(T)
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder, num_epochs=args.epochs, learning_rate=1e-3, seed=seed
        )
        settings.no_cuda = torch_device(args.device) == "cpu"
        model = AE(AEConfig(input_dim=images.shape[1:], latent_dim=args.k))
        seconds, _ = timed(lambda: TrainingPipeline(model=model, training_config=settings)(images))
    device = next(model.parameters()).device
    found = in_pieces(lambda x: model({"data": x}).recon_x, torch.from_numpy(tests), device)
    return seconds, [mean_squared_error(tests, found)]


def run_encdr(X, T, args, seed):
    """Take encdr with its own settings but sizes and epochs, on pixels in [0, 1]."""
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
    tests = as_floats(flat(T))
    return seconds, [mean_squared_error(tests, model.predict(tests))]


PEERS = {
    "mlp": ("MLPRegressor 512-k-512, {epochs} epochs", run_mlp, ["sklearn"]),
    "keras": ("the same in Keras on torch, {epochs} epochs", run_keras, []),
    "pyod": ("PyOD AutoEncoder, {epochs} epochs", run_pyod, ["pyod.models.auto_encoder"]),
    "pythae": (
        "Pythae AE, {epochs} epochs",
        run_pythae,
        ["pythae.models", "pythae.pipelines", "pythae.trainers"],
    ),
    "encdr": ("encdr 512-k-512, {epochs} epochs", run_encdr, ["encdr"]),
}


def present(peers):
    """Tell the peers that can be imported from those that can't, with the reason."""
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
        except Exception as error:  # a package that is broken is left out as well
            missing.append(f"{label.split(',')[0]} ({type(error).__name__}: {error})")
        else:
            found[name] = label, run
    return found, missing
