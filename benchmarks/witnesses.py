"""Certificates with witnesses, or as VIPR files: sizes and times over the library.

    python benchmarks/witnesses.py --core | --vipr [NAME ...]

Times are CPU seconds. With --core those of making witnesses, of the core of the checker, and of the full
checker on the compact certificate. With --vipr those of the export, and of `viprchk` where it is on the path;
cost and claim are how far the bound in the file is below the cost of the solution, and below the claim of the
certificate (negative: above it), relatively.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from offloadlib.best_known import library
from offloadlib.check import check
from offloadlib.check.core.verdict import verify
from offloadlib.witnesses import elaborate, export_proof

CHECKER = "viprchk"


def checked(path: Path) -> str:
    """What `viprchk` says, and its CPU seconds."""
    if shutil.which(CHECKER) is None:
        return "not there"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([CHECKER, str(path)], capture_output=True, text=True, check=False)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    accepted = done.returncode == 0 and "Successfully verified optimal value range" in done.stdout
    return f"{'accepted' if accepted else 'REFUSED'} {seconds:6.2f} s"


def files(name: str) -> tuple[Path, Path, Path]:
    """Instance, solution and certificate."""
    base = library()
    return (
        base / f"{name}.json",
        base / "solutions" / f"{name}.sol.json",
        base / "certificates" / f"{name}.cert.json",
    )


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and the result."""
    begun = time.process_time()
    found = what()
    return time.process_time() - begun, found


def core(name: str, folder: Path) -> int:
    """Print a line about witnesses; returns the size of the compressed file."""
    (instance, solution, compact), path = files(name), folder / f"{name}.json"
    making, _ = timed(lambda: elaborate(instance, compact, path))
    checking, _ = timed(lambda: verify(instance, solution, path))
    searching, _ = timed(lambda: check(instance, solution, compact))
    content = path.read_bytes()
    size = len(gzip.compress(content, mtime=0))
    print(
        f"{name:24} {len(content) / 1e3:8.0f} {size / 1e3:8.1f} "
        f"{making:10.2f} {checking:8.2f} {searching:8.2f}",
        flush=True,
    )
    return size


def vipr(name: str, folder: Path) -> int:
    """Print a line about a VIPR file; returns the size of the compressed file."""
    path = folder / f"{name}.vipr"
    seconds, found = timed(lambda: export_proof(*files(name), path))
    content = path.read_bytes()
    size = len(gzip.compress(content, mtime=0))
    below = (1 - found.lower_bound / other for other in (found.upper_bound, found.claim))
    print(
        f"{name:24} {found.lines:8} {len(content) / 1e6:8.2f} {size / 1e6:8.2f} {seconds:8.2f} "
        + " ".join(f"{float(value):9.1e}" for value in below)
        + f"  {checked(path)}",
        flush=True,
    )
    return size


def main() -> None:
    """Print the table."""
    known = {path.name.removesuffix(".sol.json") for path in (library() / "solutions").iterdir()}
    structured = sorted(name for name in known if not name.startswith("hybrid"))
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--core", dest="line", action="store_const", const=core)
    what.add_argument("--vipr", dest="line", action="store_const", const=vipr)
    parser.add_argument("names", nargs="*", default=structured)
    given = parser.parse_args()
    if given.line is core:
        print(f"{'':24} {'kB':>8} {'gzip':>8} {'elaborate':>10} {'core':>8} {'compact':>8}")
    else:
        print(
            f"{'':24} {'lines':>8} {'MB':>8} {'gzip':>8} {'export s':>8} {'cost':>9} {'claim':>9}  {CHECKER}"
        )
    with TemporaryDirectory() as folder:
        total = sum(given.line(name, Path(folder)) for name in given.names)
    print(f"compressed: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
