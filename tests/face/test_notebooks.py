"""The notebooks run from top to bottom, and say what they said when they were committed.

``PYTHONPATH=tests python tests/face/test_notebooks.py [NUMBER...]`` runs them, or those of these numbers, and
writes their outputs anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from folders import ROOT
from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from processes import PYTHON
from processes import run as run_command

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT = 600
RARELY = "gc.set_threshold(100_000, 20, 10)"  # as in conftest, which says why

KEY_FIGURES = {
    "01-the-problem-and-its-milp": [
        "cost 15.125000",  # ud1 by hand
        "cost 17.053333",
        "this decision: 32.178333",
        "all local:     72.770000",
        "the best one costs 24.045000",  # by brute force
        "cost  24.045000",  # by the MILP
        "the relaxation costs 24.045000",
        "optimum 19.395000, by trying everything 19.395000",  # with more room
        "bound   19.325000",
        "optimum 24.045000",  # by the library's model
        "saved by:  9.750 6.625 5.750 4.600 4.680",  # a solution: places help in packs
    ],
    "02-linearising-the-max": [
        "relaxation 2.500, envelope 3.000",
        "hull = maximum everywhere: True",
        "epigraph alone:          2.500",
        "with level inequalities: 3.000",
        "worked example, op2 takes 3  19.3250     19.3250      19.3250    19.3250",  # equally strong
        "all found the optimum: True",
    ],
    "03-backtracking-cp-and-certificates": [
        "leaves that Algorithm 1 reaches as printed: 0",
        "order fast slow -> 5.125",  # device by device
        "backtracking over all: 3.125",
        "rounded downwards, ever above it: False",  # by CP-SAT
        "27.625 + 21.520 - (5 x 3 + 5.05 x 2) = 24.045",  # by two prices
        "FAILED  claim        claimed 24.046",
        "best bound 19.325000",
        "t3 of ud2 local: 19.395000",
        "rejected: lower_bound: proven is 15.67",  # without a witness, in the core
        "forget the other side: refused: rests on an assumption",  # a VIPR file
        "one place fewer at op1: accepted",  # for another program
        "accepted: True",  # a certificate of the library
    ],
    "04-prices-and-decomposition": [
        "best bound on the grid 8.6301 at price 0.137, optimum 8.6395",
        "best bound of 40 steps: 24.0450",
        "bound 11.6821, optimum 11.7070, gap 0.21%",
        "devices with more than one decision in the mixture: 5 of 20",
        "accepted: True",
        "without prices on channels 17.8332",  # a solution
    ],
    "05-the-paper-revisited": [
        "saved at 40 devices: optimum 54.6%, btod-sequential 52.2%, gaod 52.1%, gsod-i 50.5%",
        "all optima proven to 1e-6: True",
        "gsod-i: 200 places, 73 devices offload",
        "optimum: 200 places, 43 devices offload",
        "crowding  3      1.11       1.11    1.0",
    ],
    "08-real-graphs": [
        "8 subtasks a device, at most 3 of them at a time",
        "gsod-i      8.5585",
        "checked: cost 6.544828, bound 6.544828",  # by branch-and-price and its certificate
        "accepted: True  gap below 1e-6: True",
        "2.67                 1.308",  # gsod-i over the optimum
    ],
    "09-moving-devices": [
        "devices with a task: [14, 9, 12, 13, 10, 12]",
        "version 2: optimal, objective 5.7173 = 5.1173 + 12 moves x 0.05",
        "the same number: True",
        "nobody beats the bound: True",
    ],
    "06-learning-to-offload": [
        "19683 decisions, the best one costs 599.4546",  # by trying everything
        "bound 599.4546, optimum 599.4546",  # by one price
        " 30 devices: optimal",
        "equal-split         1.0071",
        "its decisions, uplink shared out: 1.0019",
        "more networks are better: True",
        "ten networks are within 2 % of the optimum: True",
        "behind the equal split's decisions with the uplink shared out: True",
        "the same candidates for all test frames: True",
    ],
    "07-limits": [
        "deadline 0.80: together they need at least 30.014 GB, there are 30",  # nobody's fault alone
        "deadline 0.95:    0 of 1000 orders give a solution",  # greedy
        "deadline 0.90:  129 of 1000 orders give a solution, the best one 6.1% above the optimum",
        "from 15 to 16 GB: 0.1196 saved per GB, prices [0.1303, 0.1303]",
        "ud4   1.417  refused",
        "least max: sum  8.8533, largest 0.7784  (optimal)",
    ],
}


class _Kernels(AsyncKernelManager):
    """Starts kernels of the running interpreter, whatever kernels are registered on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=make_ipkernel_cmd(), display_name="Python 3", language="python")


def run(notebook: Any, kernels: AsyncKernelManager) -> None:
    """Run a notebook in a kernel that goes on afterwards."""
    NotebookClient(
        notebook, km=kernels, timeout=TIMEOUT, record_timing=False, coalesce_streams=True
    ).execute()


