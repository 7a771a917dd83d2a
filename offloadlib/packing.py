"""The checker as one file, to be handed to a sceptic: ``python checker.pyz INSTANCE SOLUTION``.

``python -m offloadlib.packing FILE`` writes it: a zip of the folder ``check`` that Python runs as it is,
the same bytes each time.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from offloadlib import check
from offloadlib.instances.files.document import replacing

_MAIN = "import sys\n\nfrom check.verdict import main\n\nsys.exit(main())\n"

_TIME = (1980, 1, 1, 0, 0, 0)


def pack(path: str | Path) -> None:
    """Write the checker to a file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    folder = Path(check.__path__[0])
    data = io.BytesIO(b"#!/usr/bin/env python3\n")
    data.seek(0, io.SEEK_END)
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_member("__main__.py"), _MAIN)
        for file in sorted(folder.rglob("*.py")):
            archive.writestr(_member(f"check/{file.relative_to(folder).as_posix()}"), file.read_bytes())
    with replacing(path) as target:
        target.write(data.getvalue())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


if __name__ == "__main__":
    goal = Path(sys.argv[1])
    goal.parent.mkdir(parents=True, exist_ok=True)
    pack(goal)
    print(f"{goal}: python3 -I -S {goal} INSTANCE SOLUTION [--certificate FILE]")
