"""Measure how well damaged images are restored, and how long learning it takes.

    python benchmarks/restore.py --train train400/ --test set12/             # noise, against BM3D and others
    python benchmarks/restore.py --idx fashion-mnist/ --epochs 24             # a square hole, against PCA and others
    python benchmarks/restore.py --train train400/ --test set12/ --model denoiser.joblib

Needs scikit-image, Pillow and, for the noise, bm3d (`pip install scikit-image pillow bm3d`). With --model a fitted restorer is
kept in a file, and taken from there the next time. CPU seconds are those of all threads of the process (`time.process_time`).

Noise: normal, on floats in [0, 1], neither clipped nor rounded. The weight of total variation, and the `h` of non-local means,
are those with the best PSNR on six training images. Hole: at a random place of each image; all but the biharmonic method have
learned from the training images. The number of principal components, and the ridge of least squares with them, are those with
the smallest error on 1,000 training images. Autoencoder and restorer learned with holes (`corruption="patches"`), and are given
them as gaps; --epochs are those of the autoencoder, --restorer-epochs those of the restorer.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
from common import add_image_source, as_floats, head, load_images, row, setting
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, inpaint_biharmonic
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, ImageRestorer
from skae.corruptions import Gaussian, Patches


def load_folder(folder):
    """Load all PNG files of a folder as grey images in [0, 1]."""
    return [
        np.asarray(Image.open(path).convert("L"), np.float32) / 255
        for path in sorted(Path(folder).glob("*.png"))
    ]


def fitted(restorer, X, path):
    """Fit, or take from a file; gives the restorer, and its CPU and wall seconds."""
    if path and Path(path).exists():
        return joblib.load(path)
    cpu, wall = time.process_time(), time.perf_counter()
    found = restorer.fit(X), time.process_time() - cpu, time.perf_counter() - wall
    if path:
        joblib.dump(found, path)
    return found


# -------------------------------------------------------------------------------------------------------------- noise


def psnr(pairs):
    """Mean peak signal-to-noise ratio of pairs of clean and other images, in dB."""
    return float(
        np.mean([peak_signal_noise_ratio(clean, other, data_range=1) for clean, other in pairs])
    )


def best(candidates, method, clean, noisy):
    """Give the candidate with which a method does best on some images."""
    return max(
        candidates,
        key=lambda value: psnr((c, method(d, value)) for c, d in zip(clean, noisy, strict=True)),
    )


def noise(args):
    """Print the table of noise."""
    import bm3d

    sigma = args.sigma / 255
    rng = np.random.default_rng(args.seed)

    def add_noise(images):
        return [
            image + rng.normal(scale=sigma, size=image.shape).astype(np.float32) for image in images
        ]

    train, test = load_folder(args.train), load_folder(args.test)
    noisy, some = add_noise(test), train[:: max(1, len(train) // 6)][:6]
    some_noisy = add_noise(some)

    def variation(image, weight):
        return denoise_tv_chambolle(image, weight=weight, eps=1e-4, max_num_iter=200)

    def means(image, h):
        return denoise_nl_means(
            image, h=h * sigma, sigma=sigma, patch_size=7, patch_distance=11, fast_mode=False
        )

    weight = best(np.array([0.8, 1, 1.2, 1.4, 1.7]) * sigma, variation, some, some_noisy)
    h = best((0.5, 0.6, 0.7, 0.8), means, some, some_noisy)
    model = ImageRestorer(
        Gaussian(sigma), max_iter=args.epochs, random_state=args.seed, device=args.device
    )
    restorer, cpu, wall = fitted(model, np.stack(train), args.model)
    head("", "mean PSNR, dB", "worst gain", "restoring, CPU s", "learning, CPU s")
    for name, method, seconds in (
        ("noisy", lambda image: image, None),
        (f"total variation, weight {weight:.3f}", lambda image: variation(image, weight), None),
        (f"non-local means, h = {h} sigma", lambda image: means(image, h), None),
        ("BM3D", lambda image: bm3d.bm3d(image, sigma), None),
        (
            f"ImageRestorer, {restorer.n_iter_} epochs",
            lambda image: restorer.predict(image[None])[0],
            f"{cpu:.0f}",
        ),
    ):
        start = time.process_time()
        found = [method(image) for image in noisy]
        taken = time.process_time() - start
        gains = [
            psnr([(c, f)]) - psnr([(c, d)]) for c, f, d in zip(test, found, noisy, strict=True)
        ]
        row(
            name,
            f"{psnr(zip(test, found, strict=True)):.2f}",
            f"{min(gains):+.2f}",
            f"{taken:.1f}",
            seconds,
        )
    print(
        f"\n{len(train)} training and {len(test)} test images, sigma {args.sigma}/255. Learning took {wall:.0f} s of wall time."
    )


# --------------------------------------------------------------------------------------------------------------- hole


def cut(X, side, seed):
    """Draw a square hole for each image; gives masks that are true in the hole."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(X.shape, bool)
    for one in mask:
        top, left = rng.integers(0, np.array(one.shape) - side + 1)
        one[top : top + side, left : left + side] = True
    return mask


