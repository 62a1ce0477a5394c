"""Compare codecs by bytes per image and reconstruction error.

Codecs with autoencoders and with PCA, which share quantizer and entropy coder; WebP, JPEG and JPEG 2000; and lzma, which is
lossless. Each image is compressed alone.

    python benchmarks/compress.py --data mnist.npz
    python benchmarks/compress.py --idx fashion-mnist/ --only rate pca --weights 0.3 0.6
    python benchmarks/compress.py --photographs kodak/ --only pca --pca-steps 0.3 0.4 0.5 0.7

The second column of bytes excludes headers: 6 bytes of skae and 30 bytes of WebP. Bytes at a given error are interpolated along
the curve of each codec, in the logarithm of the bytes. Every second photograph is compressed by a codec that was fitted on the
others; the tables contain means, and the second table is interpolated.
"""

import argparse
import io
import lzma
import time
from pathlib import Path

import numpy as np
from common import (
    Recorder,
    add_image_source,
    flat,
    load_images,
    mean_squared_error,
    print_header,
    print_row,
    slug,
)
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from skae import ConvAutoencoder, LatentCodec
from skae.penalties import Rate

MSE_LEVELS = (0.004, 0.006, 0.008)
BIT_RATES = (0.15, 0.2, 0.25, 0.3, 0.5)
HEADER_BYTES = {"skae": 6, "webp": 30}
"""Bytes of a message of one image without latent codes; for WebP the headers of RIFF and VP8."""


class ImagePCA(TransformerMixin, BaseEstimator):
    """PCA of images with the interface of an autoencoder.

    Parameters
    ----------
    n_components : int, default=64
        Number of principal components.
    """

    def __init__(self, n_components=64):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Fit on flat rows."""
        self.shape_ = X.shape[1:]
        solver = "covariance_eigh"
        self.pca_ = PCA(self.n_components, svd_solver=solver).fit(flat(X).astype(np.float32))
        return self

    def transform(self, X):
        """Return the scores."""
        return self.pca_.transform(flat(X).astype(np.float32))

    def inverse_transform(self, X):
        """Return images."""
        return self.pca_.inverse_transform(X).reshape(-1, *self.shape_)


def save_and_load(image, **options):
    """Save an image with Pillow; return the number of bytes and the decoded image."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, **options)
    decoded = Image.open(io.BytesIO(file.getvalue()))
    return len(file.getvalue()), np.asarray(decoded.convert("L" if image.ndim == 2 else "RGB"))


def webp_curve(T, qualities):
    """Yield (name, None, bytes, bytes without headers, error) of WebP."""
    for quality in qualities:
        sizes, images = zip(
            *(save_and_load(image, format="WEBP", quality=quality, method=6) for image in T),
            strict=True,
        )
        size = float(np.mean(sizes))
        yield (
            f"WebP, quality {quality}",
            None,
            size,
            size - HEADER_BYTES["webp"],
            mean_squared_error(T, np.stack(images), 255),
        )


def codec_curve(autoencoders, X, T, context, seed):
    """Yield (name, seconds, bytes, bytes without headers, error) of codecs, given as (name, autoencoder, step)."""
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
            size - HEADER_BYTES["skae"],
            mean_squared_error(T, codec.decompress(messages), 255),
        )


def bytes_at(curve, error, column):
    """Interpolate the bytes of a curve at an error; None outside of the curve."""
    curve = sorted(curve, key=lambda point: point[4])
    errors = [point[4] for point in curve]
    if not errors or not errors[0] <= error <= errors[-1]:
        return None
    return float(np.exp(np.interp(error, errors, [np.log(point[column]) for point in curve])))


def compare_small(args, recorder):
    """Print the tables of small images."""
    prefix = slug(Path(args.source).stem)
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
    points = {}
    print_header("codec", "fit, s", "bytes per image", "without headers", "test MSE")
    for name in args.only:
        points[name] = []
        for point in curves[name]():
            points[name].append(point)
            label, seconds, size, codes, error = point
            key = f"{prefix}/{name}/point-{len(points[name])}"
            recorder.record_all({f"{key}/total": size, f"{key}/codes": codes}, "bytes")
            recorder.record(f"{key}/mse", error, "mse")
            print_row(
                label, seconds and f"{seconds:.0f}", f"{size:.2f}", f"{codes:.2f}", f"{error:.5f}"
            )
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
    print_row("lzma, raw", None, f"{size:.2f}", f"{size:.2f}", "0")
    print()
    columns = [f"{error}, {kind}" for error in MSE_LEVELS for kind in ("total", "codes")]
    print_header("bytes at MSE", *columns)
    for name, curve in points.items():
        cells = []
        for error in MSE_LEVELS:
            for column, kind in ((2, "total"), (3, "codes")):
                size = bytes_at(curve, error, column)
                cells.append(size and f"{size:.2f}")
                if size:
                    recorder.record(f"{prefix}/{name}/mse-{error}/{kind}", size, "bytes")
        print_row(name, *cells)
    print(
        f"\n{len(X):,} training and {len(T):,} test images, {time.perf_counter() - start:.0f} s. {recorder.describe()}"
    )


