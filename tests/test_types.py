"""Type annotations: complete, consistent with parameter validation, and accepted by mypy."""

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


PUBLIC_CLASSES = [one for name in skae.__all__ if isinstance(one := getattr(skae, name), type)]


def functions():
    """Return all public functions, methods and constructors, by name."""
    result = dict(public_functions())
    for class_ in PUBLIC_CLASSES:
        name = class_.__name__
        result[f"{name}.__init__"] = class_.__init__
        result |= {f"{name}.{method}": function for method, function in public_methods(class_)}
    return result


FUNCTIONS = functions()


def typed(function):
    """Return the signatures of the overloads of a function, or else its own signature."""
    function = inspect.unwrap(function)
    return [
        inspect.signature(one)
        for one in typing.get_overloads(getattr(function, "__func__", function)) or [function]
    ]


def check(*names):
    """Return the report of mypy on files, with the settings of the project."""
    options = [
        "--strict",
        "--follow-imports",
        "silent",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
    ]
    report, errors, _ = mypy.api.run([*options, *(str(HERE / name) for name in names)])
    assert not errors
    return report


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_complete(name):
    """Each parameter and each return value has a type."""
    for signature in typed(FUNCTIONS[name]):
        untyped = [
            one.name
            for one in signature.parameters.values()
            if one.annotation is one.empty and one.name not in ("self", "cls")
        ]
        assert not untyped
        assert signature.return_annotation is not signature.empty


@pytest.mark.parametrize("class_", PUBLIC_CLASSES)
def test_fitted_attributes_have_types(class_):
    """Each documented attribute has a type annotation."""
    annotated = {name for one in class_.__mro__ for name in vars(one).get("__annotations__", {})}
    for one in class_.__mro__:
        for name, value in vars(one).items():
            if isinstance(value, property) and "return" in value.fget.__annotations__:
                annotated.add(name)
    assert set(section(class_.__doc__, "Attributes")[0]) <= annotated


@pytest.mark.parametrize("class_", CLASSES)
def test_options_in_types_are_the_options(class_):
    """The strings allowed by a type are those that pass parameter validation."""
    for name, parameter in inspect.signature(class_).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        constraints = class_._parameter_constraints[name]
        options = set()
        if constraints != "no_validation":
            options = options.union(*(getattr(one, "options", ()) for one in constraints))
        strings = {option for option in options if isinstance(option, str)}
        assert words(parameter.annotation) == strings, name


def test_aliases_are_in_one_module():
    """Each alias in the module of types is imported by another module."""
    texts = [path.read_text() for path in ROOT.glob("skae/**/*.py") if path.name != "_typing.py"]
    for name in _typing.__all__:
        assert any(re.search(rf"import [^#]*?\b{name}\b", text) for text in texts), name


def test_the_installation_has_the_marker_for_type_checkers():
    """The package contains the file py.typed."""
    assert files("skae").joinpath("py.typed").is_file()


def test_mypy_accepts_correct_code():
    """A program that uses the API as documented has no errors in strict mode."""
    assert "no issues found" in check("right.py")


def test_mypy_rejects_incorrect_code():
    """Each incorrect line of a program is an error of the kind in its comment; others are not."""
    lines = (HERE / "wrong.py").read_text().splitlines()
    expected = {
        (i, line.split("# wrong: ")[1]) for i, line in enumerate(lines, 1) if "# wrong: " in line
    }
    reported = {
        (int(line), kind)
        for line, kind in re.findall(
            r"wrong\.py:(\d+): error: .*\[([\w-]+)\]$", check("wrong.py"), re.MULTILINE
        )
    }
    assert reported == expected
