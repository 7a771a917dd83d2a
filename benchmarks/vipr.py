"""Proofs as VIPR files: sizes and times over the library, and of `viprchk` where it is on the path.

    python benchmarks/vipr.py [NAME ...]

Times are CPU seconds. Cost and claim: how far the bound in the file is below the cost of the solution, and
below the claim of the certificate (negative: above it), relatively.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import shutil
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from offloadlib.best_known import library
from offloadlib.vipr import export_proof

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


def line(name: str, folder: Path) -> int:
    """Print a line; returns the size of the compressed file."""
    base, path = library(), folder / f"{name}.vipr"
    solution = base / "solutions" / f"{name}.sol.json"
    certificate = base / "certificates" / f"{name}.cert.json"
    begun = time.process_time()
    found = export_proof(base / f"{name}.json", solution, certificate, path)
    seconds = time.process_time() - begun
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
    parser.add_argument("names", nargs="*", default=structured)
    print(f"{'':24} {'lines':>8} {'MB':>8} {'gzip':>8} {'export s':>8} {'cost':>9} {'claim':>9}  {CHECKER}")
    with TemporaryDirectory() as folder:
        total = sum(line(name, Path(folder)) for name in parser.parse_args().names)
    print(f"compressed: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
