"""The strict world: 64 bits, no implicit broadcasting or promotion, eight devices, seeded keys."""

import os
import zlib
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

# jax 0.10 can hang in a batched eigh on several fake CPU devices with a small thread pool.
os.environ["NPROC"] = "32"
# Two workers share the cores: BLAS threads on small matrices would fight each other.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# A program of a test runs once or twice: to optimise its machine code takes longer than it saves,
# and so does a fusion of each single operation. Flags of the caller come last and win.
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0 "
    "--xla_disable_hlo_passes=fusion-wrapper "
    # Later ones have no other emitters.
    + ("--xla_cpu_use_fusion_emitters=false " if version("jaxlib").startswith("0.10.") else "")
    + os.environ.get("XLA_FLAGS", "")
)

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
# What files have in common, most of it single operations, is compiled once a worker.
PROGRAMS = TemporaryDirectory()
jax.config.update("jax_compilation_cache_dir", PROGRAMS.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_report_header():
    return f"jax: {jax.__version__}, {jax.device_count()} {jax.default_backend()} devices"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Cases that take seconds, of functions that have others: they are `slow` too."""
    heavy = {*(Path(__file__).parent / "heavy.txt").read_text().splitlines()}
    for item in items:
        if item.nodeid in heavy:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def key(request):
    """A random key of the test's own: the same in every run, on every machine."""
    return jax.random.key(zlib.crc32(request.node.name.encode()))


@pytest.fixture(autouse=True, scope="module")
def forget_compilations():
    """The programs of one file serve no other, and those of all of them exhaust a process."""
    yield
    jax.clear_caches()
