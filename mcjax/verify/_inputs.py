"""A user's function and matrices, from the names on a command line."""

import inspect
import sys
import warnings
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import numpy as np


def load_function(target: str):
    """The function of `module:name`; modules of the current directory count."""
    module, _, name = target.partition(":")
    if not name:
        raise ValueError(f"{target!r}: expected module:function, like my_module:my_function")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return attrgetter(name)(import_module(module))
    except ModuleNotFoundError as error:
        if error.name != module:  # the module is there, and one that it imports is not
            raise
        raise ValueError(f"{target!r}: no module {module!r} here or installed") from None
    except AttributeError:
        raise ValueError(f"{target!r}: module {module!r} has no {name!r}") from None


def bind(function, inputs: dict) -> tuple:
    """The inputs in the order of the function's parameters, by their names."""
    parameters = inspect.signature(function).parameters.values()
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [p.name for p in by_name]
    unknown = [name for name in inputs if name not in names]
    missing = [p.name for p in by_name if p.name not in inputs and p.default is p.empty]
    if unknown or missing or not inputs:
        wrong = [f"it has no parameter {n!r}" for n in unknown]
        wrong += [f"{n!r} needs --input {n}=FILE" for n in missing or names[: not inputs]]
        raise ValueError(f"{function.__name__}({', '.join(names)}): {'; '.join(wrong)}")
    given = names[: max(names.index(name) for name in inputs) + 1]
    skipped = [name for name in given if name not in inputs]
    if skipped:
        raise ValueError(f"{function.__name__}: give --input for {', '.join(skipped)} too")
    return tuple(inputs[name] for name in given)


def load_input(text: str) -> tuple[str, np.ndarray]:
    """The name and the array of `NAME=FILE`; `NAME=FILE.npz:KEY` where the archive has several."""
    name, _, file = text.partition("=")
    if not name or not file:
        raise ValueError(f"--input {text}: expected NAME=FILE, like A=matrix.mtx")
    return name, _load(file)


def _load(file):
    file, _, key = file.partition(".npz:") if ".npz:" in file else (file, "", "")
    path = Path(file + ".npz" if key else file)
    if not path.exists():
        raise ValueError(f"no file {path}")
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".npz":
        return _from_archive(np.load(path), key, path)
    if path.suffix in (".mtx", ".mm") or path.suffixes[-2:] == [".mtx", ".gz"]:
        from scipy.io import mmread
        from scipy.sparse import issparse

        with warnings.catch_warnings():  # SciPy changes its kind of sparse matrix; either will do
            warnings.simplefilter("ignore", DeprecationWarning)
            matrix = mmread(path)
        return np.asarray(matrix.todense() if issparse(matrix) else matrix)  # type: ignore
    raise ValueError(f"{path}: expected a Matrix Market file (.mtx), .npy or .npz")


def _from_archive(archive, key, path):
    keys = list(archive)
    if not key and len(keys) == 1:
        (key,) = keys
    if key not in keys:
        raise ValueError(f"{path} holds {', '.join(keys)}: choose one, like {path}:{keys[0]}")
    return archive[key]
