"""Compare image denoising and inpainting by skae with other methods.

    python benchmarks/restore.py --train train400/ --test set12/              # denoising
    python benchmarks/restore.py --idx fashion-mnist/ --epochs 24              # inpainting
    python benchmarks/restore.py --train train400/ --test set12/ --model denoiser.joblib

The script needs scikit-image, Pillow and, for denoising, bm3d (`pip install scikit-image pillow bm3d`). With --model,
the fitted restorer is saved to a file, or loaded from it if it exists. CPU seconds are those of all threads of the
process.

Denoising: Gaussian noise on floats in [0, 1], neither clipped nor rounded. The weight of total variation and the `h` of
non-local means have the best PSNR on six training images. Inpainting: a square region at a random position of each
image is masked. All methods except the biharmonic one are fitted on the training images. The number of principal
components and the ridge have the smallest error on 1,000 training images. Autoencoder and restorer are trained with
`corruption="patches"`, and get masked pixels as NaN; --epochs are those of the autoencoder, --restorer-epochs those of
the restorer.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import joblib
import numpy as np
from common import Recorder, add_image_source, as_floats, load_images, print_header, print_row, slug
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, inpaint_biharmonic
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, ImageRestorer
from skae.corruptions import Gaussian, Patches


def load_folder(folder):
    """Load all PNG files of a folder as gray images in [0, 1]."""
    return [
        np.asarray(Image.open(path).convert("L"), np.float32) / 255
        for path in sorted(Path(folder).glob("*.png"))
    ]


def fit_or_load(model, X, path):
    """Fit a model, or load it from a file; return the model and the CPU and wall seconds of its fit."""
    if path and Path(path).exists():
        return joblib.load(path)
    cpu, wall = time.process_time(), time.perf_counter()
    result = model.fit(X), time.process_time() - cpu, time.perf_counter() - wall
    if path:
        joblib.dump(result, path)
    return result


# ---------------------------------------------------------------------------------------------------------- denoising


def psnr(pairs):
    """Return the mean peak signal-to-noise ratio of pairs of clean and other images, in dB."""
    return float(
        np.mean([peak_signal_noise_ratio(clean, other, data_range=1) for clean, other in pairs])
    )


def best(candidates, method, clean, noisy):
    """Return the candidate with the highest PSNR of a method."""
    return max(
        candidates,
        key=lambda value: psnr((c, method(d, value)) for c, d in zip(clean, noisy, strict=True)),
    )


def denoise(args, recorder):
    """Print the table of denoising methods."""
    sigma = args.sigma / 255
    rng = np.random.default_rng(args.seed)

    def add_noise(images):
        return [
            image + rng.normal(scale=sigma, size=image.shape).astype(np.float32) for image in images
        ]

    train, test = load_folder(args.train), load_folder(args.test)
    noisy, tuning = add_noise(test), train[:: max(1, len(train) // 6)][:6]
    tuning_noisy = add_noise(tuning)

    def total_variation(image, weight):
        return denoise_tv_chambolle(image, weight=weight, eps=1e-4, max_num_iter=200)

    def non_local_means(image, h):
        return denoise_nl_means(
            image, h=h * sigma, sigma=sigma, patch_size=7, patch_distance=11, fast_mode=False
        )

    weight = best(np.array([0.8, 1, 1.2, 1.4, 1.7]) * sigma, total_variation, tuning, tuning_noisy)
    h = best((0.5, 0.6, 0.7, 0.8), non_local_means, tuning, tuning_noisy)
    model = ImageRestorer(
        Gaussian(sigma), max_iter=args.epochs, random_state=args.seed, device=args.device
    )
    restorer, cpu, wall = fit_or_load(model, np.stack(train), args.model)
    methods = [
        ("noisy", "noisy images", lambda image: image),
        (
            "total_variation",
            f"total variation, weight {weight:.3f}",
            lambda image: total_variation(image, weight),
        ),
        (
            "non_local_means",
            f"non-local means, h = {h} sigma",
            lambda image: non_local_means(image, h),
        ),
        (
            "skae",
            f"ImageRestorer, {restorer.n_iter_} epochs",
            lambda image: restorer.predict(image[None])[0],
        ),
    ]
    if importlib.util.find_spec("bm3d"):
        import bm3d

        methods.append(("bm3d", "BM3D", lambda image: bm3d.bm3d(image, sigma)))
    print_header("", "mean PSNR, dB", "smallest gain, dB", "denoising, CPU s", "fit, CPU s")
    for name, label, method in methods:
        start = time.process_time()
        restored = [method(image) for image in noisy]
        seconds = time.process_time() - start
        gains = [
            psnr([(clean, image)]) - psnr([(clean, other)])
            for clean, image, other in zip(test, restored, noisy, strict=True)
        ]
        mean_psnr = psnr(zip(test, restored, strict=True))
        key = f"noise/{name}"
        recorder.record_all({f"{key}/psnr": mean_psnr, f"{key}/min_gain": min(gains)}, "dB")
        recorder.record(f"{key}/time", seconds, "s")
        if name == "skae":
            recorder.record(f"{key}/fit_cpu_time", cpu, "s")
            recorder.record(f"{key}/n_iter", restorer.n_iter_, "count")
        print_row(
            label,
            f"{mean_psnr:.2f}",
            f"{min(gains):+.2f}",
            f"{seconds:.1f}",
            f"{cpu:.0f}" if name == "skae" else None,
        )
    print(
        f"\n{len(train)} training and {len(test)} test images, sigma {args.sigma}/255. The fit took {wall:.0f} s of wall time."
    )


# --------------------------------------------------------------------------------------------------------- inpainting


def draw_masks(X, side, seed):
    """Draw a square region for each image; return masks that are true in the region."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(X.shape, bool)
    for one in mask:
        top, left = rng.integers(0, np.array(one.shape) - side + 1)
        one[top : top + side, left : left + side] = True
    return mask


