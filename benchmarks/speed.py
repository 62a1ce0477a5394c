"""Time a fit, and say what it reaches: skae, PCA, the loop of the textbooks, and the packages that one might take instead.

    python benchmarks/speed.py --idx fashion-mnist/
    python benchmarks/speed.py --data mnist.npz --repeats 3 --peers mlp pyod pythae encdr

All get the same images, as bytes; what each must do with them first is part of its time. All are fitted on a few images before
the clock runs. Runs are interleaved, and the table has medians. The textbook loop's test error after each epoch, which takes no
part in its time, stands in a table of its own.
"""

import argparse
import contextlib
import importlib
import io
import tempfile
import time
import warnings

import numpy as np
import torch
from common import flat, head, load_images, mean_squared_error, row, setting
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from skorch import NeuralNetRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skae import ConvAutoencoder, DenseAutoencoder


class Textbook(nn.Module):
    """Two convolutions with pooling, a dense code, two transposed convolutions; for images with sides that divide by 4.

    Parameters
    ----------
    k : int
        Size of the code.
    channels, height, width : int
        Of an image.
    """

    def __init__(self, k, channels=1, height=28, width=28):
        super().__init__()
        h, w = height // 4, width // 4
        self.encoder = nn.Sequential(
            *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * h * w, k)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(k, 64 * h * w), nn.ReLU(), nn.Unflatten(1, (64, h, w))),
            *(nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1), nn.ReLU()),
            nn.ConvTranspose2d(32, channels, 3, stride=2, padding=1, output_padding=1),
        )

    def forward(self, x):
        """Encode and decode."""
        return self.decoder(self.encoder(x))


# ------------------------------------------------------------------------------- contenders: seconds, and test errors


def timed(fit):
    """Run, and give the seconds it took; what it prints is dropped."""
    silence = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        fitted = fit()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start, fitted


def run_dense(X, T, args, seed):
    """DenseAutoencoder as it comes."""
    model = DenseAutoencoder(args.k, device=args.device, random_state=seed, **args.settings)
    seconds, model = timed(lambda: model.fit(flat(X)))
    return seconds, [mean_squared_error(flat(T), model.reconstruct(flat(T)), 255)]


def run_conv(X, T, args, seed):
    """ConvAutoencoder as it comes."""
    model = ConvAutoencoder(args.k, device=args.device, random_state=seed, **args.settings)
    seconds, model = timed(lambda: model.fit(X))
    return seconds, [mean_squared_error(T, model.reconstruct(T), 255)]


def run_pca(X, T, args, seed):
    """PCA as it comes."""
    seconds, model = timed(lambda: PCA(args.k, random_state=seed).fit(as_floats(flat(X))))
    tests = as_floats(flat(T))
    return seconds, [mean_squared_error(tests, model.inverse_transform(model.transform(tests)))]


def run_textbook(X, T, args, seed):
    """Adam with a rate of 1e-3, batches of 64 from a DataLoader, squared error."""
    torch.manual_seed(seed)
    device = torch_device(args)
    tests = torch.from_numpy(as_maps(T))
    seconds, loop = 0.0, None
    errors, clock = [], []
    for _ in range(args.epochs):
        now, loop = timed(lambda loop=loop: textbook_epoch(loop, X, args.k, device))
        seconds += now
        errors.append(mean_squared_error(tests, in_pieces(loop[0], tests, device)))
        clock.append(seconds)
    return seconds, errors, clock


def textbook_epoch(loop, X, k, device):
    """Make one pass, the first time after setting up."""
    if loop is None:
        images = torch.from_numpy(as_maps(X))
        module = Textbook(k, *images.shape[1:]).to(device)
        batches = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)
        loop = module, torch.optim.Adam(module.parameters(), lr=1e-3), batches
    module, optimizer, batches = loop
    module.train()
    for (x,) in batches:
        x = x.to(device)
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x), x).backward()
        optimizer.step()
    return loop


def run_skorch(X, T, args, seed):
    """Train the same module by skorch as it comes, which holds out a fifth of the images."""
    torch.manual_seed(seed)
    device = torch_device(args)

    def fit():
        images = as_maps(X)
        net = NeuralNetRegressor(
            Textbook(args.k, *images.shape[1:]),
            optimizer=torch.optim.Adam,
            lr=1e-3,
            batch_size=64,
            max_epochs=args.epochs,
            device=device,
        )
        return net.fit(images, images)

    seconds, net = timed(fit)
    tests = torch.from_numpy(as_maps(T))
    return seconds, [mean_squared_error(tests, in_pieces(net.module_, tests, device))]


def run_mlp(X, T, args, seed):
    """scikit-learn's MLPRegressor that has its input as target."""
    model = MLPRegressor(hidden_layer_sizes=(512, args.k, 512), max_iter=args.epochs, random_state=seed)
    rows = as_floats(flat(X))
    seconds, model = timed(lambda: model.fit(rows, rows))
    tests = as_floats(flat(T))
    return seconds, [mean_squared_error(tests, model.predict(tests))]


