"""Bottlenecks as options: defaults, properties, fitted attributes, warnings and descriptions."""

import copy
import pickle

import numpy as np
import pytest
import torch

from skae import ConvAutoencoder, DenseAutoencoder
from skae.autoencoders._html import summary
from skae.bottlenecks import (
    BOTTLENECKS,
    Bottleneck,
    BottleneckModule,
    Deterministic,
    Ordered,
    Quantized,
    Variational,
)
from skae.networks.bottlenecks import NestedDropout, NormalPosterior, VectorQuantizer
from skae.penalties import Rate

from .cases import label, low_rank
from .user_options import Channel

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}

OPTIONAL = {
    "explained_variance_ratio_",
    "codebooks_",
    "codebook_usage_",
    "code_steps_",
    "capacity_",
}
"""Fitted attributes that belong to a bottleneck or a penalty."""

ATTRIBUTES = [
    ({"bottleneck": "deterministic"}, set()),
    ({"bottleneck": Ordered()}, {"explained_variance_ratio_"}),
    ({"bottleneck": Variational()}, set()),
    ({"bottleneck": Quantized(4)}, {"codebooks_", "codebook_usage_"}),
    ({"bottleneck": Channel()}, {"capacity_"}),
    ({"bottleneck": Deterministic(), "penalty": Rate()}, {"code_steps_"}),
]


def optional_attributes(estimator):
    """Return the fitted attributes that belong to a bottleneck or a penalty."""
    return OPTIONAL & set(vars(estimator))


@pytest.mark.parametrize(
    ("word", "weight", "module"),
    [
        ("deterministic", 0.0, BottleneckModule),
        ("ordered", 0.0, NestedDropout),
        ("variational", 0.1, NormalPosterior),
        ("quantized", 1.0, VectorQuantizer),
    ],
)
def test_defaults(word, weight, module):
    """Each word has its default weight and its module."""
    option = BOTTLENECKS[word]().resolve(100)
    assert option.weight == weight
    assert type(option.make_module(4, 7)) is module
    assert option.has_cost == (weight > 0)


@pytest.mark.parametrize(
    ("option", "n_samples", "size"),
    [
        (Quantized(), 10, 2),
        (Quantized(), 80, 10),
        (Quantized(), 10**6, 256),
        (Quantized(7), 10**6, 7),
        (Quantized(np.int64(7)), 10, 7),
    ],
)
def test_auto_codebook_size(option, n_samples, size):
    """The size "auto" is one vector for eight samples, from 2 to 256; an int is kept."""
    before = option.codebook_size
    resolved = option.resolve(n_samples)
    assert resolved.codebook_size == size
    assert type(resolved.codebook_size) is int
    assert option.codebook_size is before


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_a_new_fit_removes_attributes_of_the_last_bottleneck(make, rows):
    """After a fit there are exactly the attributes of its bottleneck and penalty, in any order."""
    estimator = make(4, **FAST)
    for parameters, names in [*ATTRIBUTES, *ATTRIBUTES[::-1]]:
        estimator.set_params(**{"penalty": None, **parameters}).fit(rows)
        assert optional_attributes(estimator) == names
        assert set(estimator._spec.code_attributes) == names
        loaded = pickle.loads(pickle.dumps(estimator))
        assert optional_attributes(loaded) == names
        loaded.set_params(bottleneck="deterministic", penalty=None).fit(rows)
        assert not optional_attributes(loaded)


@pytest.mark.parametrize(("parameters", "names"), ATTRIBUTES, ids=label)
def test_partial_fit_sets_the_attributes(parameters, names, rows):
    """Every pass of `partial_fit` sets the attributes of its bottleneck and penalty anew."""
    estimator = DenseAutoencoder(4, learning_rate_init=0.01, random_state=0, **parameters)
    before = copy.deepcopy(estimator.partial_fit(rows))
    assert optional_attributes(before) == names
    estimator.partial_fit(rows)
    for name in names - {"code_steps_"}:
        assert not np.array_equal(getattr(estimator, name), getattr(before, name))


