"""Measure how few bytes an image takes, and how far it is from what it was.

Codecs over autoencoders and over PCA, with the same quantiser and coder, beside WebP, and lzma, which loses nothing. Each image
has a message, or a file, of its own.

    python benchmarks/compress.py --data mnist.npz
    python benchmarks/compress.py --idx fashion-mnist/ --only rate pca --weights 0.3 0.6
    python benchmarks/compress.py --photographs kodak/ --only pca --pca-steps 0.3 0.4 0.5 0.7

The second column of bytes leaves out what stands around the codes: 6 bytes of skae's, 30 of WebP's. Bytes at a wanted error are
interpolated along each codec's curve, in the logarithm of the bytes. Of photographs every second is compressed by a codec that
was fitted on the others; the tables have means, and the second is interpolated.
"""

import argparse
import io
import lzma
import time
from pathlib import Path

import numpy as np
from common import add_image_source, flat, head, load_images, mean_squared_error, row, setting
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from skae import ConvAutoencoder, LatentCodec
from skae.penalties import Rate

WANTED = (0.004, 0.006, 0.008)
BITS = (0.15, 0.2, 0.25, 0.3, 0.5)
AROUND = {"skae": 6, "webp": 30}
"""Bytes of a message of one image that aren't codes; RIFF's and VP8's headers."""


class ImagePCA(TransformerMixin, BaseEstimator):
    """PCA of images, as an autoencoder of them."""

    def __init__(self, n_components=64):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Fit on flat rows."""
        self.shape_ = X.shape[1:]
        solver = "covariance_eigh"
        self.pca_ = PCA(self.n_components, svd_solver=solver).fit(flat(X).astype(np.float32))
        return self

    def transform(self, X):
        """Give the scores."""
        return self.pca_.transform(flat(X).astype(np.float32))

    def inverse_transform(self, X):
        """Give images."""
        return self.pca_.inverse_transform(X).reshape(-1, *self.shape_)


def saved(image, **options):
    """Write an image by Pillow; gives the number of bytes, and what is read from them."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, **options)
    found = Image.open(io.BytesIO(file.getvalue()))
    return len(file.getvalue()), np.asarray(found.convert("L" if image.ndim == 2 else "RGB"))


def webp_curve(T, qualities):
    """Give (quality, bytes, bytes less the container, error) of WebP."""
    for quality in qualities:
        sizes, images = zip(
            *(saved(image, format="WEBP", quality=quality, method=6) for image in T), strict=True
        )
        size = float(np.mean(sizes))
        yield (
            f"WebP, quality {quality}",
            None,
            size,
            size - AROUND["webp"],
            mean_squared_error(T, np.stack(images), 255),
        )


def codec_curve(autoencoders, X, T, context, seed):
    """Give (name, seconds, bytes, bytes of codes, error) of codecs: name, autoencoder and step."""
    for name, autoencoder, step in autoencoders:
        start = time.perf_counter()
        codec = LatentCodec(autoencoder, step=step, context=context, random_state=seed).fit(X)
        seconds = time.perf_counter() - start
        messages = codec.compress_each(T)
        size = float(np.mean([len(message) for message in messages]))
        yield (
            name,
            seconds,
            size,
            size - AROUND["skae"],
            mean_squared_error(T, codec.decompress(messages), 255),
        )


def at(curve, wanted, column):
    """Interpolate a curve's bytes at a wanted error; None outside of it."""
    curve = sorted(curve, key=lambda point: point[4])
    errors = [point[4] for point in curve]
    if not errors or not errors[0] <= wanted <= errors[-1]:
        return None
    return float(np.exp(np.interp(wanted, errors, [np.log(point[column]) for point in curve])))


def compare_small(args):
    """Print the tables of small images."""
    X, _, T, _ = load_images(args.source)
    X, T = X[: args.rows], T[: args.test_rows]
    k = args.k
    start = time.perf_counter()
    pca = ImagePCA(min(args.pca_k, X[0].size)).fit(X)
    curves = {
        "webp": lambda: webp_curve(T, (0, 1, 5, 10, 20)),
        "pca": lambda: codec_curve(
            [(f"PCA, step {step}", FrozenEstimator(pca), 255 * step) for step in args.pca_steps],
            X,
            T,
            not args.no_context,
            args.seed,
        ),
        "rate": lambda: codec_curve(
            [
                (
                    f'ConvAutoencoder({n}, penalty="rate"), weight {weight}',
                    ConvAutoencoder(n, penalty=Rate(weight), random_state=args.seed),
                    "auto",
                )
                for weight, n in zip(args.weights, k, strict=True)
            ],
            X,
            T,
            not args.no_context,
            args.seed,
        ),
        "plain": lambda: codec_curve(
            [
                (f"ConvAutoencoder({n})", ConvAutoencoder(n, random_state=args.seed), "auto")
                for n in (16, 32, 64)
            ],
            X,
            T,
            not args.no_context,
            args.seed,
        ),
    }
    found = {}
    head("codec", "fit, s", "bytes per image", "less what stands around", "test MSE")
    for name in args.only:
        found[name] = []
        for point in curves[name]():
            found[name].append(point)
            label, seconds, size, codes, error = point
            row(label, seconds and f"{seconds:.0f}", f"{size:.2f}", f"{codes:.2f}", f"{error:.5f}")
    size = np.mean(
        [
            len(
                lzma.compress(
                    image.tobytes(), format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}]
                )
            )
            for image in T
        ]
    )
    row("lzma, raw", None, f"{size:.2f}", f"{size:.2f}", "0")
    print()
    head("bytes at MSE", *(f"{wanted}, {what}" for wanted in WANTED for what in ("all", "codes")))
    for name, curve in found.items():
        cells = [at(curve, wanted, column) for wanted in WANTED for column in (2, 3)]
        row(name, *(cell and f"{cell:.2f}" for cell in cells))
    print(
        f"\n{len(X):,} training and {len(T):,} test images, {time.perf_counter() - start:.0f} s. {setting()}"
    )


