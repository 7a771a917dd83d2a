"""Processes that tests start: Python, the command line after some Python, and signals while they run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from folders import LIBRARY, ROOT, TESTS

PYTHON = sys.executable
WORKED = str(LIBRARY / "worked-example.json")
# Found by a child: the package, and the modules beside this one. Tables are not cut.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]), "COLUMNS": "200"}

NOTHING: Mapping[str, str] = {}


def command_line(folder: Path, text: str = "") -> list[str]:
    """What runs the command line after some Python."""
    path = folder / "script.py"
    path.write_text(f"{text}\nimport sys\nfrom offloadlib.cli.app import main\nsys.exit(main())\n")
    return [PYTHON, str(path)]


def knowing(name: str) -> str:
    """Python after which a method of odd_methods is known by its name."""
    return (
        "from odd_methods import method\n"
        "from offloadlib.registry import METHODS\n"
        f"METHODS[{name!r}] = method({name!r})\n"
    )


def run(
    command: Sequence[str],
    given: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] = NOTHING,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end: its exit status, and what it said."""
    return subprocess.run(
        command,
        input=given,
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def here(capture: pytest.CaptureFixture[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end in this process, which has all that it imports."""
    from offloadlib.cli.app import main

    capture.readouterr()
    command = list(map(str, arguments))
    return subprocess.CompletedProcess(command, main(command), *capture.readouterr())


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run some Python to its end."""
    return run([PYTHON, "-c", code])


def started(command: Sequence[str], environment: Mapping[str, str] = NOTHING) -> subprocess.Popen[str]:
    """A command that runs."""
    return subprocess.Popen(
        command,
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def marked(folder: Path) -> tuple[str, Path]:
    """The worked example with a mark, a file by which an odd method shows that it has begun."""
    path, mark = folder / "marked.json", folder / "begun"
    path.write_text(json.dumps({**json.loads(Path(WORKED).read_text()), "description": str(mark)}))
    return str(path), mark


def wait_for(mark: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a process has made its mark."""
    while not mark.exists():
        assert process.poll() is None
        time.sleep(0.02)


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """Send a signal, and wait for what the process has said in the end."""
    process.send_signal(number)
    try:
        return process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def interrupted(
    process: subprocess.Popen[str], mark: Path, number: signal.Signals = signal.SIGINT
) -> tuple[str, str]:
    """Press Ctrl-C (or send another signal) a moment after a method has begun."""
    wait_for(mark, process)
    time.sleep(0.3)
    return ended(process, number)


def _worked(process: subprocess.Popen[str]) -> float:
    """The processor time of a process, s."""
    user = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(user) / os.sysconf("SC_CLK_TCK")


def interrupted_once_running(code: str, *arguments: object, work: float = 0.0) -> str:
    """What some Python says after Ctrl-C, pressed when it runs and has worked some seconds."""
    with started([PYTHON, "-c", code, *map(str, arguments)]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n", process.communicate()[1]
        begun = _worked(process)
        while _worked(process) < begun + work:
            time.sleep(0.02)
        out, err = ended(process, signal.SIGINT)
    assert (process.returncode, err) == (0, "")
    return out
