"""Tables of numbers in the user guide are those of the code, and each option has its equation."""

import itertools
import math
import re
from pathlib import Path

import pytest

from skae import bottlenecks, corruptions, features, losses, penalties
from skae._input.targets import LABEL_SMOOTHING
from skae._input.units import MAX_UNIT_RATIO
from skae._training import checkpoints, convergence_warnings, defaults, plan, setup
from skae._training.early_stopping import EarlyStopping
from skae._training.features import MAX_FILTER_IMAGES
from skae._training.features import MAX_SAMPLES as MAX_FEATURE_SAMPLES
from skae._training.initialization import HEAD_WIDTH
from skae._training.learning_rate import learning_rate_factor
from skae._training.optimizers import SOLVERS
from skae._training.pca import (
    MAX_COVARIANCE_FEATURES,
    MAX_FLOPS,
    MAX_GRAM_NUMBERS,
    MAX_SAMPLES,
)
from skae._training.plan import AUGMENTED_EPOCHS_FACTOR
from skae._training.preparation import FEATURE_FACTOR
from skae._training.sample_changes import (
    MAX_MIRROR_ERROR,
    MIN_AUGMENTED_SAMPLES,
    N_COMPARED_COMPONENTS,
)
from skae._training.validation_split import MAX_VALIDATION_SAMPLES, validation_size
from skae.autoencoders._architecture import AUTO_COLOR_FILTERS, AUTO_FILTERS
from skae.corruptions._base import AUTO_LEVEL
from skae.networks.dense import MAX_PRECISION_FEATURES
from skae.networks.features import MAX_PIXELS, N_PATCHES
from skae.networks.patches import MAX_PCA_FEATURES

GUIDE = Path(__file__).parents[2] / "docs" / "guide"

if not GUIDE.is_dir():  # the sdist has no documentation
    pytest.skip("The folder docs is missing.", allow_module_level=True)


def page(name):
    """Return the text of a page, with one space for any white space."""
    return " ".join((GUIDE / f"{name}.rst").read_text(encoding="utf-8").split())


def cells(name, header):
    """Return the rows of the simple table with a header, as lists of cells."""
    lines = (GUIDE / f"{name}.rst").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if re.match(header, line))
    columns = [match.span() for match in re.finditer("=+", lines[start - 1])]
    rows = []
    for line in lines[start + 2 :]:
        if line.startswith("==="):
            return rows
        bounds = [*[first for first, _ in columns], None]
        rows.append([line[i:j].strip() for i, j in itertools.pairwise(bounds)])
    raise AssertionError(f"The table in {name} has no end.")


def plan_of(n_samples, n_features, *, convolutional=False, **kwargs):
    """Return the training plan of defaults, and the widths of encoder and decoder."""
    encoder, decoder = defaults.default_hidden_sizes(n_samples, n_features)
    automatic = dict.fromkeys(("batch_size", "max_iter", "learning_rate_init"), "auto")
    settings = {"early_stopping": True, "cross_validation": True, **automatic, **kwargs}
    width = max(*encoder, decoder[0])
    resolved = defaults.make_plan(
        n_samples, n_features, width, convolutional=convolutional, **settings
    )
    return resolved, encoder, decoder


EXAMPLES = cells("training", r"class +n +d ")


@pytest.mark.parametrize("row", EXAMPLES)
def test_examples_of_automatic_values(row):
    """The examples of "auto" in the page on training are what the code resolves."""
    name, n, d, encoder, decoder, batch_size, epochs, rate, folds = row
    resolved, encoder_sizes, decoder_sizes = plan_of(
        int(n.replace(",", "")),
        int(d.replace(",", "")),
        convolutional=name == "ConvAutoencoder",
    )
    assert encoder == ", ".join(map(str, encoder_sizes))
    assert decoder == ", ".join(map(str, decoder_sizes))
    assert int(batch_size) == resolved.batch_size
    assert int(epochs) == resolved.epochs
    assert float(rate) == pytest.approx(resolved.learning_rate, rel=5e-3)
    assert int(folds) == resolved.n_folds


