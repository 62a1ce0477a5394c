"""The architecture: which folder may import which, and how long a file may be."""

import ast
from pathlib import Path

import pytest

import skae
from skae.bottlenecks import BOTTLENECKS
from skae.corruptions import IMAGE_CORRUPTIONS
from skae.losses import LOSSES
from skae.penalties import PENALTIES

ROOT = Path(skae.__file__).parent

FLOORS = [
    ["_typing", "_version", "_warnings"],
    ["_files", "_parameter_names"],
    ["networks", "datasets", "distributed", "_sklearn_compat", "_devices"],
    ["_options"],
    ["losses", "bottlenecks", "corruptions", "features"],
    ["augmentations"],
    ["penalties"],
    ["_input"],
    ["_training"],
    ["_persistence"],
    ["displays"],
    ["autoencoders", "restoration"],
    ["_meta_estimator"],
    ["anomaly", "imputation", "generation", "compression", "dask"],
    ["__init__"],
    ["export"],
]
"""Folders and single files, from the ground up. An import points to a lower floor, or stays within its folder."""

INNER_FLOORS = {
    "_input": [
        ["rows"],
        ["sparse_rows"],
        ["dtypes", "cells", "array_api"],
        ["tensors", "tables", "batching"],
        ["array_likes", "units", "factor_analysis", "partition"],
        [
            "dask_rows",
            "streaming",
            "image_layout",
            "missing_values",
            "sample_layout",
            "scaling",
            "table_columns",
            "targets",
        ],
        ["table_encoding"],
        ["table_schema"],
        ["table_output", "validation"],
        ["training_data"],
    ],
    "_training": [
        [
            "checkpoint_values",
            "learning_rate",
            "objective",
            "preparation",
            "process_sums",
            "progress",
            "sample_changes",
            "schedules",
            "step_sums",
            "weight_average",
        ],
        ["checkpoint_files", "fit_digest", "moments", "net_state"],
        ["agreement", "features", "processes", "sparse_pca"],
        [
            "batch_inputs",
            "batch_loss",
            "checkpoints",
            "code_statistics",
            "defaults",
            "divided_steps",
            "early_stopping",
            "fitted",
            "history",
            "net_params",
            "optimizers",
            "pca",
            "validation_split",
        ],
        ["cuda_graphs", "group_checkpoints"],
        ["net", "initialization", "convergence_warnings", "plan"],
        ["finished_fits", "setup"],
        ["fit"],
    ],
}
"""The same within two folders: a file imports only from lower floors."""

TORCH_ONLY = ["networks"]
OPTIONS = ["losses", "penalties", "bottlenecks", "corruptions", "augmentations", "features"]
"""Modules that know torch and scikit-learn's BaseEstimator; fitted attributes are arrays of NumPy."""

OPTION_IMPORTS = {"sklearn.base", "sklearn.cluster", "numpy"}
"""`sklearn.cluster` has the k-means++ that starts codebooks."""

STANDARD_LIBRARY = {
    "collections",
    "contextlib",
    "contextvars",
    "copy",
    "dataclasses",
    "functools",
    "itertools",
}
STANDARD_LIBRARY |= {"inspect", "math", "numbers", "typing"}

MAX_LINES = 400


def module_files():
    """Return the path of each module, by its dotted name within the package."""
    files = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        files[".".join(parts)] = path
    return files


FILES = module_files()


def imports(source, package="skae"):
    """Return each (module, names) that a source imports, also inside of functions."""
    statements = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            statements += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*base, module]).rstrip(".")
            statements.append((module, [alias.name for alias in node.names]))
    return statements


def imported_modules(source, package="skae"):
    """Return the modules of skae that a source imports, by their dotted names within the package."""
    modules = set()
    for module, names in imports(source, package):
        if module != "skae" and not module.startswith("skae."):
            continue
        inside = module.removeprefix("skae").removeprefix(".")
        for name in names or [""]:
            longer = f"{inside}.{name}".strip(".")
            modules.add(longer if longer in FILES else inside or "__init__")
    return modules


