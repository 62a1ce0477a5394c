"""Benchmark of restoration: denoising quality against time, and inpainting error."""

from _benchmarks import ENTRIES, value
from _style import BLUE, GRAY, GREEN, ORANGE, PURPLE, new_figure, save

DENOISERS = {
    "skae": ("ImageRestorer", BLUE, "o"),
    "bm3d": ("BM3D", ORANGE, "s"),
    "non_local_means": ("non-local means", GREEN, "D"),
    "total_variation": ("total variation", PURPLE, "^"),
}
INPAINTERS = {
    "restorer": "ImageRestorer",
    "autoencoder": "ConvAutoencoder",
    "pca_ridge": "PCA, ridge",
    "pca": "PCA, least squares",
    "biharmonic": "biharmonic",
    "mean": "mean image",
}


def draw(path):
    """Plot denoising at the left and inpainting at the right."""
    figure, (left, right) = new_figure(7.5, 2.8, ncols=2)
    for name, (label, color, marker) in DENOISERS.items():
        if f"restore/noise/{name}/psnr" in ENTRIES:
            time, psnr = value(f"restore/noise/{name}/time"), value(f"restore/noise/{name}/psnr")
            left.plot(time, psnr, marker, color=color)
            align = "right" if time > 10 else "left"
            left.annotate(
                label, (time, psnr), (0, 6), textcoords="offset points", ha=align, color=color
            )
    left.set_xscale("log")
    left.set_xlabel("CPU seconds for 12 images")
    left.set_ylabel("mean PSNR in dB")
    left.set_title("denoising, sigma 25/255")
    left.margins(0.15)
    names = list(INPAINTERS)[::-1]
    errors = [value(f"restore/inpainting/fashion-mnist/{name}/mse") for name in names]
    colors = [BLUE if name in ("restorer", "autoencoder") else GRAY for name in names]
    right.barh([INPAINTERS[name] for name in names], errors, color=colors)
    right.set_xlabel("MSE of the masked pixels")
    right.set_title("inpainting of 14 x 14 pixels")
    save(figure, path)