def compare_photographs(args):
    """Print the tables of photographs."""
    images = [
        np.asarray(Image.open(path).convert("RGB"))
        for path in sorted(Path(args.photographs).glob("*.png"))
    ]
    images, others = images[::2], images[1::2]
    curves = {}
    head("codec", "bits per pixel", "PSNR, dB", "fit, s")

    def put(kind, name, sizes, found, seconds=None):
        pixels = np.array([image.shape[0] * image.shape[1] for image in images])
        errors = [
            mean_squared_error(image, other, 255)
            for image, other in zip(images, found, strict=True)
        ]
        bits, psnr = np.mean(8 * np.array(sizes) / pixels), -10 * np.mean(np.log10(errors))
        curves.setdefault(kind, []).append((bits, psnr))
        row(f"{kind}, {name}", f"{bits:.3f}", f"{psnr:.2f}", seconds and f"{seconds:.0f}")

    for kind, name, settings, more in (
        ("JPEG", "quality", (4, 5, 7, 10, 20, 40), {"optimize": True}),
        ("WebP", "quality", (0, 5, 20, 50), {"method": 6}),
        (
            "JPEG2000",
            "quality_layers",
            ([200], [100], [80], [50], [25]),
            {"irreversible": True, "mct": 1},
        ),
    ):
        for value in settings:
            results = [
                saved(image, format=kind.upper(), **{name: value}, **more) for image in images
            ]
            put(kind, f"{name} {value}", *zip(*results, strict=True))

    def code(kind, name, autoencoder, step):
        start = time.perf_counter()
        codec = LatentCodec(
            autoencoder,
            step=step,
            tile=args.tile,
            context=not args.no_context,
            random_state=args.seed,
        )
        codec.fit(others)
        seconds = time.perf_counter() - start
        messages = codec.compress_each(images)
        put(kind, name, [len(message) for message in messages], codec.decompress(messages), seconds)

    if "pca" in args.only:
        for step in args.pca_steps:
            code(
                f"PCA({args.pca_k}) of tiles of {args.tile}",
                f"step {255 * step:.0f}",
                ImagePCA(args.pca_k),
                255 * step,
            )
    if "rate" in args.only:
        for weight, k in zip(args.weights, args.k, strict=True):
            autoencoder = ConvAutoencoder(k, penalty=Rate(weight), random_state=args.seed)
            code(
                f'ConvAutoencoder({k}, penalty="rate") of tiles of {args.tile}',
                f"weight {weight}",
                autoencoder,
                "auto",
            )
    print()
    head("PSNR at bits per pixel", *map(str, BITS))
    for kind, curve in curves.items():
        bits, psnr = np.array(sorted(curve)).T
        found = np.interp(BITS, bits, psnr, left=np.nan, right=np.nan)
        row(kind, *("" if np.isnan(value) else f"{value:.2f}" for value in found))
    print(f"\n{len(images)} photographs, and {len(others)} others to learn from. {setting()}")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, made_up=True)
    parser.add_argument(
        "--photographs", help="folder of .png photographs; they are compressed by tiles"
    )
    parser.add_argument("--tile", type=int, default=16, help="side of the tiles (default 16)")
    parser.add_argument("--rows", type=int, help="training images (default all)")
    parser.add_argument("--test-rows", type=int, default=1000, help="test images (default 1000)")
    parser.add_argument(
        "--only", nargs="+", default=["webp", "pca", "rate", "plain"], help="webp, pca, rate, plain"
    )
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        default=[0.12, 0.35, 0.7],
        help="weight of the rate penalty of each codec",
    )
    parser.add_argument(
        "--k", type=int, nargs="+", default=[128, 64, 64], help="n_components of each codec"
    )
    parser.add_argument(
        "--pca-steps",
        type=float,
        nargs="+",
        default=[0.35, 0.5, 0.7, 1.0],
        help="in units of pixels in [0, 1]",
    )
    parser.add_argument("--pca-k", type=int, default=256, help="components of PCA (default 256)")
    parser.add_argument("--no-context", action="store_true", help="tables alone")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.photographs:
        compare_photographs(args)
    elif args.source:
        compare_small(args)
    else:
        parser.error(
            "Got neither images nor photographs, but expected --data, --idx or --photographs."
        )


if __name__ == "__main__":
    main()
