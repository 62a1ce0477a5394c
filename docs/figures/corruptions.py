"""Draw images before and after each corruption."""

import numpy as np
import torch
from _drawing import COLORS, figure
from sklearn.datasets import load_sample_image

from skae.corruptions import JPEG, Blur, Gaussian, Masking, Patches, SaltAndPepper

SIZE = 96


def draw(path):
    """Apply each corruption to one photograph, and draw the results beside the original."""
    photograph = load_sample_image("flower.jpg")[60:348, 190:478] / 255.0
    image = photograph.reshape(SIZE, 3, SIZE, 3, 3).mean((1, 3)).astype(np.float32)
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    corruptions = [
        ("Gaussian(0.2)", Gaussian(0.2)),
        ("Masking(0.2)", Masking(0.2, fill_value=0.5)),
        ("SaltAndPepper(0.2)", SaltAndPepper(0.2, low=0.0, high=1.0)),
        ("Patches(0.2)", Patches(0.2, fill_value=0.5)),
        ("Blur(2.0)", Blur(2.0)),
        ("JPEG(10)", JPEG(10)),
    ]
    with figure(path, len(corruptions) + 1, width=9.6, height=1.75) as (_, panels):
        panels[0].imshow(image)
        panels[0].set_title("clean", fontsize=8.5)
        for axes, (name, corruption) in zip(panels[1:], corruptions, strict=True):
            corrupted = corruption(x, torch.Generator().manual_seed(0))
            axes.imshow(corrupted[0].permute(1, 2, 0).clamp(0, 1))
            axes.set_title(name, fontsize=8.5)
        for axes in panels:
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(visible=True, color=COLORS["gray"])
