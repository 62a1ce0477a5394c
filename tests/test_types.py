"""Signatures: everything public has types, which are those that the parameters are checked for, and type checkers read them."""

import inspect
import re
import typing
from importlib.resources import files
from pathlib import Path

import mypy.api
import pytest

import skae
from skae import _typing

from .test_docs import CLASSES, public_functions, public_methods, section, words

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent / "consumers"


def functions():
    """Give every public function and method, and each constructor, by name."""
    found = dict(public_functions())
    for name in skae.__all__:
        class_ = getattr(skae, name)
        found[f"{name}.__init__"] = class_.__init__
        found |= {f"{name}.{method}": function for method, function in public_methods(class_)}
    return found


FUNCTIONS = functions()


def typed(function):
    """Give the signatures that type checkers see of a function: those of its overloads, or its own."""
    function = inspect.unwrap(function)
    return [inspect.signature(one) for one in typing.get_overloads(getattr(function, "__func__", function)) or [function]]


def check(*names):
    """Give what mypy has to say of files, as it is set for the project."""
    options = [
        "--strict",
        "--follow-imports",
        "silent",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
    ]
    found, complaint, _ = mypy.api.run([*options, *(str(HERE / name) for name in names)])
    assert not complaint
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_complete(name):
    """Each parameter and what is returned has a type."""
    for signature in typed(FUNCTIONS[name]):
        untyped = [
            one.name for one in signature.parameters.values() if one.annotation is one.empty and one.name not in ("self", "cls")
        ]
        assert not untyped
        assert signature.return_annotation is not signature.empty


@pytest.mark.parametrize("class_", [getattr(skae, name) for name in skae.__all__])
def test_fitted_attributes_have_types(class_):
    """Each documented attribute has a type, so that type checkers know it."""
    annotated = {name for one in class_.__mro__ for name in vars(one).get("__annotations__", {})}
    assert set(section(class_.__doc__, "Attributes")[0]) <= annotated


@pytest.mark.parametrize("class_", CLASSES)
def test_options_in_types_are_the_options(class_):
    """The strings that a type allows are those that pass validation."""
    for name, parameter in inspect.signature(class_).parameters.items():
        constraints = class_._parameter_constraints[name]
        known = set() if constraints == "no_validation" else set().union(*(getattr(one, "options", ()) for one in constraints))
        assert words(parameter.annotation) == {one for one in known if isinstance(one, str)}, name


def test_aliases_are_in_one_module():
    """Each alias of the module of types is used somewhere else, and its options are written only there."""
    texts = [path.read_text() for path in ROOT.glob("skae/**/*.py") if path.name != "_typing.py"]
    for name in _typing.__all__:
        assert any(re.search(rf"import [^#]*?\b{name}\b", text) for text in texts), name


def test_the_marker_is_shipped():
    """Type checkers read the types of an installed skae."""
    assert files("skae").joinpath("py.typed").is_file()


def test_what_is_right_is_accepted():
    """A program that uses all of the API as documented has no errors under strict rules."""
    assert "no issues found" in check("right.py")


def test_what_is_wrong_is_found():
    """Every wrong line of a program is an error of the kind that it names, and there are no others."""
    lines = (HERE / "wrong.py").read_text().splitlines()
    expected = {(i, line.split("# wrong: ")[1]) for i, line in enumerate(lines, 1) if "# wrong: " in line}
    found = {
        (int(line), kind)
        for line, kind in re.findall(r"wrong\.py:(\d+): error: .*\[([\w-]+)\]$", check("wrong.py"), re.MULTILINE)
    }
    assert found == expected