def package_of(name):
    """Return the package that the relative imports of a module start from."""
    is_package = FILES[name].name == "__init__.py"
    parent = name if is_package else name.rpartition(".")[0]
    return f"skae.{parent}".rstrip(".").removesuffix(".__init__")


def floor(name, floors):
    """Return the number of the floor that a name stands on."""
    return next(i for i, names in enumerate(floors) if name in names)


def forbidden_imports(graph):
    """Return a sentence for each import that points to the same or to a higher floor."""
    sentences = []
    for name, others in graph.items():
        folder, _, file = name.partition(".")
        for other in sorted(others):
            other_folder, _, other_file = other.partition(".")
            floors, here, there = FLOORS, folder, other_folder
            if folder == other_folder:
                if folder not in INNER_FLOORS or not file or not other_file:
                    continue
                floors, here, there = INNER_FLOORS[folder], file, other_file
            if floor(there, floors) >= floor(here, floors):
                sentences.append(f"{name} imports {other}, which does not stand on a lower floor.")
    return sentences


def find_cycle(graph):
    """Return the modules of one import cycle, or None."""
    done = set()

    def visit(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        done.add(name)
        for other in sorted(graph.get(name, ())):
            cycle = visit(other, [*path, name])
            if cycle:
                return cycle
        return None

    for name in graph:
        cycle = visit(name, [])
        if cycle:
            return cycle
    return None


GRAPH = {name: imported_modules(path.read_text(), package_of(name)) for name, path in FILES.items()}


def test_each_file_stands_on_a_floor():
    """The floors name every folder and file of the package, and nothing else."""
    assert {name.partition(".")[0] for name in FILES} == {
        name for names in FLOORS for name in names
    }
    for folder, floors in INNER_FLOORS.items():
        files = {name.partition(".")[2] for name in FILES if name.startswith(f"{folder}.")}
        assert files == {name for names in floors for name in names}


def test_imports_point_to_lower_floors():
    """A file imports from lower floors, or from its own folder."""
    sentences = forbidden_imports(GRAPH)
    assert not sentences, "\n".join(sentences)


def test_there_is_no_import_cycle():
    """No module imports itself through others."""
    cycle = find_cycle({name: others - {name} for name, others in GRAPH.items()})
    assert cycle is None, f"Imports form a cycle: {' -> '.join(cycle)}."


@pytest.mark.parametrize(
    "name", [name for name in FILES if name.partition(".")[0] in TORCH_ONLY + OPTIONS]
)
def test_torch_does_not_know_scikit_learn(name):
    """Networks import torch only; options import torch and scikit-learn's BaseEstimator."""
    allowed = STANDARD_LIBRARY | {"torch", "skae"}
    modules = {module for module, _ in imports(FILES[name].read_text(), package_of(name))}
    if name.partition(".")[0] in OPTIONS:
        modules -= OPTION_IMPORTS
    foreign = {module.partition(".")[0] for module in modules} - allowed
    assert not foreign, f"{name} imports {sorted(foreign)}, but should import torch only."


@pytest.mark.parametrize("name", [name for name in FILES if name != "_sklearn_compat"])
def test_private_names_of_scikit_learn_are_in_one_file(name):
    """Only _sklearn_compat imports private names of scikit-learn."""
    private = [
        f"{module}: {one}"
        for module, names in imports(FILES[name].read_text(), package_of(name))
        if module.split(".")[0] == "sklearn"
        for one in names or [""]
        if one.startswith("_") or any(part.startswith("_") for part in module.split("."))
    ]
    assert not private, (
        f"{name} imports {private} from scikit-learn; import it from skae._sklearn_compat."
    )


@pytest.mark.parametrize("name", FILES)
def test_files_are_short(name):
    """No file is longer than 400 lines."""
    length = len(FILES[name].read_text().splitlines())
    assert length <= MAX_LINES, f"{name} has {length} lines: divide it by subject."


@pytest.mark.parametrize("name", [name for name in FILES if name != "__init__"])
def test_all_lists_existing_names(name):
    """__all__ lists only names that exist."""
    module = __import__(f"skae.{name}", fromlist=["x"])
    missing = [one for one in getattr(module, "__all__", []) if not hasattr(module, one)]
    assert not missing, f"skae.{name} has no {missing}."


def option_words():
    """Return the words of all options."""
    words = set()
    for table in (LOSSES, PENALTIES, BOTTLENECKS, IMAGE_CORRUPTIONS):
        words |= set(table)
    return words


def compared_words(source, words):
    """Return the words that a source compares with, matches, or uses as keys of a dict."""
    compared = set()
    for node in ast.walk(ast.parse(source)):
        operands = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            operands = [node.value]
        elif isinstance(node, ast.Dict):
            operands = [key for key in node.keys if key is not None]
        for operand in operands:
            for inner in ast.walk(operand):
                if isinstance(inner, ast.Constant) and inner.value in words:
                    compared.add(inner.value)
    return compared


def compared_classes(source, classes):
    """Return the classes that a source tests an object for."""
    compared = set()
    for node in ast.walk(ast.parse(source)):
        is_test = isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "isinstance",
            "issubclass",
        )
        if is_test or isinstance(node, ast.Compare):
            names = {getattr(inner, "id", getattr(inner, "attr", "")) for inner in ast.walk(node)}
            compared |= names & classes
    return compared


