"""The page of all commands, from the application itself: what ``--help`` says, on one page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from offloadlib.cli.app import app
from offloadlib.cli.commands import IMPORTERS, generator_of
from offloadlib.formulations.catalogue import imported
from offloadlib.instances.kind import KINDS

INTRODUCTION = """\
# Commands

What `offloadlib COMMAND --help` says, of every command and option. Results go to standard output, progress
and messages to standard error.

| exit status | meaning |
|---|---|
| 0 | done; also with a solution at the time limit, after Ctrl-C, or where the method failed |
| 1 | a check failed |
| 2 | unusable input |
| 3 | an internal error |
| 130 | interrupted before there was a result |
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command, named as it is typed; those that make instances with the options of what they make."""
    for name, command in typer.main.get_command(app).commands.items():
        if name == "generate":
            for kind in KINDS:
                yield f"generate --kind {kind}", _made(generator_of(kind))
        elif name == "import":
            for form, (path, _) in IMPORTERS.items():
                yield f"import {form}", _made(imported(path))
        else:
            yield name, command


def page() -> str:
    """The page, as Markdown."""
    return INTRODUCTION + "".join(_section(name, command) for name, command in commands())


def write(path: Path) -> None:
    """Write the page, unless it is there: a page that is as new as it was is not read again."""
    text = page()
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def _made(function: Callable[..., None]) -> Any:
    """The command that typer makes of a function."""
    alone = typer.Typer(add_completion=False)
    alone.command()(function)
    return typer.main.get_command(alone)


def _section(name: str, command: Any) -> str:
    arguments = [entry for entry in command.params if entry.param_type_name == "argument"]
    options = [entry for entry in command.params if entry.param_type_name == "option" and not entry.hidden]
    usage = " ".join(
        ["offloadlib", name, *(_argument(entry) for entry in arguments)] + ["[OPTIONS]"] * bool(options)
    )
    parts = [f"\n## {name}\n\n{_plain(command.help)}\n\n```text\n{usage}\n```\n"]
    parts += [_entry(f"`{_argument(entry)}`", entry) for entry in arguments]
    for panel, entries in groupby(options, lambda entry: entry.rich_help_panel):
        parts += [f"\n**{panel}**\n"] if panel else []
        parts += [_entry(_option(entry), entry) for entry in entries]
    return "".join(parts)


def _argument(entry: Any) -> str:
    shown = entry.metavar or entry.name.upper()
    return shown if entry.required or shown.startswith("[") else f"[{shown}]"


def _option(entry: Any) -> str:
    names = [*entry.opts, *entry.secondary_opts]
    return ", ".join(f"`{name}`" for name in names) + (f" `{value}`" if (value := _value(entry)) else "")


def _value(entry: Any) -> str:
    """What stands for the value of an option."""
    if entry.metavar or getattr(entry, "is_flag", False):
        return entry.metavar or ""
    choices = getattr(entry.type_descriptor.annotation, "__args__", ())
    return "|".join(map(str, choices)) or "VALUE"


def _entry(term: str, entry: Any) -> str:
    default = entry.default
    known = [] if default is None or default is False or default == [] or callable(default) else [default]
    shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else default
    said = " *Required.*" if entry.required else f" Default: `{shown}`." if known else ""
    return f"\n{term}\n: {_plain(entry.help)}{said}\n"


def _plain(text: str | None) -> str:
    """A help text in one paragraph per paragraph, without the terminal's markup, safe in Markdown."""
    paragraphs = re.split(r"\n\s*\n", Text.from_markup(text or "").plain)
    joined = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return "\n\n".join(re.sub(r"([<*_|\[\]$~])", r"\\\1", paragraph) for paragraph in joined)
