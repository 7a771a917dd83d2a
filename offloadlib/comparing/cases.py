"""The instances of a comparison, and the folder that it writes into."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from offloadlib.apart import keep_apart
from offloadlib.best_known import best_known
from offloadlib.instances import AnyInstance, InputError, read, write
from offloadlib.instances.errors import OtherFile
from offloadlib.shelf import located

from .rows import Case

LONGEST_STEM = 80
"""Characters of an instance's name in the names of files, which file systems limit to 255."""

FOLDERS = ("solutions", "certificates")
"""Parts of the folder of a comparison."""


Given = str | Path | AnyInstance
"""A file, or an instance."""


@contextmanager
def folder_for(output: str | Path | None) -> Iterator[Path]:
    """The folder for what a comparison writes, with its parts; one that goes away if none is given."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="offloadlib-") as name:
            for part in FOLDERS:
                (Path(name) / part).mkdir()
            yield Path(name)
        return
    folder = Path(output)
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, [("", f"cannot be used as a folder: {error.strerror}")]) from None
    yield folder


def keep_folder_apart(given: Sequence[Given], folder: Path) -> None:
    """Refuse instance files that are in the folder under a name that a comparison may give to its own."""
    parts = FOLDERS if all(isinstance(item, str | Path) for item in given) else (*FOLDERS, "instances")
    own = [path for path in folder.glob("*") if path.suffix in (".png", ".svg", ".csv", ".html")]
    own += [path for part in parts for path in (folder / part).glob("*")]
    for item in given:
        if isinstance(item, str | Path):
            for path in own:
                keep_apart([Path(item)], [path])


def cases_of(given: Sequence[Given], folder: Path) -> list[Case]:
    """Read every instance before anything runs; write down those that have no file."""
    if not given:
        raise InputError("compare", [("instances", "must name at least one")])
    read_in, paths = _read(given)
    cases: list[Case] = []
    taken: set[str] = set()
    for label, instance, path in zip(_labels(read_in, paths), read_in, paths, strict=True):
        stem = stem_of(label, taken)
        if path is None:
            (folder / "instances").mkdir(exist_ok=True)
            path = folder / "instances" / f"{stem}.json"
            write(instance, path)
        cases.append(Case(label, stem, instance, path, best_known(instance)))
    return cases


def _read(given: Sequence[Given]) -> tuple[list[AnyInstance], list[Path | None]]:
    """The instances, and their files where they have any.

    Of several files, those that are something else are left out with a warning, as ``*`` names all that is in
    a folder.
    """
    found: list[AnyInstance] = []
    paths: list[Path | None] = []
    others: list[InputError] = []
    for item in given:
        path = None if isinstance(item, AnyInstance) else located(item)
        try:
            found.append(read(path) if path is not None else cast(AnyInstance, item))
        except InputError as error:
            if path is None or len(given) == 1 or not _something_else(path, error):
                raise
            others.append(error)
        else:
            paths.append(path)
    if not found:
        raise others[0]
    for other in others:
        warnings.warn(f"left out, as it is no instance: {other}", UserWarning, stacklevel=4)
    return found, paths


def _something_else(path: Path, error: InputError) -> bool:
    """Whether a path that cannot be read is no attempt at an instance: it has another format, or is a folder,
    or neither its content nor its name is like one."""
    named = path.suffix.lower() in (".json", ".zip") or not path.exists()
    return isinstance(error, OtherFile) or path.is_dir() or not named


def _labels(given: Sequence[AnyInstance], paths: Sequence[Path | None]) -> list[str]:
    """What each instance is called: its name, with its file where others have the same one."""
    named = [(instance.name, path.name if path else "") for instance, path in zip(given, paths, strict=True)]
    by_name, by_file = Counter(name for name, _ in named), Counter(named)
    labels: list[str] = []
    for (name, file), path in zip(named, paths, strict=True):
        label = name or "unnamed"
        if by_name[name] > 1 and file:
            label = f"{label} ({file if by_file[name, file] == 1 else path})"
        labels.append(_unlike(label, labels, " "))
    return labels


def _unlike(name: str, taken: Collection[str], mark: str) -> str:
    """A name that is not taken: the name itself, or with a number."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}{mark}{number}"
    return found


def stem_of(name: str, taken: set[str]) -> str:
    """A name that can be part of a file name, and that no other instance has."""
    plain = re.sub(r"[^\w.+-]+", "-", name)[:LONGEST_STEM].strip("-.") or "instance"
    stem = _unlike(plain, taken, "-")
    taken.add(stem)
    return stem
