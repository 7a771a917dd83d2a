"""Where the instances are that come with the package.

Where a file is asked for, a name of the library does as well, unless there is a file of that name.
"""

from __future__ import annotations

import difflib
from pathlib import Path

FOLDER = Path(__file__).parent / "instances" / "library"
"""Where they are, with what is known of them."""

BEST_KNOWN = "best_known.json"


def names() -> list[str]:
    """The names of all instances of the library."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if path.name != BEST_KNOWN)


def file_of(name: str) -> Path:
    """The file of an instance of the library.

    Raises
    ------
    InputError
        If there is none of that name, with the nearest names.
    """
    from offloadlib.instances.errors import InputError, unknown

    if name not in names():
        if Path(name).is_file():
            raise InputError(
                name, [("", "is a file, not a name of the library: offloadlib.read reads files")]
            )
        raise unknown("library", name, names())
    return FOLDER / f"{name}.json"


def located(path: str | Path) -> Path:
    """A file that is there, or else that of the library's instance of this name; or the path as it is.

    Raises
    ------
    InputError
        If it is not there, and nearly a name of the library.
    """
    path = Path(path)
    if path.name != str(path) or path.suffix or path.exists():
        return path
    if path.name in names():
        return FOLDER / f"{path.name}.json"
    if nearest := difflib.get_close_matches(path.name, names()):
        from offloadlib.instances.errors import InputError

        what = f"is neither a file nor in the library; did you mean {', '.join(nearest)}?"
        raise InputError(path, [("", what)])
    return path
