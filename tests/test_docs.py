"""Documentation: docstrings agree with the code, and examples of the README run."""

import ast
import importlib.util
import inspect
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import sklearn.datasets
from numpydoc.validate import validate
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.utils.validation import check_is_fitted

import skae
from skae import (
    anomaly,
    augmentations,
    bottlenecks,
    corruptions,
    datasets,
    export,
    features,
    losses,
    penalties,
)
from skae._options import Option
from skae._training import plan as plan_module
from skae._training.defaults import make_plan

from .cases import gray_images, low_rank

ALL = [getattr(skae, name) for name in skae.__all__ if inspect.isclass(getattr(skae, name))]
ALL += [datasets.ImageFolder]
CLASSES = [class_ for class_ in ALL if issubclass(class_, BaseEstimator)]
OPTIONS = [
    option
    for module in (losses, penalties, bottlenecks, corruptions, augmentations, features)
    for option in map(vars(module).get, module.__all__)
    if inspect.isclass(option) and issubclass(option, Option)
]
README = Path(__file__).parent.parent / "README.md"

UNCHECKED = {"RT02"}
"""Checks of numpydoc that are off. RT02: what is returned has a name here, as in scikit-learn, so that text can refer to it."""

UNCHECKED_IN_FUNCTIONS = {"ES01", "EX01", "SA01"}
"""A long summary, an example and a list of relatives stand in each class, and would be repeated in each of its methods."""


def public_methods(class_):
    """Return the methods and class methods that skae defines."""
    for name, member in inspect.getmembers(
        class_, lambda one: inspect.isfunction(one) or inspect.ismethod(one)
    ):
        if not name.startswith("_") and (member.__module__ or "").startswith("skae"):
            yield name, member


def public_functions():
    """Return the functions of public modules, by name."""
    for module in (skae, corruptions, augmentations, datasets, export):
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)):
                path = f"{module.__name__}.{name}".removeprefix("skae.")
                yield path, getattr(module, name)


def words(annotation):
    """Return the strings that an annotation allows."""
    found = set()
    for part in get_args(annotation):
        found |= {part} if isinstance(part, str) else words(part)
    return found


def section(text, title):
    """Return the entries of a numpydoc section: types and descriptions, both by name."""
    match = re.search(
        rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)",
        inspect.cleandoc(text),
        re.DOTALL | re.MULTILINE,
    )
    kinds, descriptions = {}, {}
    for entry in re.split(r"^(?=\S)", match[1] if match else "", flags=re.MULTILINE):
        head, _, body = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        for name in names.split(", "):
            if name:
                kinds[name.strip()], descriptions[name.strip()] = (
                    kind.strip(),
                    inspect.cleandoc(body),
                )
    return kinds, descriptions


@pytest.mark.parametrize("class_", [*ALL, *OPTIONS])
def test_every_parameter_is_documented_in_order(class_):
    """The docstring lists the parameters of the constructor in their order."""
    assert list(section(class_.__doc__, "Parameters")[0]) == list(
        inspect.signature(class_).parameters
    )


@pytest.mark.parametrize(
    ("class_", "name"),
    [
        (class_, name)
        for class_ in [*ALL, *OPTIONS]
        for name in inspect.signature(class_).parameters
    ],
)
def test_documented_defaults_are_the_defaults(class_, name):
    """A parameter has ``default=X`` in the docstring exactly if X is its default in the signature."""
    kind = section(class_.__doc__, "Parameters")[0][name]
    match = re.search(r"default=(.+)$", kind)
    default = inspect.signature(class_).parameters[name].default
    if match and match[1] == "numpy.nan":
        assert np.isnan(default)
        return
    documented = ast.literal_eval(match[1]) if match else inspect.Parameter.empty
    assert documented == default


@pytest.mark.parametrize("class_", CLASSES)
def test_documented_choices_are_the_choices(class_):
    """The strings that the docstring lists for a parameter are those that pass validation."""
    for name, kind in section(class_.__doc__, "Parameters")[0].items():
        listed = set(re.findall(r'"([^"]*)"', kind.split("default=")[0]))
        known = set()
        for constraint in class_._parameter_constraints[name]:
            known |= {
                option for option in getattr(constraint, "options", ()) if isinstance(option, str)
            }
        if known:
            assert listed == known, f"{class_.__name__}.{name} lists {listed}, but takes {known}."