def run_pyod(X, T, args, seed):
    """Take PyOD's AutoEncoder, with the code as its last layer, on pixels in [0, 1]."""
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(
        preprocessing=False, hidden_neuron_list=[64, args.k], epoch_num=args.epochs, random_state=seed, verbose=0
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
        settings = BaseTrainerConfig(output_dir=folder, num_epochs=args.epochs, learning_rate=1e-3, seed=seed)
        settings.no_cuda = torch_device(args) == "cpu"
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


CONTENDERS = {
    "dense": ("DenseAutoencoder", run_dense),
    "conv": ("ConvAutoencoder", run_conv),
    "pca": ("PCA", run_pca),
    "textbook": ("textbook loop, {epochs} epochs", run_textbook),
    "skorch": ("the same in skorch, {epochs} epochs", run_skorch),
}
PEERS = {
    "mlp": ("MLPRegressor 512-k-512, {epochs} epochs", run_mlp, ["sklearn"]),
    "pyod": ("PyOD AutoEncoder, {epochs} epochs", run_pyod, ["pyod.models.auto_encoder"]),
    "pythae": ("Pythae AE, {epochs} epochs", run_pythae, ["pythae.models", "pythae.pipelines", "pythae.trainers"]),
    "encdr": ("encdr 512-k-512, {epochs} epochs", run_encdr, ["encdr"]),
}

# ------------------------------------------------------------------------------------------------------------ helpers


def as_floats(X):
    """Give pixels in [0, 1] as float32."""
    return X.astype(np.float32) / 255


def as_maps(X):
    """Give images as torch's convolutions want them: (n, channels, height, width), float32 in [0, 1]."""
    return np.ascontiguousarray(np.moveaxis(as_floats(X if X.ndim == 4 else X[..., None]), -1, 1))


def in_pieces(module, x, device):
    """Run a module, or a function, on all of x without gradients."""
    if isinstance(module, nn.Module):
        module.eval()
    with torch.inference_mode():
        return torch.cat([module(part.to(device)).cpu() for part in x.split(1000)]).numpy()


def torch_device(args):
    """Say where the loops written here run."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device


def present(peers):
    """Tell the peers that can be imported from those that can't, with the reason."""
    found, missing = {}, []
    for name in peers:
        label, run, modules = PEERS[name]
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                for module in modules:
                    importlib.import_module(module)
        except Exception as error:  # a package that is broken is left out as well
            missing.append(f"{label.split(',')[0]} ({type(error).__name__}: {error})")
        else:
            found[name] = label, run
    return found, missing


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--idx", help="folder with the four IDX files")
    source.add_argument("--data", help=".npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10, help="of the loops that have no rule of their own (default 10)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, help="training rows (default all)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=[])
    args = parser.parse_args()
    X, _, T, _ = load_images(args.idx or args.data)
    X = X[: args.rows]
    found, missing = present(args.peers)
    contenders = {**{name: CONTENDERS[name] for name in args.only}, **found}
    args.settings = {}
    short = argparse.Namespace(**{**vars(args), "epochs": 1, "settings": {"max_iter": 1}})
    for name, (label, run) in list(contenders.items()):
        try:
            run(X[:512], T[:64], short, 0)  # a process pays for its first fit
        except Exception as error:
            if name in CONTENDERS:
                raise
            missing.append(f"{label.split(',')[0]} ({type(error).__name__}: {error})")
            del contenders[name]
    results = {name: [] for name in contenders}
    for seed in range(args.repeats):
        for name, (_, run) in contenders.items():
            results[name].append(run(X, T, args, seed))

    head("", "fit, s", "each run, s", "test MSE", "each run")
    for name, (label, _) in contenders.items():
        seconds, errors = [run[0] for run in results[name]], [run[1][-1] for run in results[name]]
        row(
            label.format(epochs=args.epochs),
            f"{np.median(seconds):.2f}",
            " ".join(f"{value:.2f}" for value in seconds),
            f"{np.median(errors):.5f}",
            " ".join(f"{value:.5f}" for value in errors),
        )
    if "textbook" in results:
        print()
        head("textbook loop, epoch", "seconds so far", "test MSE")
        for epoch in range(args.epochs):
            clock = np.median([run[2][epoch] for run in results["textbook"]])
            row(epoch + 1, f"{clock:.1f}", f"{np.median([run[1][epoch] for run in results['textbook']]):.5f}")
    if missing:
        print(f"\nLeft out: {'; '.join(missing)}.")
    print(f"\n{len(X):,} training and {len(T):,} test images, k = {args.k}, medians of {args.repeats} runs. {setting()}")


if __name__ == "__main__":
    main()
