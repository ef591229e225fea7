"""The walls of the house: who may import whom, what importing costs, and what no file may hold."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mcjax"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(), path) for path in SOURCES}

# The command line, the one place that speaks to a person and owns its process.
COMMAND_LINE = {PACKAGE / "__main__.py", PACKAGE / "verify" / "_cli.py"}

ROOMS = {"linalg", "solve", "ode", "calculus", "stochastic", "verify"}
BUILT = sorted(room for room in ROOMS if (PACKAGE / room).is_dir())
MAY_IMPORT = {
    "__init__": ROOMS,  # lazily, as `test_import_is_free` sees to
    "__main__": {"verify"},
    "_core": {"_core"},
    "linalg": {"_core", "linalg"},
    "solve": {"_core", "linalg", "solve"},
    "ode": {"_core", "linalg", "ode"},
    "calculus": {"_core", "linalg", "calculus"},
    "stochastic": {"_core", "linalg", "stochastic"},
    "verify": {"verify"},
    "verify catalogue": ROOMS,
}
# The checker is to be trusted on what it checks, so it stands on nothing that could share a fault.
VERIFY_MAY_IMPORT = sys.stdlib_module_names | {"jax", "numpy", "rich", "scipy", "mcjax"}


def room_of(path):
    first, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    return "verify catalogue" if first == "verify" and rest[0] == "_catalogue" else first


def imports(path):
    """The absolute dotted names that a file imports, wherever in the file it does."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = [node.module] if node.module else []
            yield from (".".join([*base, *module, alias.name]) for alias in node.names)


def calls(path):
    """The dotted names of the functions that a file calls, with their line numbers."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func)


def run_python(code, **environment):
    """The standard output of a fresh process, which must succeed."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_imports_point_down():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        for name in imports(path)
        if name.startswith("mcjax.")
        and name != "mcjax.__version__"
        and name.split(".")[1] not in MAY_IMPORT[room_of(path)]
    ]
    assert not wrong


def test_the_checker_stands_alone():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        if room_of(path) == "verify"
        for name in imports(path)
        if name.split(".")[0] not in VERIFY_MAY_IMPORT
    ]
    assert not wrong


def test_only_public_jax():
    private = "jax." + "_src"
    assert not [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if private in path.read_text() or any(name.startswith(private) for name in imports(path))
    ]


def test_importing_everything_touches_no_device():
    # No backend has this name, so the first array or device of the process would raise.
    no_backend = {"JAX_PLATFORMS": "nonexistent"}
    run_python(
        """if True:
        import importlib, pkgutil, mcjax
        for module in pkgutil.walk_packages(mcjax.__path__, "mcjax."):
            importlib.import_module(module.name)
        """,
        **no_backend,
    )
    with pytest.raises(AssertionError, match="Unable to initialize backend"):
        run_python("import jax; jax.numpy.zeros(())", **no_backend)


def test_import_is_free():
    imported = run_python(
        "import jax, sys; before = {*sys.modules}; import mcjax; print(*{*sys.modules} - before)"
    )
    ours = {name for name in imported.split() if name.split(".")[0] not in sys.stdlib_module_names}
    assert ours == {"mcjax"}


def test_files_are_short():
    assert not [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in SOURCES
        if (lines := len(path.read_text().splitlines())) > 350
    ]


def test_no_global_config():
    assert not [
        f"{where} {name}"
        for path in SOURCES
        if path not in COMMAND_LINE
        for where, name in calls(path)
        if name.endswith("config.update")
    ]


def test_library_code_never_prints():
    """But where it is asked to, by progress=True."""
    assert not [
        f"{where} {name}"
        for path in SOURCES
        if room_of(path) not in {"verify", "__main__"} and path.name != "_progress.py"
        for where, name in calls(path)
        if name.split(".")[-1] == "print"
    ]


def test_no_file_names_a_path_of_a_machine():
    machine_path = re.compile(r"(?<![\w./:~-])/(?:work|tmp|root|(?:home|Users)/\w+)\b")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        files = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert not [
        f"{name} names {hit}"
        for name in filter(None, files.split("\0"))
        if (ROOT / name).is_file()
        for hit in machine_path.findall((ROOT / name).read_text(errors="ignore"))
    ]


@pytest.mark.parametrize("room", BUILT)
def test_public_names_are_documented(room):
    module = importlib.import_module(f"mcjax.{room}")
    assert module.__doc__
    # A doc that opens with `name(` is the signature that dataclasses write for themselves.
    assert not [
        name
        for name in module.__all__
        if not (doc := getattr(module, name).__doc__) or doc.startswith(f"{name}(")
    ]