def test_shared_parameters_have_equal_documentation_and_defaults():
    """Shared parameters of both estimators differ only in the word for their input."""
    first, second = (
        section(class_.__doc__, "Parameters")
        for class_ in (skae.DenseAutoencoder, skae.ConvAutoencoder)
    )
    shared = [name for name in first[0] if name in second[0]]
    assert len(shared) > 10

    def words(text):
        return re.sub(r"\b(rows?|images?|samples?)\b", "sample", " ".join(text.split()))

    for name in shared:
        assert first[0][name] == second[0][name], name
        assert words(first[1][name]) == words(second[1][name]), name
        defaults = [
            inspect.signature(class_).parameters[name].default
            for class_ in (skae.DenseAutoencoder, skae.ConvAutoencoder)
        ]
        assert defaults[0] == defaults[1], name


QUICK = {"max_iter": 1, "random_state": 0}
QUICK_OPTIONS = [{}, {"bottleneck": "ordered"}, {"bottleneck": "quantized"}, {"penalty": "rate"}]
WRAPPED = skae.DenseAutoencoder(2, **QUICK)
FITS = {
    skae.DenseAutoencoder: [skae.DenseAutoencoder(2, **QUICK, **some) for some in QUICK_OPTIONS],
    skae.ConvAutoencoder: [
        skae.ConvAutoencoder(2, **QUICK, **some)
        for some in [*QUICK_OPTIONS, {"signals": True}, {"features": "patches"}]
    ],
    skae.ReconstructionDetector: [skae.ReconstructionDetector(WRAPPED)],
    skae.LatentSampler: [skae.LatentSampler(WRAPPED)],
    skae.AutoencoderImputer: [skae.AutoencoderImputer(WRAPPED)],
    skae.LatentCodec: [skae.LatentCodec(WRAPPED)],
    skae.ImageRestorer: [skae.ImageRestorer(n_filters=2, **QUICK)],
}


