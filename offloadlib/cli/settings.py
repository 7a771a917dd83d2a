"""Commands with an option for every parameter of a setting.

The options are made of the setting's fields, so that a new parameter is an option at once.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import reduce, wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from rich.markup import escape

from offloadlib.instances.draws import parameter_help, restored
from offloadlib.instances.errors import InputError
from offloadlib.instances.structured.draw_limits import LimitSetting
from offloadlib.instances.structured.generate import Environment

SETTINGS = ("generate", "import")
"""What errors call a setting, whose places are its fields."""

_INDEX = re.compile(r"\[\d+\]$")
_ENVIRONMENT = "Devices, offload points and network"
_LIMITS = "Limits of the real world (format 2); by default none"


@dataclass(frozen=True)
class _Entry:
    """One option: the path of its field in the setting, its parameter in a function's signature, its name."""

    path: tuple[str, ...]
    parameter: inspect.Parameter
    option: str


def with_setting(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for every field of a setting.

    The command takes the setting as its keyword ``setting``; typer sees one parameter a field instead.
    """
    entries = list(_entries(kind, ()))
    names = {".".join(entry.path): entry.option for entry in entries}

    def option(where: str) -> str:
        """The option of a place in the setting; any other place as it is."""
        return names.get(_INDEX.sub("", where), where)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        kept = [parameter for name, parameter in own.parameters.items() if name != "setting"]

        @wraps(command)
        def wrapper(**values: Any) -> None:
            given: dict[str, Any] = {}
            for entry in entries:
                *above, last = entry.path
                reduce(lambda part, name: part.setdefault(name, {}), above, given)[last] = values.pop(
                    entry.parameter.name
                )
            try:
                command(setting=restored(kind, given), **values)
            except InputError as error:
                if error.source not in SETTINGS:
                    raise
                problems = [(option(where), what) for where, what in error.problems]
                raise InputError(error.source, problems) from None

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
            panel = _LIMITS if field.name in LimitSetting.later() and not path else panel
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
    elif kind in (int, float, str) and NoneType in members:
        metavar = "NAME|none" if kind is str else "NUMBER|none"
        settings |= {"metavar": metavar, "parser": _or_none(kind)}
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
    return _Entry(path, parameter, f"--{name}")


def _or_none(kind: type[Any]) -> Callable[[Any], Any]:
    def value(text: Any) -> Any:
        if text is None or text == "none":
            return None
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise typer.BadParameter(f"{text!r} is neither {what} nor 'none'") from None

    return value


def _plain(text: str) -> str:
    """The help of a docstring without its markup, and without what the terminal would take for such."""
    return escape(re.sub(r":\w+:|`", "", text))