def test_a_failed_fit_keeps_the_attributes(rows):
    """A fit that raises an error leaves the attributes of the last bottleneck."""
    estimator = DenseAutoencoder(4, bottleneck=Quantized(4), **FAST).fit(rows)
    codebooks = estimator.codebooks_
    with pytest.raises(ValueError, match="'weight' parameter of Variational"):
        estimator.set_params(bottleneck=Variational(-1)).fit(rows)
    assert estimator.codebooks_ is codebooks


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (Variational(0.001), Variational(3.0)),
        (Channel(weight=0.001), Channel(weight=3.0)),
    ],
    ids=label,
)
def test_a_larger_weight_lowers_the_cost(low, high, rows):
    """A larger weight of the cost lowers the cost, and the explained variance."""
    costs, scores = [], []
    for option in (low, high):
        estimator = DenseAutoencoder(3, bottleneck=option, **FAST | {"max_iter": 60}).fit(rows)
        module = estimator.net_.module_
        with torch.no_grad():
            z = module.prepare(torch.from_numpy(rows))
            output = module(z, torch.Generator().manual_seed(0))
        costs.append(float(output.bottleneck_cost.mean()))
        scores.append(estimator.score(rows))
    assert costs[1] < 0.5 * costs[0]
    assert scores[1] < scores[0]


@pytest.mark.parametrize("option", [Variational(100.0), Channel(weight=100.0)], ids=label)
def test_collapse_names_the_class_and_the_weight(option):
    """The warning of collapsed latent vectors has the class and the weight, also of users' classes."""
    X = low_rank(100, 6)
    message = f"collapsed.*Got the weight 100 in {type(option).__name__}: decrease it"
    with pytest.warns(UserWarning, match=message):
        DenseAutoencoder(2, bottleneck=option, random_state=0, max_iter=150).fit(X)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, "4 dimensions"),
        ({"bottleneck": "ordered"}, "4 dimensions, ordered"),
        ({"bottleneck": Variational(0.2)}, "4 dimensions, variational"),
        (
            {"bottleneck": Quantized(5)},
            "4 dimensions, quantized: 1 codebook of 5 vectors of length 4",
        ),
        ({"bottleneck": Channel()}, "4 dimensions, channel"),
        ({"penalty": "rate"}, "4 dimensions, rate penalty"),
    ],
    ids=label,
)
def test_descriptions(parameters, text, rows):
    """The HTML summary describes the bottleneck and the penalty in a few words."""
    estimator = DenseAutoencoder(4, **parameters, **FAST).fit(rows)
    assert {name: found for name, found, _ in summary(estimator)}["latent vector"] == text


def test_prefixes_of_codes_follow_from_the_option(rows):
    """Codes can be cut for every nested bottleneck, also for a subclass, and for no other."""

    class Mine(Ordered):
        """A subclass without a change."""

    for option in (Ordered(), Mine()):
        estimator = DenseAutoencoder(0.9, bottleneck=option, **FAST).fit(rows)
        codes = estimator.transform(rows)
        assert estimator.inverse_transform(codes[:, :1]).shape == rows.shape
    for option in ("deterministic", Variational(), Quantized(4), Channel()):
        estimator = DenseAutoencoder(4, bottleneck=option, **FAST).fit(rows)
        with pytest.raises(ValueError, match="2 columns, but expected 4"):
            estimator.inverse_transform(np.zeros((3, 2)))
        with pytest.raises(ValueError, match=r"n_components=0\.9 with bottleneck="):
            DenseAutoencoder(0.9, bottleneck=option, **FAST).fit(rows)


def test_a_bottleneck_changes_latent_vectors_in_inference(rows):
    """`quantize` of a user's module decides what `transform` returns and `reconstruct` decodes."""

    class LargestModule(BottleneckModule):
        def forward(self, z, hidden, generator):
            return self.quantize(z), None

        def quantize(self, z):
            threshold = z.abs().topk(2, dim=-1).values[..., -1:]
            return z * (z.abs() >= threshold)

    class Largest(Bottleneck):
        """Two latent dimensions of each sample are not zero."""

        def make_module(self, n_components, n_hidden):
            return LargestModule()

    estimator = DenseAutoencoder(4, bottleneck=Largest(), **FAST).fit(rows)
    codes = estimator.transform(rows)
    assert ((codes != 0).sum(1) == 2).all()
    np.testing.assert_allclose(
        estimator.inverse_transform(codes), estimator.reconstruct(rows), rtol=1e-4, atol=1e-4
    )
    assert estimator._spec.network.bottleneck == Largest()