def executed(path: Path, folder: Path, kernels: AsyncKernelManager) -> Any:
    """A notebook with new outputs, run with ``folder`` as its working directory and no name defined."""
    anew = f"get_ipython().reset()\nimport gc, os\n{RARELY}\nos.chdir({str(folder)!r})\ndel gc, os"
    run(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(anew)]), kernels)
    notebook = nbformat.read(path, as_version=4)
    run(notebook, kernels)
    return notebook


def outputs(notebook: Any) -> Iterator[tuple[str, str]]:
    """(id of the cell, text) of what the cells print and show; a picture's text tells its size alone."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":  # the first use tells that it compiles
                continue
            text = output.text if output.output_type == "stream" else output.data.get("text/plain", "")
            yield cell.id, text


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncKernelManager]:
    """One kernel for all: to start one and import the solvers takes as long as most notebooks."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        manager = _Kernels()
        yield manager
        run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_says_what_it_said(path: Path, tmp_path: Path, kernels: AsyncKernelManager) -> None:
    """In a folder of its own, so that nothing depends on where the notebook is opened."""
    work = tmp_path / "work"
    work.mkdir()
    found = list(outputs(executed(path, work, kernels)))
    assert found == list(outputs(nbformat.read(path, as_version=4)))
    said = "\n".join(text for _, text in found)
    for figure in KEY_FIGURES[path.stem]:
        assert figure in said
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_clean(path: Path) -> None:
    """Run once, in order, without an error or a path of somebody's machine, and with small pictures."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(
        output.output_type != "error" and output.get("name") != "stderr"
        for cell in cells
        for output in cell.outputs
    )
    text = path.read_text()
    assert not re.search(r"[\"' ](/home/|/Users/|/work/|/tmp/|[A-Z]:\\\\)", text)
    assert str(ROOT) not in text
    assert len(text) < 500_000


def exercises(notebook: Any) -> list[int]:
    """The numbers of the exercises, as they are listed under the heading of that name."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    listed = re.search(r"^## \d+\. Exercises$(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    return [int(number) for number in re.findall(r"^(\d+)\. ", listed[1], re.MULTILINE)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_exercise_has_a_hidden_solution(path: Path) -> None:
    """Text that is folded, and code that is hidden, in JupyterLab and on the site; nothing else is."""
    notebook = nbformat.read(path, as_version=4)
    numbers = exercises(notebook)
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 2
    solutions = [cell for cell in notebook.cells if "solution" in cell.metadata.get("tags", [])]
    folded = [cell.source for cell in solutions if cell.cell_type == "markdown"]
    for number, text in zip(numbers, folded, strict=True):
        assert text.startswith(f"<details><summary>Solution of exercise {number}</summary>\n\n")
        assert text.endswith("\n\n</details>")
    code = [cell for cell in solutions if cell.cell_type == "code"]
    assert code
    for cell in code:
        assert "hide-cell" in cell.metadata.tags
        assert cell.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert all(cell in solutions for cell in notebook.cells if cell.metadata)


# The command --------------------------------------------------------------------------------------


def test_the_command_puts_them_into_a_folder(tmp_path: Path) -> None:
    """Those that are there already stay; without JupyterLab it says what opens them."""
    (tmp_path / "notebooks").mkdir()
    kept = tmp_path / "notebooks" / NOTEBOOKS[0].name
    kept.write_text("mine")
    nothing = {"PYTHONPATH": str(tmp_path)}
    done = run_command([PYTHON, "-m", "offloadlib", "notebooks"], folder=tmp_path, environment=nothing)
    assert done.returncode == 0
    assert f"{len(NOTEBOOKS) - 1} notebooks put into notebooks" in done.stderr
    assert kept.read_text() == "mine"
    for path in NOTEBOOKS[1:]:
        assert (tmp_path / "notebooks" / path.name).read_bytes() == path.read_bytes()


def test_the_command_opens_them(tmp_path: Path) -> None:
    (tmp_path / "jupyterlab.py").write_text("import sys; print(sys.argv[1:]); sys.exit(5)")
    there = {"PYTHONPATH": str(tmp_path)}
    done = run_command([PYTHON, "-m", "offloadlib", "notebooks", "mine"], folder=tmp_path, environment=there)
    assert (done.returncode, done.stdout) == (5, "['mine']\n")


def test_the_command_names_what_is_in_its_way(tmp_path: Path) -> None:
    (tmp_path / "notebooks").write_text("a file")
    done = run_command([PYTHON, "-m", "offloadlib", "notebooks"], folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "notebooks: File exists" in done.stderr


if __name__ == "__main__":
    for path in (path for path in NOTEBOOKS if path.name.startswith(tuple(sys.argv[1:]) or "")):
        manager = _Kernels()  # each counts its cells from 1
        notebook = nbformat.read(path, as_version=4)
        run(notebook, manager)
        run_sync(manager.shutdown_kernel)(now=True)
        for cell in notebook.cells:  # the first use tells that it compiles
            if cell.cell_type == "code":
                cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
        notebook.metadata["language_info"] = {"name": "python"}  # the kernel's version is nobody's business
        nbformat.write(notebook, path)
        print(path.relative_to(ROOT))