def test_equations_of_epochs_and_learning_rate():
    """The equations of the page on training are those of the code."""
    for n, d, convolutional in [(150, 4, False), (1797, 64, False), (60000, 784, True)]:
        for factor in (1, 3, 6):
            resolved, encoder, decoder = plan_of(
                n, d, convolutional=convolutional, epochs_factor=factor
            )
            few = 100 if convolutional else 125
            steps = max(100, 10 * math.sqrt(n) * min(1, few / d))
            assert resolved.epochs == math.ceil(steps * factor * resolved.batch_size / n)
            rate = min(0.02, 2.5e-4 * math.sqrt(n)) * min(1, 256 / max(*encoder, decoder[0]))
            if convolutional:
                rate = min(rate, 0.007)
            assert resolved.learning_rate == pytest.approx(rate)
    factors = {one[0]: one[-1] for one in cells("training", r"objective +factor")}
    assert factors['"ordered"'] == str(bottlenecks.Ordered.epochs_factor)
    assert factors["reconstruction only"] == "1"
    assert factors['"variational", "quantized", or a custom bottleneck'] == str(
        bottlenecks.Bottleneck.epochs_factor
    )
    assert plan.MIN_EPOCHS_FACTOR == 3


def test_rules_of_validation():
    """The bounds of folds, and of the validation split, are those of the table."""
    expected = {9: 1, 10: 5, 1000: 5, 1001: 3, 3000: 3, 3001: 1}
    for n, n_folds in expected.items():
        assert plan_of(n, 20)[0].n_folds == n_folds
    ranges = [row[0] for row in cells("training", r"number of samples n")]
    assert ranges[:4] == ["n < 10", "10 ≤ n ≤ 1,000", "1,000 < n ≤ 3,000", "n > 3,000"]
    assert plan_of(500, 20, early_stopping=False)[0].n_folds == 0
    assert MAX_VALIDATION_SAMPLES == 3000
    assert validation_size(10_000, "auto", 10_000) == 1000
    assert plan.MAX_FOLD_BYTES == 64 * 2**20
    assert "64 MiB" in page("training")
    assert defaults.MAX_FOLD_SAMPLES_WITH_MISSING == 1000
    assert MAX_PRECISION_FEATURES == 128


def test_rules_of_early_stopping():
    """Evaluations, interpolation weights and the required gain are those of the table."""
    resolved = plan_of(1797, 64)[0]
    assert resolved.n_evaluations == 5
    assert resolved.interpolation_weights == (0.25, 0.5, 0.75, 1.0)
    assert resolved.min_gain_in_standard_errors == 2
    assert plan_of(1797, 64, plain=False)[0].min_gain_in_standard_errors == 0
    assert plan_of(20_000, 64)[0].interpolation_weights == resolved.interpolation_weights
    assert plan_of(20_001, 64)[0].interpolation_weights == (1.0,)
    assert setup.MAX_RESTARTED_SAMPLES == 20_000
    assert EarlyStopping._should_stop.__doc__.startswith("Return whether a fifth of the epochs")


def test_schedule_of_the_learning_rate():
    """The learning rate peaks at a quarter of the steps and ends at zero."""
    warm_up = plan_of(1797, 64)[0].warm_up
    factors = [learning_rate_factor(step, 1000, warm_up) for step in range(1000)]
    assert max(factors) == factors[round(0.25 * 1000) - 1] or max(factors) == factors[250]
    assert factors[-1] < 0.01


def test_bounds_of_warnings():
    """The conditions of convergence warnings are those of the table."""
    assert convergence_warnings.MIN_EPOCHS == 1 / 10
    assert convergence_warnings.MIN_EPOCHS_IF_DECREASING == 1 / 4
    assert convergence_warnings.MIN_DECREASE == 0.01
    assert convergence_warnings.MIN_INCREASE == 10
    assert convergence_warnings.MIN_EXPLAINED == 0.1
    assert bottlenecks.MIN_CODEBOOK_USAGE == 0.5
    assert MAX_UNIT_RATIO == 50


def test_sizes_of_the_network():
    """The default sizes in the pages on choosing and on training are those of the code."""
    assert defaults.default_n_coordinates(8, convolutional=False) == 384
    assert defaults.default_n_coordinates(8, convolutional=True) == 256
    assert defaults.default_n_coordinates(300, convolutional=True) == 600
    assert defaults.MAX_ENCODER_INPUTS == 128
    assert [defaults.default_n_components(d) for d in (1, 9, 1000)] == [1, 4, 32]
    assert defaults.MAX_BATCH_NUMBERS == 2**24
    assert MAX_COVARIANCE_FEATURES == MAX_SAMPLES == MAX_PCA_FEATURES == 4096
    assert MAX_FLOPS == 1e12
    assert MAX_GRAM_NUMBERS == 2**27
    assert (AUTO_FILTERS, AUTO_COLOR_FILTERS) == (16, 32)
    assert (AUGMENTED_EPOCHS_FACTOR, defaults.MAX_AUGMENTED_RATE) == (6, 0.0035)
    assert defaults.MAX_CYCLE_SAMPLES == 3000
    assert (defaults.MIN_AVERAGED_EPOCHS, MAX_MIRROR_ERROR) == (4, 1.03)
    assert (MIN_AUGMENTED_SAMPLES, N_COMPARED_COMPONENTS) == (3000, 16)
    assert HEAD_WIDTH == 64
    batch_sizes = {3999: 128, 4000: 256, 19_999: 256, 20_000: 512}
    for n, batch_size in batch_sizes.items():
        assert plan_of(n, 20)[0].batch_size == batch_size