@pytest.mark.parametrize("class_", CLASSES)
def test_every_attribute_is_documented(class_):
    """The fitted attributes are those of the docstring; some depend on a parameter that it names."""
    documented = section(class_.__doc__, "Attributes")[1]
    some = {
        name for name, text in documented.items() if re.search(r"\bOnly with|\bDefined only", text)
    }
    seen = set()
    for estimator in FITS[class_]:
        X = gray_images(4, 6, 5) if class_ is skae.ImageRestorer else low_rank(30, 9)
        fits = [clone(estimator).fit(X)]
        if class_ is skae.LatentSampler:
            fits.append(clone(estimator).fit(X, [0, 1] * (len(X) // 2)))
        for fitted in fits:
            check_is_fitted(fitted)
            names = {n for n in dir(fitted) if n.endswith("_") and not n.startswith("_")}
            found = {name for name in names if hasattr(fitted, name)}
            assert set(documented) - some <= found <= set(documented)
            seen |= found
    assert seen >= some - {"feature_names_in_"}


DOCUMENTED = [
    *((name, function) for name, function in public_functions()),
    *(
        (f"{class_.__name__}.{name}", method)
        for class_ in ALL
        for name, method in public_methods(class_)
    ),
]


@pytest.mark.parametrize(("name", "function"), DOCUMENTED)
def test_every_function_documents_its_parameters(name, function):
    """Functions and methods document their parameters, defaults and results."""
    function = inspect.unwrap(function)
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    kinds = section(function.__doc__, "Parameters")[0]
    assert [name.lstrip("*") for name in kinds] == [one.name for one in parameters]
    assert section(function.__doc__, "Returns")[0] or signature.return_annotation is None
    for one in parameters:
        kind = kinds.get(one.name, kinds.get(f"**{one.name}"))
        match = re.search(r"default=(.+)$", kind)
        if kind != "Ignored":
            assert (
                ast.literal_eval(match[1]) if match else inspect.Parameter.empty
            ) == one.default, one.name


@pytest.mark.parametrize(("name", "function"), DOCUMENTED)
def test_documented_choices_of_functions_are_those_of_their_types(name, function):
    """The strings that a docstring lists for a parameter are those of its type."""
    for one in inspect.signature(inspect.unwrap(function)).parameters.values():
        listed = re.search(
            r"^\{(.*?)\}", section(function.__doc__, "Parameters")[0].get(one.name, "")
        )
        assert (set(ast.literal_eval(f"[{listed[1]}]")) if listed else set()) == words(
            one.annotation
        ), one.name


NAMES = [class_.__name__ for class_ in ALL if class_.__name__ in skae.__all__] + [
    "datasets.ImageFolder"
]


NAMES += [f"{option.__module__.split('.')[1]}.{option.__name__}" for option in OPTIONS]


@pytest.mark.parametrize("name", [*NAMES, *(name for name, _ in DOCUMENTED)])
def test_docstrings_pass_numpydoc(name):
    """Docstrings pass numpydoc's validation, except the checks listed above."""
    off = UNCHECKED if name in skae.__all__ else UNCHECKED | UNCHECKED_IN_FUNCTIONS
    assert [error for error in validate(f"skae.{name}")["errors"] if error[0] not in off] == []


def test_every_public_name_is_documented():
    """The package and all public names have docstrings, and each class has examples."""
    assert skae.__doc__
    for name in skae.__all__:
        assert inspect.getdoc(getattr(skae, name))
    for class_ in ALL:
        assert ">>>" in class_.__doc__
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", skae.__version__)


def test_every_module_function_and_class_has_a_docstring():
    """Public and private code has docstrings, except magic methods and short closures."""
    missing = []
    for path in Path(skae.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [
            tree,
            *tree.body,
            *(part for one in tree.body if isinstance(one, ast.ClassDef) for part in one.body),
        ]
        for node in nodes:
            if isinstance(
                node, (ast.Module, ast.FunctionDef, ast.ClassDef)
            ) and not ast.get_docstring(node):
                name = getattr(node, "name", "the module")
                if any(
                    ast.unparse(one) == "overload" for one in getattr(node, "decorator_list", [])
                ):
                    continue
                if not name.startswith("_"):
                    missing.append(f"{path.name}: {name}")
    assert not missing


def test_code_of_the_readme_runs(tmp_path, monkeypatch):
    """Code blocks of the README run in their order, in an empty folder, with few digits and epochs."""

    def few_digits(**parameters):
        digits = load_digits(**parameters)
        if isinstance(digits, tuple):
            return tuple(part[:100] for part in digits)
        return type(digits)(
            **{
                name: value[:100] if hasattr(value, "shape") else value
                for name, value in digits.items()
            }
        )

    def short_plan(*args, **parameters):
        plan = make_plan(*args, **parameters)
        return replace(plan, epochs=min(plan.epochs, 5))

    monkeypatch.setattr(sklearn.datasets, "load_digits", few_digits)
    monkeypatch.setattr(plan_module, "make_plan", short_plan)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert any(type(value).__module__.startswith("skae") for value in names.values())


def test_the_readme_has_two_commands():
    """The README has a command for the example and one for the tests, each with its own setup."""
    commands = re.findall(r"^```bash\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert any(
        "examples/plot_digits_pipeline.py" in command and "pip install" in command
        for command in commands
    )
    assert any("pytest" in command and "pip install" in command for command in commands)


DOCS = README.parent / "docs"


def script(name):
    """Import a script of the documentation."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_check_of_built_pages_reports_broken_links(tmp_path):
    """Missing files, anchors and pictures are reported; valid links and other sites are not."""
    check_pages = script("check_pages")
    (tmp_path / "sub").mkdir()
    (tmp_path / "a picture.png").write_bytes(b"")
    (tmp_path / "sub" / "index.html").write_text(
        '<h1 id="here">x</h1><a href="../index.html">back</a>'
    )
    sound = (
        '<a href="sub/#here"></a><img alt="x" src="a%20picture.png">'
        '<a href="https://example.org/none"></a><a href="#">up</a>'
    )
    (tmp_path / "index.html").write_text(sound)
    faults, counts = check_pages.check(tmp_path)
    assert not faults
    assert counts == {"pages": 2, "internal links": 4, "links to other sites, not followed": 1}
    broken = '<a href="none.html"></a><a href="sub/index.html#no"></a><img alt="x" src="none.png"><img src="a picture.png">'
    (tmp_path / "index.html").write_text(broken)
    faults, _ = check_pages.check(tmp_path)
    assert [fault.split(": ")[0] for fault in faults] == ["index.html"] * 4
    reasons = ["no alternative text", "missing file", "missing file", "missing anchor"]
    for reason, fault in zip(reasons, faults, strict=True):
        assert [other in fault for other in set(reasons)] == [
            other == reason for other in set(reasons)
        ]


def test_the_check_of_built_pages_reports_local_paths_and_warnings(tmp_path):
    """A path of the building machine, and a warning in the output of an example, are reported."""
    check_pages = script("check_pages")
    output = (
        f'<div class="sphx-glr-script-out"><pre>{DOCS.parent}/x.py:1: UserWarning: y</pre></div>'
    )
    (tmp_path / "index.html").write_text(output)
    faults, _ = check_pages.check(tmp_path)
    assert len(faults) == 2
    assert "local path" in faults[0]
    assert "warning" in faults[1]


GOOD_PAGE = """
Missing values
==============

Pass ``allow_nan=True`` to train on data with missing values. The loss ignores them.

.. code-block:: python

    # one value is missing
    X[0, 0] = np.nan

=====  ==========================================================
value  what a table may hold, and who reads it: whatever you like
=====  ==========================================================
NaN    missing
=====  ==========================================================
"""


def test_the_editorial_check_accepts_plain_text(tmp_path):
    """Code, tables and options of directives are not prose."""
    page = tmp_path / "page.rst"
    page.write_text(GOOD_PAGE)
    faults, long, figures = script("editorial").check([page])
    assert faults == long == []
    assert 10 < figures["words"] < 30
    assert figures["clauses"] == 0


PROSE = {
    ".rst": "Title\n=====\n\n{}\n",
    ".md": "# Title\n\n\n{}\n",
    ".py": '"""A title."""\n\n# %%\n# {}\n',
}
CODE = {
    ".rst": ".. code-block:: python\n\n\n    {}\n",
    ".md": "\n\n```python\n{}\n```\n",
    ".py": '"""A title."""\n\n\n{}\n',
}
"""The text is on the fourth line."""


@pytest.mark.parametrize("suffix", [".rst", ".md", ".py"])
@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (PROSE, "The page tells what it learned, and whose rows it keeps.", "clause"),
        (PROSE, "A sentence of" + " many words" * 20 + ".", "43 words"),
        (PROSE, "A sentence of" + " many words" * 12 + "." + " One more" * 13 + ".", "over 25"),
        (PROSE, "The detector finds rows that are held out.", "validation set"),
        (PROSE, "Fill gaps in a table.", "missing values"),
        (PROSE, "Colour images are accepted.", "American"),
        (CODE, "x = 1  # a comment behind code", "comment"),
        (CODE, "x = " + "1 + " * 20 + "1", "columns"),
    ],
)
def test_the_editorial_check_reports_a_bad_text(tmp_path, kind, text, reason, suffix):
    """Each rule has a text that fails, with file and line, in pages, examples and Markdown."""
    page = tmp_path / f"page{suffix}"
    page.write_text(kind[suffix].format(text))
    faults, _, _ = script("editorial").check([page])
    assert any(reason in fault for fault in faults), faults
    assert f"{page}:4" in {fault.split(": ")[0] for fault in faults}


def test_search_words_are_unique():
    """Each search word leads to one page, and is not empty."""
    lines = (DOCS / "search_words.csv").read_text().splitlines()
    assert lines[0] == "word,page"
    words = [line.split(",")[0].lower() for line in lines[1:]]
    assert len(words) == len(set(words))
    assert all(words)


def test_pages_of_the_api_are_complete():
    """The API reference and its links to the guide name exactly the public objects of skae."""
    text = (DOCS / "api" / "index.rst").read_text()
    module, listed = "skae", set()
    for line in text.splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif re.fullmatch(r"    \w+", line):
            listed.add(f"{module}.{line.strip()}")
    public = {f"skae.{name}" for name in skae.__all__}
    options = (losses, penalties, bottlenecks, corruptions, augmentations, features)
    for part in (*options, datasets, export):
        public |= {f"{part.__name__}.{name}" for name in part.__all__}
    # the detector itself is imported from skae
    public |= {f"skae.anomaly.{name}" for name in anomaly.__all__ if name not in skae.__all__}
    assert listed == public
    guides = (DOCS / "api" / "guides.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in guides} == public


def test_the_picture_of_the_readme_can_be_made_again(tmp_path, monkeypatch):
    """The script draws the picture that the README shows, up to the differences between processors."""
    image = pytest.importorskip("matplotlib.image")
    monkeypatch.syspath_prepend(str(DOCS / "figures"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert "docs/_static/reconstructions.png" in README.read_text()
    spec = importlib.util.spec_from_file_location(
        "reconstructions", DOCS / "figures" / "reconstructions.py"
    )
    figure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figure)
    figure.draw(tmp_path / "again.png")
    kept, again = image.imread(figure.PICTURE), image.imread(tmp_path / "again.png")
    assert kept.shape == again.shape
    assert abs(kept - again).mean() < 0.02