def inpaint_pca(pca, X, mask, ridge):
    """Inpaint by PCA; the scores are a ridge regression on the observed pixels."""
    out = X.copy()
    for image, region in zip(out, mask, strict=True):
        known = ~region.ravel()
        A = pca.components_[:, known]
        scores = np.linalg.solve(
            A @ A.T + ridge * np.diag(1 / pca.explained_variance_),
            A @ (image.ravel() - pca.mean_)[known],
        )
        image[region] = (pca.mean_ + scores @ pca.components_)[~known]
    return out


def inpaint(args, recorder):
    """Print the table of inpainting methods."""
    X, _, T, _ = load_images(args.source)
    test = as_floats(T[: args.test_rows])
    mask = draw_masks(test, args.hole, args.seed)
    train = as_floats(X)
    tuning = train[:1000]
    tuning_mask = draw_masks(tuning, args.hole, args.seed + 1)

    def model_path(name):
        return args.model and f"{args.model}.{name}"

    def error(restored, clean, mask):
        return float(np.square(restored - clean)[mask].mean(dtype=np.float64))

    errors = {
        (k, ridge): error(inpaint_pca(pca, tuning, tuning_mask, ridge), tuning, tuning_mask)
        for k in (8, 16, 32, 64, 128, 256)
        if k < min(len(train), train[0].size)
        for pca in [PCA(k, random_state=0).fit(train.reshape(len(train), -1))]
        for ridge in (1e-6, 1e-3, 1e-2, 3e-2)
    }
    best_k, best_ridge = min(errors, key=errors.get)
    plain_k, _ = min((key for key in errors if key[1] == 1e-6), key=errors.get)
    shared = {
        "corruption": Patches(level=args.hole**2 / X[0].size),
        "allow_nan": True,
        "random_state": args.seed,
    }
    shared["device"] = args.device
    autoencoder, ae_cpu, _ = fit_or_load(
        ConvAutoencoder(args.k, max_iter=args.epochs, **shared), X, model_path("autoencoder")
    )
    restorer, cpu, wall = fit_or_load(
        ImageRestorer(max_iter=args.restorer_epochs, **shared), X, model_path("restorer")
    )
    corrupted = np.where(mask, np.nan, T[: args.test_rows].astype(np.float32))

    def pca_method(k, ridge):
        pca = PCA(k, random_state=0).fit(train.reshape(len(train), -1))
        return inpaint_pca(pca, test, mask, ridge)

    print_header("", "MSE of masked pixels", "CPU s per 1,000 images", "fit, CPU s")
    methods = [
        ("mean", "mean of the training images", lambda: np.where(mask, train.mean(0), test), None),
        (
            "biharmonic",
            "biharmonic",
            lambda: np.stack([inpaint_biharmonic(i, m) for i, m in zip(test, mask, strict=True)]),
            None,
        ),
        ("pca", f"PCA({plain_k}), least squares", lambda: pca_method(plain_k, 1e-6), None),
        (
            "pca_ridge",
            f"PCA({best_k}), ridge {best_ridge}",
            lambda: pca_method(best_k, best_ridge),
            None,
        ),
        (
            "autoencoder",
            f"ConvAutoencoder({args.k}), {autoencoder.n_iter_} epochs",
            lambda: autoencoder.reconstruct(corrupted) / 255,
            ae_cpu,
        ),
        (
            "restorer",
            f"ImageRestorer, {restorer.n_iter_} epochs",
            lambda: restorer.predict(corrupted) / 255,
            cpu,
        ),
    ]
    prefix = f"inpainting/{slug(Path(args.source).stem)}"
    for name, label, method, fit_seconds in methods:
        start = time.process_time()
        restored = method()
        seconds = (time.process_time() - start) / len(test) * 1000
        mse = error(restored, test, mask)
        recorder.record(f"{prefix}/{name}/mse", mse, "mse")
        recorder.record(f"{prefix}/{name}/time_per_1000", seconds, "s")
        if fit_seconds is not None:
            recorder.record(f"{prefix}/{name}/fit_cpu_time", fit_seconds, "s")
        print_row(label, f"{mse:.5f}", f"{seconds:.1f}", fit_seconds and f"{fit_seconds:.0f}")
    print(
        f"\nRegions of {args.hole} x {args.hole} pixels in {len(test):,} test images. The fit of the restorer took "
        f"{wall:.0f} s of wall time."
    )


