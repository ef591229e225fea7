"""`python -m mcjax verify`, in this process, and with a rule broken on purpose."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mcjax import linalg, ode, solve
from mcjax.verify._catalogue import ENTRIES
from mcjax.verify._cli import _table, main
from mcjax.verify._summary import Row

STIFFNESS = Path(__file__).parents[1] / "data" / "bcsstk01.mtx"


def test_the_catalogue_has_every_function():
    """Of `linalg`; of the other rooms what is exact to rounding."""
    have_no_derivative = {"expm_cond", "funm_cond", "gauge_report"}
    names = {entry.name.split()[0] for entry in ENTRIES}
    assert {*linalg.__all__} - have_no_derivative <= names
    assert names <= {*linalg.__all__, *ode.__all__, *solve.__all__}


def test_table_json_and_page(tmp_path, capsys):
    found, page = tmp_path / "found.json", tmp_path / "page.html"
    assert (
        main(["verify", "--only", "logdet pos", "--json", str(found), "--report", str(page)]) == 0
    )
    assert "logdet pos" in capsys.readouterr().out
    (function,) = json.loads(found.read_text())["functions"]
    assert function["ok"] and len(function["inputs"]) >= 8
    html = page.read_text()
    assert html.count("<circle") > 30 and "all right" in html
    assert "http" not in html and "src=" not in html


def test_a_row_is_shown_before_the_next_is_there(capsys):
    def rows():
        yield Row("first", ())
        assert "first" in capsys.readouterr().out
        yield Row("second", ())

    points = [("first",), ("second",)]
    assert len(_table(rows(), points, "title", Console(soft_wrap=True))) == 2
    assert "second" in capsys.readouterr().out


def test_single_precision():
    assert main(["verify", "--only", "logdet pos", "--dtype", "float32"]) == 0


BREAK = """
import mcjax.linalg.dense._logdet as rule
from mcjax.verify._cli import main
right = rule._open_form
rule._open_form = lambda Z, directions: {wrong}
raise SystemExit(main(["verify", "--only", "logdet", "--json", {file!r}]))
"""


@pytest.mark.parametrize(
    "wrong",
    [
        "1.001 * right(Z, directions)",
        pytest.param("right(Z, directions).mT", marks=pytest.mark.slow),
        "right(Z, directions)",
    ],
)
def test_a_broken_rule(wrong, tmp_path):
    file = tmp_path / "found.json"
    script = BREAK.format(wrong=wrong, file=str(file))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    broken = wrong != "right(Z, directions)"
    assert ran.returncode == int(broken), ran.stdout + ran.stderr
    functions = {f["name"]: f["ok"] for f in json.loads(file.read_text())["functions"]}
    assert functions["logdet"] is not broken


MODULE = """
import jax
import jax.numpy as jnp
from mcjax.linalg import logdet

def energy(A, shift=0.0):
    return logdet(A + shift * jnp.eye(len(A), dtype=A.dtype), assume_a="pos")

@jax.custom_jvp
def broken(A):
    return energy(A)

@broken.defjvp
def _(primals, tangents):
    return energy(*primals), 1.001 * jax.jvp(energy, primals, tangents)[1]

def line(x, y):
    return x * y
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a module of the user's."""
    (tmp_path / "structure.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "structure", raising=False)
    return tmp_path


@pytest.mark.parametrize("function, status", [("energy", 0), ("broken", 1)])
def test_a_users_function_at_a_stiffness_matrix(here, function, status, capsys):
    assert main(["verify", f"structure:{function}", "--input", f"A={STIFFNESS}"]) == status
    assert ("wrong" in capsys.readouterr().out) == bool(status)


def test_arrays_from_npy_and_npz(here):
    np.save(here / "x.npy", np.arange(1.0, 4.0))
    np.savez(here / "data.npz", y=np.ones(3), z=np.zeros(3))
    inputs = ["--input", "x=x.npy", "--input", "y=data.npz:y"]
    assert main(["verify", "structure:line", *inputs]) == 0


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["structure:line", "--input", "x=missing.npy"], "no file"),
        (["structure:line", "--input", "x"], "NAME=FILE"),
        (["structure:line"], "--input x=FILE"),
        (["structure:line", "--input", "t=x.npy"], "no parameter 't'"),
        (["structure:nothing", "--input", "x=x.npy"], "no 'nothing'"),
        (["no_such_module:f", "--input", "x=x.npy"], "no module"),
        (["structure", "--input", "x=x.npy"], "module:function"),
        (["--only", "nothing"], "there are expm"),
        (["structure:line", "--input", "x=data.npz"], "choose one"),
        (["structure:line", "--input", "x=structure.py"], "Matrix Market"),
    ],
)
def test_a_question_that_cannot_be_asked(here, arguments, says, capsys):
    np.save(here / "x.npy", np.ones(3))
    np.savez(here / "data.npz", y=np.ones(3), z=np.zeros(3))
    assert main(["verify", *arguments]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
