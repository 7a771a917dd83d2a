"""Better values for the library: verified, written whole, and accepted by the checker as they stand there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from folders import LIBRARY
from processes import command_line, run
from reading import library

import offloadlib
from offloadlib.best_known import BestKnown, certificate_in, read_best_known, solution_in
from offloadlib.check import check
from offloadlib.instances import InputError, write_solution
from offloadlib.instances.structured.generate import generate
from offloadlib.submitting import submit

STEM = "worked-example"
INSTANCE = LIBRARY / f"{STEM}.json"
BEST, PROOF = solution_in(LIBRARY, STEM), certificate_in(LIBRARY, STEM)


def forgetful(tmp_path: Path, **worse: float | None) -> Path:
    """A clone whose library knows less of the worked example: all-local, and its values as they are given."""
    folder = tmp_path / "clone" / "offloadlib" / "instances" / "library"
    for part in ("solutions", "certificates"):
        (folder / part).mkdir(parents=True)
    document = json.loads((LIBRARY / "best_known.json").read_text())
    for name, value in worse.items():
        document[STEM][name] = None if value is None else {**document[STEM][name], "value": value}
    (folder / "best_known.json").write_text(json.dumps(document))
    local = offloadlib.solve(INSTANCE, "local")
    write_solution(local.stored("local"), library(STEM), solution_in(folder, STEM))
    return tmp_path / "clone"


def entry(clone: Path) -> tuple[Path, BestKnown]:
    folder = clone / "offloadlib" / "instances" / "library"
    return folder, read_best_known(folder / "best_known.json")[STEM]


def test_a_better_solution_with_a_proof(tmp_path: Path) -> None:
    clone = forgetful(tmp_path, objective=72.77, lower_bound=1.0, certified_bound=1.0)
    found = submit(BEST, PROOF, clone)
    folder, known = entry(clone)
    assert known == found.entry
    assert known.objective is not None and known.objective.value == pytest.approx(24.045)
    assert known.certified_bound is not None and known.certified_bound == known.lower_bound
    assert len(found.better) == 2 and len(found.files) == 3
    assert all(path.exists() for path in found.files)
    verdict = check(INSTANCE, solution_in(folder, STEM), certificate_in(folder, STEM))
    assert verdict.accepted and verdict.certified_bound == known.certified_bound.value
    written = json.loads(solution_in(folder, STEM).read_text())
    assert (written["status"], written["lower_bound"]) == ("optimal", known.certified_bound.value)
    others = read_best_known()
    assert all(
        other == others[stem]
        for stem, other in read_best_known(folder / "best_known.json").items()
        if stem != STEM
    )
    assert not submit(BEST, PROOF, clone).better  # not a second time


def test_a_better_solution_alone_and_then_a_better_bound(tmp_path: Path) -> None:
    clone = forgetful(tmp_path, objective=72.77, lower_bound=None, certified_bound=None)
    found = submit(BEST, None, clone)
    assert [what.split()[0] for what in found.better] == ["cost"] and len(found.files) == 2
    folder, known = entry(clone)
    assert known.certified_bound is None and not certificate_in(folder, STEM).exists()
    # With any solution of the instance; the best one stays, and has the bound then.
    local = tmp_path / "local.sol.json"
    write_solution(offloadlib.solve(INSTANCE, "local").stored("local"), library(STEM), local)
    found = submit(local, PROOF, clone)
    assert [what.split()[:2] for what in found.better] == [["certified", "bound"]]
    verdict = check(INSTANCE, solution_in(folder, STEM), certificate_in(folder, STEM))
    assert verdict.accepted and verdict.objective == pytest.approx(24.045)


def test_elsewhere_the_files_of_the_change_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = forgetful(tmp_path, objective=72.77, lower_bound=1.0, certified_bound=1.0)
    monkeypatch.setattr("offloadlib.shelf.FOLDER", clone / "offloadlib" / "instances" / "library")
    shutil.copy(INSTANCE, clone / "offloadlib" / "instances" / "library")
    found = submit(BEST, PROOF, tmp_path / "empty")
    files = sorted(str(path.relative_to(tmp_path / "empty")) for path in found.files)
    assert files == [
        "offloadlib/instances/library/best_known.json",
        f"offloadlib/instances/library/certificates/{STEM}.cert.json",
        f"offloadlib/instances/library/solutions/{STEM}.sol.json",
    ]


def test_what_is_not_better_is_not_written(tmp_path: Path) -> None:
    assert not submit(BEST, PROOF, tmp_path).files
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["objective", "decisions"])
def test_what_the_checker_rejects_is_not_written(tmp_path: Path, change: str) -> None:
    clone = forgetful(tmp_path, objective=72.77)
    before = entry(clone)[1]
    document: dict[str, Any] = json.loads(BEST.read_text())
    if change == "objective":
        document["objective"] = 20.0
    else:
        document["decisions"]["ud1"] = ["op1"] * 5
    wrong = tmp_path / "wrong.sol.json"
    wrong.write_text(json.dumps(document))
    found = submit(wrong, None, clone)
    assert found.rejected and not found.better
    assert entry(clone)[1] == before


def test_a_proof_of_another_instance(tmp_path: Path) -> None:
    clone = forgetful(tmp_path, certified_bound=1.0)
    found = submit(BEST, certificate_in(LIBRARY, "paper-m005"), clone)
    assert found.rejected and not found.better


def test_a_solution_of_no_instance_of_the_library(tmp_path: Path) -> None:
    instance = generate(seed=1)
    path = tmp_path / "other.sol.json"
    write_solution(offloadlib.solve(instance, "local").stored("local"), instance, path)
    with pytest.raises(InputError, match="is that of no instance of the library"):
        submit(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="is that of no instance of the library"):
        submit(path)


def test_the_command(tmp_path: Path) -> None:
    clone = forgetful(tmp_path, objective=72.77, lower_bound=1.0, certified_bound=1.0)
    command = [*command_line(tmp_path), "submit", str(BEST), "--certificate", str(PROOF)]
    done = run(command, folder=clone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("worked-example: cost 24.04") and "before 72.77 by " in done.stdout
    assert "offloadlib/instances/library/best_known.json" in done.stderr
    again = run(command, folder=clone)
    assert (again.returncode, again.stdout) == (1, "worked-example: not better than what is known\n")
