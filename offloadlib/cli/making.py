"""The commands that make instances, with an option for every parameter of a setting.

The options are made of the setting's fields, so that a new parameter is an option at once.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from rich.markup import escape

from offloadlib.apart import keep_apart
from offloadlib.cli.options import Description, Name, NewInstance, Seed
from offloadlib.instances import AnyInstance, importers, write
from offloadlib.instances.draws import parameter_help
from offloadlib.instances.errors import counted
from offloadlib.instances.hybrid import generate as hybrid
from offloadlib.instances.hybrid import write_frames
from offloadlib.instances.hybrid.generate import HybridSetting
from offloadlib.instances.importers import ImportSetting
from offloadlib.instances.structured import generate
from offloadlib.instances.structured.generate import Environment, Setting

_ENVIRONMENT = "Devices, offload points and network"


@dataclass(frozen=True)
class _Entry:
    """One option: the path of its field in the setting, and its parameter in a function's signature."""

    path: tuple[str, ...]
    parameter: inspect.Parameter


def with_setting(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for every field of a setting.

    The command takes the setting as its keyword ``setting``; typer sees one parameter a field instead.
    """
    entries = list(_entries(kind, ()))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        kept = [parameter for name, parameter in own.parameters.items() if name != "setting"]

        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            given = {entry.path: values.pop(entry.parameter.name) for entry in entries}
            command(setting=_build(kind, (), given), **values)

        parameters = [*kept, *(entry.parameter for entry in entries)]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorate


def _entries(kind: type[Any], path: tuple[str, ...]) -> Iterator[_Entry]:
    """The options of a class, what it adds to its base first."""
    hints, texts = get_type_hints(kind), parameter_help(kind)
    inherited = {field.name for field in fields(Environment)} if kind is not Environment else set()
    for field in sorted(fields(kind), key=lambda field: field.name in inherited):
        below, hint = (*path, field.name), hints[field.name]
        if is_dataclass(hint):
            yield from _entries(hint, below)  # type: ignore[arg-type]
        else:
            panel = _ENVIRONMENT if field.name in inherited else " ".join(path).capitalize() or None
            yield _entry(below, hint, _default(field), texts[field.name], panel)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _entry(path: tuple[str, ...], hint: Any, default: Any, text: str, panel: str | None) -> _Entry:
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kind: Any = next(member for member in members if member is not NoneType)
    name = "-".join(path).replace("_", "-")
    settings: dict[str, Any] = {"help": _plain(text), "rich_help_panel": panel}
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):  # any number of names
        name, kind, default = name.removesuffix("s"), list[str], list(default)
        settings |= {"metavar": "NAME", "help": f"{settings['help']} Repeatable."}
    elif get_origin(kind) is tuple:
        settings |= {"metavar": "LOW HIGH"}
    elif kind in (int, float) and NoneType in members:
        settings |= {"metavar": "NUMBER|none", "parser": _number_or_none(kind)}
    elif kind in (int, float):
        settings |= {"metavar": "NUMBER"}
    elif get_origin(kind) is not Literal and kind is not bool:
        raise TypeError(f"no option can be made of {'.'.join(path)}: {hint}")
    parameter = inspect.Parameter(
        "_".join(path),
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[
            kind | None if NoneType in members else kind, typer.Option(f"--{name}", **settings)
        ],
    )
    return _Entry(path, parameter)


def _number_or_none(kind: type[int] | type[float]) -> Callable[[Any], int | float | None]:
    def number(text: Any) -> int | float | None:
        if text is None or text == "none":
            return None
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise typer.BadParameter(f"{text!r} is neither {what} nor 'none'") from None

    return number


def _plain(text: str) -> str:
    """The help of a docstring without its markup, and without what the terminal would take for such."""
    return escape(re.sub(r":\w+:|`", "", text))


def _build(kind: type[Any], path: tuple[str, ...], given: dict[tuple[str, ...], Any]) -> Any:
    values = {}
    hints = get_type_hints(kind)
    for field in fields(kind):
        below = (*path, field.name)
        if is_dataclass(hints[field.name]):
            values[field.name] = _build(hints[field.name], below, given)
        else:
            value = given[below]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


@with_setting(Setting)
def generate_instance(
    setting: Setting,
    path: NewInstance,
    seed: Seed = 0,
    name: Name = None,
    description: Description = None,
) -> None:
    """Make a random instance, by default as in the paper; --kind hybrid makes one of the hybrid problem."""
    instance = generate.generate(setting, seed=seed, name=name, description=description)
    write(instance, path)
    _tell(instance, path)


@with_setting(HybridSetting)
def generate_hybrid(
    setting: HybridSetting,
    path: NewInstance,
    seed: Seed = 0,
    name: Name = None,
    description: Description = None,
    frames: Annotated[
        int | None, typer.Option(metavar="F", help="Write a file of so many draws of the sizes.")
    ] = None,
) -> None:
    """Make a random instance of the hybrid problem (--kind hybrid), or frames of it."""
    if frames is not None:
        drawn = hybrid.generate_frames(setting, frames, seed=seed, name=name, description=description)
        write_frames(drawn, path)
        print(f"{path}: {counted(len(drawn), 'frame')} of {drawn[0].summary}", file=sys.stderr)
        return
    instance = hybrid.generate(setting, seed=seed, name=name, description=description)
    write(instance, path)
    _tell(instance, path)


@with_setting(ImportSetting)
def import_wfformat(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="WfFormat 1.0 to 1.6, JSON.")],
    setting: ImportSetting,
    path: NewInstance,
    sites: Annotated[Path | None, typer.Option(metavar="CSV", help="EUA site file.")] = None,
    users: Annotated[Path | None, typer.Option(metavar="CSV", help="EUA user file.")] = None,
    seed: Seed = 0,
    name: Name = None,
    description: Description = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Licence of the files, to be recorded; repeatable."),
    ] = None,
) -> None:
    """Make an instance of WfCommons workflows, and of sites and users on a map.

    What was assumed, counted, left out or scaled is printed, and recorded in the instance.
    """
    keep_apart([*files, sites, users], [path])
    instance, report = importers.import_wfformat(
        files,
        sites=sites,
        users=users,
        setting=setting,
        seed=seed,
        name=name,
        description=description,
        licences=licence or (),
    )
    write(instance, path)
    print(report)
    _tell(instance, path)


def _tell(instance: AnyInstance, path: Path) -> None:
    print(f"{path}: {instance.summary}, fingerprint {instance.fingerprint[:12]}", file=sys.stderr)