def transform_name(label):
    """Return the name in keys: the label without the settings in parentheses."""
    return slug(label.partition("(")[0])


def compare_photographs(args, recorder):
    """Print the tables of photographs."""
    images = [
        np.asarray(Image.open(path).convert("RGB"))
        for path in sorted(Path(args.photographs).glob("*.png"))
    ]
    images, others = images[::2], images[1::2]
    curves = {}
    print_header("codec", "bits per pixel", "PSNR, dB", "fit, s")

    def report(kind, name, sizes, decoded, seconds=None):
        pixels = np.array([image.shape[0] * image.shape[1] for image in images])
        errors = [
            mean_squared_error(image, other, 255)
            for image, other in zip(images, decoded, strict=True)
        ]
        bits, psnr = np.mean(8 * np.array(sizes) / pixels), -10 * np.mean(np.log10(errors))
        curves.setdefault(kind, []).append((bits, psnr))
        key = f"photographs/{slug(kind.partition('(')[0])}/point-{len(curves[kind])}"
        recorder.record(f"{key}/bits_per_pixel", bits, "bits")
        recorder.record(f"{key}/psnr", psnr, "dB")
        print_row(f"{kind}, {name}", f"{bits:.3f}", f"{psnr:.2f}", seconds and f"{seconds:.0f}")

    for kind, name, settings, options in (
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
                save_and_load(image, format=kind.upper(), **{name: value}, **options)
                for image in images
            ]
            report(kind, f"{name} {value}", *zip(*results, strict=True))

    def report_codec(kind, name, autoencoder, step):
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
        sizes = [len(message) for message in messages]
        report(kind, name, sizes, codec.decompress(messages), seconds)

    if "pca" in args.only:
        for step in args.pca_steps:
            report_codec(
                f"PCA({args.pca_k}) of tiles of {args.tile}",
                f"step {255 * step:.0f}",
                ImagePCA(args.pca_k),
                255 * step,
            )
    if "rate" in args.only:
        for weight, k in zip(args.weights, args.k, strict=True):
            autoencoder = ConvAutoencoder(k, penalty=Rate(weight), random_state=args.seed)
            report_codec(
                f'ConvAutoencoder({k}, penalty="rate") of tiles of {args.tile}',
                f"weight {weight}",
                autoencoder,
                "auto",
            )
    print()
    print_header("PSNR at bits per pixel", *map(str, BIT_RATES))
    for kind, curve in curves.items():
        bits, psnr = np.array(sorted(curve)).T
        values = np.interp(BIT_RATES, bits, psnr, left=np.nan, right=np.nan)
        for rate, value in zip(BIT_RATES, values, strict=True):
            if not np.isnan(value):
                recorder.record(
                    f"photographs/{slug(kind.partition('(')[0])}/bits-{rate}/psnr", value, "dB"
                )
        print_row(kind, *("" if np.isnan(value) else f"{value:.2f}" for value in values))
    print(
        f"\n{len(images)} test photographs and {len(others)} training photographs. {recorder.describe()}"
    )


def main():
    """Print the tables and write their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_image_source(parser, generated=True)
    parser.add_argument(
        "--photographs", help="folder of .png photographs, which are compressed as tiles"
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
        help="quantization steps for pixels in [0, 1]",
    )
    parser.add_argument("--pca-k", type=int, default=256, help="components of PCA (default 256)")
    parser.add_argument(
        "--no-context", action="store_true", help="entropy coding without the context model"
    )
    parser.add_argument("--seed", type=int, default=0)
    Recorder.add_option(parser)
    args = parser.parse_args()
    recorder = Recorder("compress", args.results, packages=("constriction", "pillow"))
    if args.photographs:
        compare_photographs(args, recorder)
    elif args.source:
        compare_small(args, recorder)
    else:
        parser.error("One of --data, --idx and --photographs is required.")


if __name__ == "__main__":
    main()