def by_components(pca, X, mask, ridge):
    """Fill holes with principal components: their scores by least squares on the pixels that are known."""
    out = X.copy()
    for image, hole in zip(out, mask, strict=True):
        known = ~hole.ravel()
        A = pca.components_[:, known]
        scores = np.linalg.solve(
            A @ A.T + ridge * np.diag(1 / pca.explained_variance_),
            A @ (image.ravel() - pca.mean_)[known],
        )
        image[hole] = (pca.mean_ + scores @ pca.components_)[~known]
    return out


def hole(args):
    """Print the table of holes."""
    X, _, T, _ = load_images(args.source)
    test = as_floats(T[: args.test_rows])
    mask = cut(test, args.hole, args.seed)
    train = as_floats(X)
    some, some_mask = train[:1000], cut(train[:1000], args.hole, args.seed + 1)

    def kept(name):
        return args.model and f"{args.model}.{name}"

    def error(found, clean, mask):
        return float(np.square(found - clean)[mask].mean(dtype=np.float64))

    tried = {
        (k, ridge): error(by_components(pca, some, some_mask, ridge), some, some_mask)
        for k in (8, 16, 32, 64, 128, 256)
        for pca in [PCA(k, random_state=0).fit(train.reshape(len(train), -1))]
        for ridge in (1e-6, 1e-3, 1e-2, 3e-2)
    }
    k, ridge = min(tried, key=tried.get)
    plain, _ = min((key for key in tried if key[1] == 1e-6), key=tried.get)
    same = {
        "corruption": Patches(level=args.hole**2 / X[0].size),
        "allow_nan": True,
        "random_state": args.seed,
    }
    same["device"] = args.device
    autoencoder, ae_cpu, _ = fitted(
        ConvAutoencoder(args.k, max_iter=args.epochs, **same), X, kept("autoencoder")
    )
    restorer, cpu, wall = fitted(
        ImageRestorer(max_iter=args.restorer_epochs, **same), X, kept("restorer")
    )
    corrupted = np.where(mask, np.nan, T[: args.test_rows].astype(np.float32))

    def components(k, ridge):
        pca = PCA(k, random_state=0).fit(train.reshape(len(train), -1))
        return by_components(pca, test, mask, ridge)

    head("hole filled by", "MSE in the hole", "CPU s per 1,000 images", "learning, CPU s")
    methods = [
        ("mean of the training images", lambda: np.where(mask, train.mean(0), test), None),
        (
            "biharmonic",
            lambda: np.stack([inpaint_biharmonic(i, m) for i, m in zip(test, mask, strict=True)]),
            None,
        ),
        (f"PCA, k = {plain}, least squares", lambda: components(plain, 1e-6), None),
        (f"PCA, k = {k}, ridge {ridge}", lambda: components(k, ridge), None),
        (
            f"ConvAutoencoder({args.k}), {autoencoder.n_iter_} epochs",
            lambda: autoencoder.reconstruct(corrupted) / 255,
            ae_cpu,
        ),
        (
            f"ImageRestorer, {restorer.n_iter_} epochs",
            lambda: restorer.predict(corrupted) / 255,
            cpu,
        ),
    ]
    for name, method, seconds in methods:
        start = time.process_time()
        found = method()
        taken = (time.process_time() - start) / len(test) * 1000
        row(name, f"{error(found, test, mask):.5f}", f"{taken:.1f}", seconds and f"{seconds:.0f}")
    print(
        f"\nHoles of {args.hole} x {args.hole} in {len(test):,} test images. The restorer learned {wall:.0f} s of wall time."
    )


def main():
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, made_up=True)
    parser.add_argument("--train", help="folder of clean PNG images of one size, to learn from")
    parser.add_argument("--test", help="folder of clean PNG images to add noise to")
    parser.add_argument(
        "--sigma",
        type=float,
        default=25,
        help="standard deviation of the noise, of 255 (default 25)",
    )
    parser.add_argument(
        "--hole", type=int, default=14, help="side of the hole in pixels (default 14)"
    )
    parser.add_argument(
        "--test-rows", type=int, default=1000, help="test images with a hole (default 1000)"
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=60,
        help="of the restorer of noise, or of the autoencoder (default 60)",
    )
    parser.add_argument(
        "--k", type=int, default=128, help="components of the autoencoder (default 128)"
    )
    parser.add_argument(
        "--restorer-epochs", type=int, default=5, help="of the restorer of holes (default 5)"
    )
    parser.add_argument(
        "--model",
        help="file to keep the fitted restorer in; of two files the beginning of their names",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.source:
        hole(args)
    elif args.train and args.test:
        noise(args)
    else:
        parser.error("Give --train and --test, or --idx or --data.")
    print(setting())


if __name__ == "__main__":
    main()
