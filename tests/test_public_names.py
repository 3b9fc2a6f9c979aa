"""The package's public names: all there, in order, and free until one is used."""

import subprocess
import sys

import pytest

import neuraltexgen


@pytest.mark.parametrize("name", neuraltexgen.__all__)
def test_each_public_name_is_what_its_module_defines(name):
    value = getattr(neuraltexgen, name)
    home = sys.modules[f"neuraltexgen.{neuraltexgen._MODULES[name]}"]
    assert value is getattr(home, name)


def test_names_are_listed_once_and_in_order():
    kinds = [(not name.isupper(), not name[0].isupper(), name) for name in neuraltexgen.__all__]
    assert kinds == sorted(set(kinds))  # constants, classes, functions: as ruff sorts __all__
    assert set(neuraltexgen.__all__) == set(neuraltexgen._MODULES)
    assert set(neuraltexgen.__all__) <= set(dir(neuraltexgen))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="textured_capture"):
        neuraltexgen.textured_capture  # noqa: B018


@pytest.mark.parametrize("heavy", ["torch", "numba", "pycolmap", "numpy"])
def test_importing_the_package_loads_nothing_heavy(heavy):
    code = f"import sys, neuraltexgen; neuraltexgen.__version__; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
