"""The architecture: which file may import which, and how long a file may be."""

import ast
from pathlib import Path

import pytest

import skae

ROOT = Path(skae.__file__).parent

ROWS = [
    ["_version", "_typing", "_warning"],
    ["datasets._items", "datasets._idx"],
    ["datasets._images", "datasets._torch"],
    ["datasets"],
    ["_stored", "_layout", "corruptions", "objectives", "penalties", "networks.grid", "networks.blocks"],
    ["_validation", "_batches", "_damage", "_targets", "networks.bottlenecks", "_objective"],
    ["_principal", "networks.autoencoder"],
    ["networks.dense", "networks.conv", "networks.restorer"],
    ["networks"],
    ["_defaults", "_net", "_settings"],
    ["_starting", "_training", "_finishing", "_progress", "_state", "_advice", "_html", "_using"],
    ["_preparing"],
    ["_fitting"],
    ["_base"],
    ["_dense", "_conv"],
    ["_wrapped"],
    ["anomaly._measures", "generation", "restoration._checks", "restoration._pieces", "displays._drawing"],
    ["restoration._training", "anomaly._detector"],
    ["restoration._restorer"],
    ["compression.coding", "compression.container", "compression.learning", "compression.quantiser", "compression.tiles"],
    ["compression.symbols"],
    ["compression.grids", "compression.rows"],
    ["compression.codec"],
    ["anomaly", "compression", "restoration"],
    ["displays._latent", "displays._reconstruction", "displays._spectrum", "displays._training", "displays._traversal"],
    ["displays"],
    [""],
    ["export._values", "export._onnx"],
    ["export._safe"],
    ["export"],
]
"""An import may only point to a row above its own. The empty name is the package's ``__init__``."""

TORCH_ONLY = ["corruptions", "objectives", "penalties", "_objective", "networks", "networks.bottlenecks", "networks.grid"]
TORCH_ONLY += ["networks.blocks", "networks.autoencoder", "networks.dense", "networks.conv", "networks.restorer"]
"""What knows nothing of scikit-learn, nor of skorch."""

MOST_LINES = 400

LEVEL = {name: level for level, row in enumerate(ROWS) for name in row}


def files():
    """Give each file's name in the table, and its path."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = files()


def imports(source, name=""):
    """Give every (module, names) that a source imports, also inside of functions; relative imports are resolved."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = ["skae", *name.split(".")][: -node.level] if name else ["skae"]
                module = ".".join([*package, module]).rstrip(".")
            found.append((module, [alias.name for alias in node.names]))
    return found


def inside(source, name=""):
    """Give the rows' names of what a source imports from skae itself."""
    found = set()
    for module, names in imports(source, name):
        if module != "skae" and not module.startswith("skae."):
            continue
        module = module.removeprefix("skae").removeprefix(".")
        for one in names or [None]:
            longer = f"{module}.{one}".removeprefix(".")
            found.add(longer if one is not None and longer in LEVEL else module)
    return found


def wrong_way(graph):
    """Give a sentence for each import that doesn't point to a row above."""
    return [
        f"skae.{name} imports skae.{other}, which is {'beside' if LEVEL[name] == LEVEL[other] else 'below'} it in the table."
        for name, others in graph.items()
        for other in sorted(others)
        if LEVEL[other] >= LEVEL[name]
    ]


def cycle(graph):
    """Give the modules of one cycle, or nothing."""
    done = set()

    def visit(name, road):
        if name in road:
            return [*road[road.index(name) :], name]
        if name in done:
            return None
        done.add(name)
        for other in sorted(graph.get(name, ())):
            found = visit(other, [*road, name])
            if found:
                return found
        return None

    for name in graph:
        found = visit(name, [])
        if found:
            return found
    return None


GRAPH = {name: inside(path.read_text(), name) for name, path in FILES.items()}


def test_the_files_are_those_of_the_table():
    """Each file has its place in the table, and each place its file."""
    assert set(FILES) == set(LEVEL), f"Only one of folder and table has {sorted(set(FILES) ^ set(LEVEL))}."


def test_imports_point_up():
    """A file imports only from rows above its own."""
    wrong = wrong_way(GRAPH)
    assert not wrong, "\n".join(wrong)


def test_there_is_no_cycle():
    """No file imports itself by way of others."""
    found = cycle(GRAPH)
    assert found is None, f"Importing goes round in a circle: {' -> '.join(found)}."


@pytest.mark.parametrize("name", TORCH_ONLY)
def test_torch_does_not_know_scikit_learn(name):
    """Networks and objectives import neither scikit-learn nor skorch nor NumPy."""
    foreign = {module.split(".")[0] for module, _ in imports(FILES[name].read_text(), name)} - {"torch", "skae"}
    standard = {"collections", "contextlib", "contextvars", "copy", "dataclasses", "functools"}
    standard |= {"itertools", "math", "typing"}
    assert foreign <= standard, f"skae.{name} imports {sorted(foreign - standard)}, but should know torch only."


@pytest.mark.parametrize("name", [name for name in FILES if name != "_validation"])
def test_private_names_of_scikit_learn_are_in_one_file(name):
    """Only _validation imports what scikit-learn may move without a word."""
    private = [
        f"{module}: {one}"
        for module, names in imports(FILES[name].read_text(), name)
        if module.split(".")[0] == "sklearn"
        for one in names or [""]
        if one.startswith("_") or any(part.startswith("_") for part in module.split("."))
    ]
    assert not private, f"skae.{name} imports {private} from scikit-learn; take it from skae._validation."


@pytest.mark.parametrize("name", FILES)
def test_files_are_short(name):
    """No file is longer than 400 lines."""
    length = len(FILES[name].read_text().splitlines())
    assert length <= MOST_LINES, f"skae.{name} has {length} lines: make a folder of it, with the same public path."


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_all_names_are_there(name):
    """__all__ lists only names that exist."""
    module = __import__(f"skae.{name}", fromlist=["x"])
    missing = [one for one in getattr(module, "__all__", []) if not hasattr(module, one)]
    assert not missing, f"skae.{name} has no {missing}."


# -------------------------------------------------------------------------------------------- the tests' own tools


def test_hidden_imports_are_seen():
    """An import inside a function, and each way to write it, is found."""
    source = "def f():\n    import skae._net\n    from skae import _base as b\n    from skae._dense import DenseAutoencoder\n"
    assert inside(source) == {"_net", "_base", "_dense"}
    assert inside("from . import conv", "networks.dense") == {"networks.conv"}


def test_wrong_imports_are_reported():
    """An import that points down or sideways, and a cycle, give a sentence."""
    assert wrong_way({"objectives": {"_net"}}) == ["skae.objectives imports skae._net, which is below it in the table."]
    assert "beside" in wrong_way({"_dense": {"_conv"}})[0]
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
