"""Every notebook runs from top to bottom; what it claims, its cells assert.

To refresh the figures that are kept in a notebook: `jupyter execute --inplace notebooks/*.ipynb`.
"""

import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402
from traitlets import default  # noqa: E402

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


class ThisInterpreter(AsyncKernelManager):
    """Starts the Python that runs the tests, whatever kernels the machine has installed."""

    @default("kernel_spec_manager")
    def _no_installed_kernels(self):
        return KernelSpecManager(kernel_dirs=[])


@pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="their figures are kept from the newest jax, which wants 3.12",
)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        kernel_manager_class=ThisInterpreter,
        timeout=300,
        resources={"metadata": {"path": ROOT}},
    )
    client.execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_light_and_its_figures_are_kept(path):
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 400_000
    assert any(
        "image/png" in output.get("data", {})
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
