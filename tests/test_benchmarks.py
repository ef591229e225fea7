"""The benchmarks run, and their README says what their results say. No time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from benchmarks import OPERATIONS, PEERS, _report, checker
from benchmarks._claims import Claim, check
from benchmarks._products import count_products
from benchmarks._worker import load
from mcjax.linalg import expm

ROOT = Path(__file__).parents[1]
RUN = ("det",)  # which all peers have
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What `--quick` prints, and the JSON that it writes."""
    path = tmp_path_factory.mktemp("benchmarks") / "found.json"
    command = [sys.executable, "-m", "benchmarks", *RUN, "--quick", "--json", str(path)]
    # What the tests set for themselves would make batches of small matrices fifty times slower.
    ours = ("NPROC", "XLA_FLAGS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout, json.loads(path.read_text())


def test_benchmarks_run(quick):
    printed, found = quick
    assert [result["function"] for result in found] == [*RUN]
    for result in found:
        assert f"{result['function']}: our best time / theirs" in printed
        assert {row["operation"] for row in result["rows"]} == {*OPERATIONS}
        for row in result["rows"]:
            well_formed(row)


def test_the_peers_agree(quick):
    _, found = quick
    differences = [
        facts["difference"]
        for result in found
        for row in result["rows"]
        for facts in row["peers"].values()
    ]
    assert max(differences) < 1e-8


def well_formed(row):
    assert {*row["peers"]} <= {*PEERS} and not {*row["peers"]} & {*row["missing"]}
    assert row["peers"]["mcjax"]["ratio"] == 1.0
    for facts in row["peers"].values():
        assert 0 < facts["best ms"] <= facts["median ms"]
        assert len(facts["quartiles"]) == 2
    assert len(_report._cells(row)) == len(_report.HEADS)


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_kept_results_have_their_circumstances(path):
    result = json.loads(path.read_text())
    assert path.stem == f"{result['function']}-{result['device']}"
    claimed = getattr(load(result["function"]), "CLAIMS", ())
    assert {"machine", "python", "versions", "date", "load before", "seconds a row"} <= {*result}
    assert list(check(claimed, result["rows"])) == result["claims"]
    for row in result["rows"]:
        well_formed(row)


def test_the_readme_says_what_the_checker_found():
    text = checker.README.read_text()
    assert checker.readme(text, json.loads(checker.KEPT.read_text())) == text


def test_the_readme_is_made_from_the_kept_results():
    text = (ROOT / "benchmarks" / "README.md").read_text()
    assert _report.readme(text) == text


def test_claims_are_checked_against_their_limit():
    def peers(ours, theirs):
        return {
            "mcjax": {"best ms": ours, "ratio": 1.0, "temporaries": 6.0},
            "jax": {"best ms": theirs, "ratio": ours / theirs, "temporaries": 30.0},
        }

    rows = [
        {"input": "A", "batch": [], "n": 8, "operation": "forward", "peers": peers(1.0, 2.0)},
        {"input": "A", "batch": [], "n": 8, "operation": "gradient", "peers": peers(5.0, 4.0)},
    ]
    claims = [
        Claim("faster than all", "8", "forward", "fastest", 1.0),
        Claim("gradient faster than jax", "8", "gradient", "jax", 1.0),
        Claim("gradient cheap", "8", "gradient", "forward", 4.0),
        Claim("gradient small", "8", "gradient", "temporaries", 0.25),
        Claim("not measured", "9", "gradient", "jax", 1.0),
        Claim("no such peer", "8", "gradient", "torch", 1.0),
    ]
    found = [(claim["measured"], claim["holds"]) for claim in check(claims, rows)]
    assert found == [(0.5, True), (1.25, False), (5.0, False), (0.2, True)]


@pytest.mark.parametrize(
    ("function", "products"),
    [
        (lambda A: A @ A, "1"),
        (lambda A: A @ A + (A @ A) @ A, "2"),  # a product of the same two counts once
        (lambda A: jnp.where(True, A, A @ A), "1"),
        (lambda A: A @ A[:, 0], "0.125"),
        (lambda A: lax.scan(lambda P, x: (A @ P, x), A, A[:3])[0], "3"),
        (lambda A: jnp.linalg.inv(A) @ A, "1 + lu"),
        (lambda A: expm(A * 1e-3), "4.88"),  # four, and seven products with a row
    ],
)
def test_products_are_counted(function, products):
    A = jnp.asarray(np.random.default_rng(0).normal(size=(8, 8)))
    assert count_products(function, A) == products