@pytest.mark.parametrize("name", [name for name in FILES if name.partition(".")[0] not in OPTIONS])
def test_words_of_options_stay_in_their_modules(name):
    """No other module compares with the word of a loss, penalty, bottleneck or corruption."""
    words = compared_words(FILES[name].read_text(), option_words())
    assert not words, f"{name} compares with {sorted(words)}: ask the option instead."


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in FILES
        if name.partition(".")[0] in ("_training", "autoencoders", "networks", "restoration")
    ],
)
def test_no_module_asks_for_the_class_of_an_option(name):
    """Training, estimators and networks read attributes of options, and never their class."""
    classes = set()
    for table in (LOSSES, PENALTIES, BOTTLENECKS, IMAGE_CORRUPTIONS):
        classes |= {option.__name__ for option in table.values()}
    compared = compared_classes(FILES[name].read_text(), classes)
    assert not compared, f"{name} asks for {sorted(compared)}: declare an attribute instead."


def test_comparisons_with_words_and_classes_are_found():
    """Comparisons, matches, keys and tests of a class are found."""
    assert compared_words("if x in ('rate', 'b'): pass", {"rate"}) == {"rate"}
    assert compared_words("f = {'rate': 1}[x]", {"rate"}) == {"rate"}
    assert compared_words("match x:\n    case 'rate': pass", {"rate"}) == {"rate"}
    assert compared_words("f('rate')", {"rate"}) == set()
    assert compared_classes("isinstance(x, penalties.Rate)", {"Rate"}) == {"Rate"}
    assert compared_classes("type(x) is Rate", {"Rate"}) == {"Rate"}
    assert compared_classes("x = Rate()", {"Rate"}) == set()


def test_imports_inside_functions_are_read():
    """An import inside a function, and each way to write it, is read."""
    source = "def f():\n    import skae.losses\n    from skae import penalties as p\n    from skae._training.fit import g\n"
    assert imported_modules(source) == {"losses", "penalties", "_training.fit"}
    assert imported_modules("from . import conv", "skae.networks") == {"networks.conv"}


def test_forbidden_imports_are_reported():
    """Imports that point up or sideways, and cycles, are reported."""
    assert "losses imports _training.net" in forbidden_imports({"losses": {"_training.net"}})[0]
    assert (
        "_input.rows imports _input.dtypes"
        in forbidden_imports({"_input.rows": {"_input.dtypes"}})[0]
    )
    assert forbidden_imports({"_training.net": {"losses"}, "_input.dtypes": {"_input.rows"}}) == []
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