def main():
    """Print one table and write its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, generated=True)
    parser.add_argument("--train", help="folder of clean PNG training images of one size")
    parser.add_argument("--test", help="folder of clean PNG images to add noise to")
    parser.add_argument(
        "--sigma",
        type=float,
        default=25,
        help="standard deviation of the noise for pixels up to 255 (default 25)",
    )
    parser.add_argument(
        "--hole", type=int, default=14, help="side of the masked region in pixels (default 14)"
    )
    parser.add_argument(
        "--test-rows", type=int, default=1000, help="test images for inpainting (default 1000)"
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=60,
        help="of the denoiser, or of the autoencoder for inpainting (default 60)",
    )
    parser.add_argument(
        "--k", type=int, default=128, help="n_components of the autoencoder (default 128)"
    )
    parser.add_argument(
        "--restorer-epochs", type=int, default=5, help="of the restorer for inpainting (default 5)"
    )
    parser.add_argument(
        "--model",
        help="file of the fitted restorer; the prefix of two files for inpainting",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("restore", args.results, packages=("scikit-image", "bm3d"))
    if args.source:
        inpaint(args, recorder)
    elif args.train and args.test:
        denoise(args, recorder)
    else:
        parser.error("--train and --test, or one of --idx and --data, are required.")
    print(recorder.describe())


if __name__ == "__main__":
    main()
