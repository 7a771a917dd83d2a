"""The library made again: what the ``source`` of a generated or imported instance records is its recipe.

``python -m offloadlib.instances.recipes --data DIR`` writes the files of the library anew; DIR holds the real
data, and without it the instances that need them are left out. Names may follow, to write those alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .draws import restored
from .errors import InputError
from .files.instances import LIBRARY, library, read, write
from .importers import FORMATS, MADE_IN_PYTHON, import_graphs
from .kind import AnyInstance, kind_named


def made_again(instance: AnyInstance, data: Path | None = None) -> AnyInstance | None:
    """The instance that the generator or the importer makes today of what the source of another one records.

    Parameters
    ----------
    instance
        With a source.
    data
        Folder of the files that were imported, or with a folder that has them.

    Returns
    -------
    AnyInstance
        None if it was imported, and there is no folder.

    Raises
    ------
    InputError
        If the instance has no recipe, or a file is not there.
    """
    source: Mapping[str, Any] = getattr(instance, "source", None) or {}
    if "parameters" not in source or source.get("format") in MADE_IN_PYTHON:
        raise InputError(instance.name, [("source", "does not say how it was made")])
    about = {
        "seed": source["seed"],
        "name": instance.name,
        "description": getattr(instance, "description", None),
    }
    if "importer" not in source:
        kind = kind_named(instance.kind)
        made: AnyInstance = kind.generate(restored(kind.setting, source["parameters"]), **about)
        return made
    if data is None:
        return None
    files = [next(data.rglob(file["name"]), data / file["name"]) for file in source["files"]]
    maps = [file for file in files if file.suffix == ".csv"]
    sites, users = maps or (None, None)
    base = source.get("base")
    format = source.get("format", "wfformat")  # until version 2 of the importer there was no other
    imported, _ = import_graphs(
        format,
        [file for file in files if file not in maps],
        sites=sites,
        users=users,
        base=None if base is None else next(data.rglob(base["name"]), LIBRARY / base["name"]),
        setting=restored(FORMATS[format].setting, source["parameters"]),
        licences=source["licences"],
        **about,
    )
    return imported


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m offloadlib.instances.recipes``."""
    parser = argparse.ArgumentParser(prog="python -m offloadlib.instances.recipes", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="write these files alone")
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--folder", type=Path, default=LIBRARY, help="where to write")
    options = parser.parse_args(arguments)
    known = library()
    del known["worked-example"]  # which is written by hand
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no recipe {', '.join(sorted(unknown))}")
    for name in options.names or known:
        made = made_again(read(known[name]), options.data)
        if made is None:
            print(f"{name}: left out, it needs --data")
        else:
            write(made, options.folder / f"{name}.json")
            print(f"{name}: {made.summary}, all-local cost {made.evaluate(made.all_local).total:.6g}")


if __name__ == "__main__":
    main()
