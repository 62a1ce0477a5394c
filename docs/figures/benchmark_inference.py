"""Benchmark of inference and overhead: time per training step and per call."""

from _benchmarks import ENTRIES, value
from _style import BLUE, GRAY, GREEN, ORANGE, PURPLE, new_figure, save

LOOPS = {
    "sliced": ("plain loop", GRAY),
    "skae": ("skae", BLUE),
    "equipped": ("plain loop with schedule", GREEN),
    "loader": ("DataLoader", ORANGE),
    "skorch": ("skorch", PURPLE),
}
NETWORKS = {
    "digits-dense": "digits, dense",
    "images-dense": "images, dense",
    "images-conv": "images, conv",
}
CALLS = {
    "pca.transform": ("PCA", GRAY),
    "bare_network_denseautoencoder": ("network of DenseAutoencoder", GRAY),
    "denseautoencoder.transform": ("DenseAutoencoder", BLUE),
    "bare_network_convautoencoder": ("network of ConvAutoencoder", GRAY),
    "convautoencoder.transform": ("ConvAutoencoder", BLUE),
}


def draw(path):
    """Plot ratios of step times above and the time of one call below."""
    figure, (top, bottom) = new_figure(7.5, 5.2, nrows=2)
    for i, (name, (label, color)) in enumerate(LOOPS.items()):
        ratios = [value(f"overhead/{network}/{name}/ratio") for network in NETWORKS]
        positions = [group + (i - 2) * 0.17 for group in range(len(NETWORKS))]
        top.bar(positions, ratios, 0.15, color=color, label=label)
    top.set_xticks(range(len(NETWORKS)), NETWORKS.values())
    top.set_ylabel("training step / plain loop")
    top.legend(fontsize=8, loc="upper right")
    names = [name for name in CALLS if f"inference/one/{name}/float32/time" in ENTRIES][::-1]
    times = [value(f"inference/one/{name}/float32/time") for name in names]
    labels, colors = zip(*(CALLS[name] for name in names), strict=True)
    bottom.barh(labels, times, color=colors)
    bottom.set_xlabel("transform of one sample in microseconds")
    save(figure, path)