def test_table_of_solvers():
    """The solvers and the factors of their learning rates are those of the code."""
    rows = cells("choosing", r"``solver``")
    assert {row[0].strip('"'): float(row[-1]) for row in rows} == {
        word: factor for word, (_, _, factor) in SOLVERS.items()
    }


def test_table_of_penalties():
    """The default weights of penalties are those of the code."""
    rows = cells("penalties", r"``penalty``")
    weights = {row[0].strip('"'): float(row[2]) for row in rows}
    assert weights == {word: option().weight for word, option in penalties.PENALTIES.items()}


def test_table_of_patch_features():
    """The default values of patch features are those of grayscale images, color images and signals."""
    sizes = [(1, 28, 28), (3, 32, 32), (1, 1, 100)]
    resolved = [features.PatchFeatures().resolve(size) for size in sizes]
    for name, *texts, _ in cells("features", r"parameter +grayscale"):
        for text, option in zip(texts, resolved, strict=True):
            value = getattr(option, name.strip("`"))
            if isinstance(value, tuple):
                value = " x ".join(str(side) for side in value if side > 1)
            assert str(value) in re.split(" to | or ", text), name
    text = page("features")
    for number in (N_PATCHES, MAX_FEATURE_SAMPLES, MAX_FILTER_IMAGES, MAX_PIXELS):
        assert f"{number:,}" in text
    assert setup.MAX_PREPARED_BYTES * FEATURE_FACTOR == 2**30


def test_defaults_of_options():
    """Default weights and levels in the text are those of the code."""
    assert bottlenecks.Variational().weight == 0.1
    assert bottlenecks.Quantized().weight == 1.0
    sizes = {n: bottlenecks.Quantized().resolve(n).codebook_size for n in (8, 800, 10_000)}
    assert sizes == {8: 2, 800: 100, 10_000: 256}
    assert AUTO_LEVEL == 0.2
    assert corruptions.Blur().level == 1.0
    assert corruptions.JPEG().level == 50
    assert losses.Huber().delta == 1.0
    assert LABEL_SMOOTHING == 0.1


def test_moments_of_checkpoints():
    """The intervals between checkpoints are those of the table."""
    assert checkpoints.MIN_SECONDS == 30
    assert checkpoints.MIN_SECONDS_WITHIN_EPOCH == 600
    assert checkpoints.MAX_WRITES == 0.01


PAGES = {
    "losses": losses.LOSSES,
    "penalties": penalties.PENALTIES,
    "denoising": corruptions.IMAGE_CORRUPTIONS,
    "variational": {"variational": bottlenecks.Variational},
    "vector_quantization": {"quantized": bottlenecks.Quantized},
    "ordered": {"ordered": bottlenecks.Ordered},
}


@pytest.mark.parametrize("name", PAGES)
def test_each_option_has_an_equation_and_a_figure(name):
    """A page of options names each word or class, and has an equation for each of them."""
    text = page(name)
    for word, option in PAGES[name].items():
        assert f'"{word}"' in text or f"``{option.__name__}" in text
    assert text.count(".. math::") >= len(PAGES[name])
    assert ".. figure:: /figures/" in text


def test_figures_have_scripts_and_alternative_text():
    """Each figure of the guide has a script that draws it, and a description."""
    for path in GUIDE.glob("*.rst"):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"\.\. figure:: /figures/(\w+)\.svg\n    :alt: \S", text):
            assert (GUIDE.parent / "figures" / f"{match[1]}.py").exists(), match[1]
        figures = re.findall(r"\.\. figure:: /figures/", text)
        assert len(figures) == len(re.findall(r"/figures/\w+\.svg\n    :alt: \S", text)), path.name
