"""Benchmark of anomaly detection: mean ROC-AUC of each detector."""

from _benchmarks import ENTRIES, value
from _style import BLUE, ORANGE, new_figure, save

DETECTORS = {
    "skae": "ReconstructionDetector",
    "neighbors": "5 nearest neighbors",
    "pyod_autoencoder": "PyOD AutoEncoder",
    "lof": "LocalOutlierFactor",
    "isolation_forest": "IsolationForest",
    "svm": "OneClassSVM",
    "pyod_pca": "PyOD PCA",
}


def draw(path):
    """Plot the means over tables and over the classes of Fashion-MNIST."""
    figure, ax = new_figure(6.5, 2.8)
    names = list(DETECTORS)[::-1]
    for data, label, color, marker in (
        ("tables", "ADBench tables", BLUE, "o"),
        ("fashion-mnist", "Fashion-MNIST, one class as normal", ORANGE, "s"),
    ):
        keys = {name: f"detect/mean/{data}/{name}/roc_auc" for name in names}
        measured = [name for name in names if keys[name] in ENTRIES]
        ax.plot(
            [value(keys[name]) for name in measured],
            [names.index(name) for name in measured],
            marker,
            color=color,
            label=label,
        )
    ax.set_yticks(range(len(names)), [DETECTORS[name] for name in names])
    ax.set_xlabel("mean ROC-AUC")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(loc="lower right")
    save(figure, path)
