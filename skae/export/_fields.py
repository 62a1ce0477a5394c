"""The declaration of a class in the schema of files, and kinds that several classes share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from skae.export._compound_kinds import Array, Choice, Fields, Sequence, Strings
from skae.export._kinds import Boolean, Int, Null, Real, Word

__all__ = [
    "ANY",
    "ANY_COUNT",
    "AT_LEAST_0",
    "AUTO",
    "AUTO_OR_COUNT",
    "AUTO_OR_POSITIVE",
    "COUNT",
    "COUNTS",
    "FEATURE_NAMES",
    "MAX_COUNT",
    "N_FEATURES",
    "OUTPUT_CONFIG",
    "POSITIVE",
    "SEED",
    "SIZES",
    "VERBOSE",
    "ClassSchema",
]

MAX_COUNT = 2**31 - 1
"""Maximum of counts: features, components, filters, samples of a batch, epochs."""

MAX_LAYERS = 100
"""Maximum number of hidden layers."""


@dataclass(frozen=True)
class ClassSchema:
    """Declaration of one class.

    Attributes
    ----------
    class_ : type
        The class.
    parameters : mapping of str to Kind
        Parameters of the constructor, all of which a file has.
    fitted : mapping of str to Kind
        Attributes of a fitted object: a file has all of them, or none.
    optional : mapping of str to Kind
        Attributes that a fitted object may lack.
    check : callable, default=None
        Check of values that depend on each other. It gets the `Node` and the `Reader`, and raises
        a ValueError. It is called only for fitted objects.
    """

    class_: type
    parameters: Mapping
    fitted: Mapping = field(default_factory=dict)
    optional: Mapping = field(default_factory=dict)
    check: Callable | None = None


AUTO = Word("auto")
COUNT = Int(1, MAX_COUNT)
ANY_COUNT = Int(0, 2**53)
POSITIVE = Real(above=0)
AT_LEAST_0 = Real(0)
ANY = Real()

AUTO_OR_COUNT = Choice(AUTO, COUNT)
AUTO_OR_POSITIVE = Choice(AUTO, POSITIVE)
SIZES = Sequence(COUNT, 0, MAX_LAYERS)
COUNTS = Array("iu", ("n_sizes",), low=0, high=MAX_COUNT)
SEED = Choice(Null(), Int(0, 2**32 - 1))
VERBOSE = Choice(Boolean(), Int(-MAX_COUNT, MAX_COUNT))
OUTPUT_CONFIG = {
    "_sklearn_output_config": Fields(
        {"transform": Choice(Null(), Word("default", "pandas", "polars"))}
    )
}
N_FEATURES = {"n_features_in_": Int(1, MAX_COUNT, size="d")}
FEATURE_NAMES = {"feature_names_in_": Strings("d")}
