"""What the command line shows: results on standard output, progress and messages on standard error."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.text import Text

from offloadlib.comparing import tables
from offloadlib.comparing.summary import SPARE_COLUMNS
from offloadlib.comparing.tables import rich_table
from offloadlib.naming import called
from offloadlib.pages import numbers

if TYPE_CHECKING:
    from signal import Signals

    from rich.table import Table

    from offloadlib.comparing.rows import Row
    from offloadlib.explaining import Explanation
    from offloadlib.fronts.front import Front
    from offloadlib.fronts.trace import FrontPoint
    from offloadlib.instances import AnyEvaluation, AnyInstance, Progress, Result, StoredSolution
    from offloadlib.methods import Method
    from offloadlib.pages.page import Table as PageTable

PLAIN_WIDTH = 250
"""Columns where the output is no terminal, so that tables in files are not folded."""

PLAIN_INTERVAL = 5.0
"""Seconds between two lines of progress where standard error is no terminal."""


def output() -> Console:
    """Standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def messages() -> Console:
    """Standard error."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, width=PLAIN_WIDTH, soft_wrap=True)


def state(progress: Progress) -> str:
    """Incumbent, bound and gap in words."""
    from offloadlib.instances import gap

    parts = []
    if progress.objective is not None:
        parts.append(f"cost {progress.objective:.6g}")
    if progress.lower_bound is not None:
        parts.append(f"bound {progress.lower_bound:.6g}")
        if progress.objective is not None:
            parts.append(f"gap {numbers.percent(gap(progress.objective, progress.lower_bound), 2)}")
    return ", ".join(parts)


class Display:
    """Progress on standard error: one moving line in a terminal, else a line of text now and then."""

    def __init__(self) -> None:
        from rich.progress import Progress as Bars
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console = messages()
        self.moving = self.console.is_terminal
        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        self.bars = Bars(
            *columns, console=self.console, transient=True, refresh_per_second=4, disable=not self.moving
        )
        self.task = self.bars.add_task("", total=None)
        self.title = ""
        self.last = time.monotonic()

    def __enter__(self) -> Display:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def begin(self, title: str) -> None:
        """Start the clock of a solve."""
        self.title = title
        self.bars.reset(self.task, description=title)

    def update(self, progress: Progress) -> None:
        """Show how far the solve is."""
        text = f"{self.title}: {state(progress)}"
        self.tell(text, f"{progress.time:.0f} s  {text}")

    def tell(self, text: str, plain: str = "") -> None:
        """Replace the moving line; where nothing moves, print the plain text now and then."""
        self.bars.update(self.task, description=text)
        if not self.moving and time.monotonic() - self.last >= PLAIN_INTERVAL:
            self.last = time.monotonic()
            self.say(plain or text)

    def follow(self, instance: str, method: str, progress: Progress | None) -> None:
        """Show a comparison: the beginning of a solve, or how far it is."""
        if progress is None:
            self.begin(f"{instance}  {method}")
        else:
            self.update(progress)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.bars.console.print(Text(text))


@contextlib.contextmanager
def following(title: str) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of one solve."""
    with Display() as display:
        display.begin(title)
        yield display.update


def ended(result: Result[Any], number: Signals | None) -> str | None:
    """What has ended a solve before its time, in a line; None where nothing has."""
    from offloadlib.instances import Termination

    signal = number.name if number is not None else Termination.INTERRUPTED
    causes = {
        Termination.TIME_LIMIT: "the time limit",
        Termination.INTERRUPTED: signal,
        Termination.FAILED: f"an error ({result.failure})",
    }
    if result.termination not in causes:
        return None
    if result.solution is None:
        return f"ended by {causes[result.termination]}: no solution so far"
    distance = "no lower bound" if result.gap is None else f"gap {numbers.percent(result.gap, 2)}"
    return f"ended by {causes[result.termination]}: the best solution so far, {distance}"


def row_line(row: Row, number: int, total: int) -> str:
    """A finished solve of a comparison in one line."""
    parts = [f"[{number}/{total}] {row.instance}  {row.method}: {row.status}"]
    if row.objective is not None:
        parts.append(f"cost {row.objective:.6g}")
    if row.time is not None:
        parts.append(numbers.seconds(row.time))
    return ", ".join(parts)


def show_result(
    instance: AnyInstance,
    solution: StoredSolution[Any],
    evaluation: AnyEvaluation | None,
    runtime: float,
    certified: bool,
) -> None:
    """What a solve found, as a small table; ``evaluation`` is None where that is no solution."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    rows = (
        [("solution", "none", f"{solution.status}{', certified' if certified else ''}")]
        if evaluation is None
        else _figures(solution, evaluation, certified)
    )
    for name, value, remark in (*rows, ("time", numbers.seconds(runtime), str(solution.run["termination"]))):
        table.add_row(name, value, Text(remark))
    console = output()
    title = (instance.name, "bold"), f" ({instance.summary}) by ", (solution.method, "bold")
    console.print(Text.assemble(*title))
    console.print(table)


def _figures(
    solution: StoredSolution[Any], evaluation: AnyEvaluation, certified: bool
) -> list[tuple[str, str, str]]:
    """What a solution costs and uses: name, value, remark."""
    from offloadlib.instances import gap
    from offloadlib.instances.errors import counted

    local, bound = evaluation.local.total, solution.lower_bound
    digits = numbers.decimals([solution.objective, local])
    distance = gap(solution.objective, bound)
    rows = [
        ("cost", numbers.fixed(solution.objective, digits), str(solution.status)),
        (
            "lower bound",
            "none" if bound is None else numbers.fixed(bound, digits),
            "certified" if certified else "",
        ),
        ("gap", numbers.percent(distance, 4) or "unknown", "" if bound is None else "(cost - bound)/cost"),
    ]
    worse: list[tuple[str, str, str]] = []
    if evaluation.local.feasible:
        devices = counted(evaluation.instance.num_devices, "device")
        rows += [
            ("all local", numbers.fixed(local, digits), ""),
            ("saving", numbers.percent(evaluation.saving, 2), "against all local"),
        ]
        worse = [("worse off", str(evaluation.worse_off), f"of {devices}")]
    else:
        rows.append(("all local", "none", f"it breaks {counted(len(evaluation.local.violations), 'limit')}"))
    return [
        *rows,
        ("utilisation", numbers.percent(evaluation.utilisation, 1), evaluation.usage),
        *((use.name, "", str(use)) for use in evaluation.uses if use.common),
        *worse,
    ]


def _listing(left: Sequence[str], right: Sequence[str] = ()) -> Table:
    """An empty table with titles, of columns of text and then of numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in left:
        table.add_column(title)
    for title in right:
        table.add_column(title, justify="right")
    return table


def point_line(point: FrontPoint, known: bool) -> str:
    """A point of a front in one line."""
    size = "no limit" if math.isinf(point.size) else f"at most {point.size:.6g}"
    parts = [f"{point.front}, {size}: {point.status}"]
    if not math.isnan(point.y):
        parts.append(f"{point.y:.6g}")
    parts += ["certified"] if point.certified else []
    return ", ".join([*parts, "from an earlier run" if known else numbers.seconds(point.time)])


def show_front(front: Front, points: Sequence[FrontPoint]) -> None:
    """The points of a front, one a line."""
    table = _listing((), ("limit", front.x, front.y, "lower bound", "gap"))
    table.add_column("status")
    for point in points:
        values = (point.size, point.x, point.y, point.lower_bound)
        cells = [f"{value:.6g}" if math.isfinite(value) else "" for value in values]
        status = f"{point.status}{', certified' if point.certified else ''}"
        table.add_row(*cells, numbers.percent(None if math.isnan(point.gap) else point.gap, 4), Text(status))
    console = output()
    console.print(Text.assemble((front.instance.name, "bold"), f"  {front.name}"))
    console.print(table)


def show_explanation(part: str, explanation: Explanation) -> None:
    """A part of an explanation (``bounds``, ``choices`` or ``limits``) as soon as it is known."""
    show = {"bounds": _show_bounds, "choices": _show_choices, "limits": _show_limits}
    show[part](output(), explanation)


def _show_bounds(console: Console, explanation: Explanation) -> None:
    from offloadlib.instances import gap
    from offloadlib.instances.run import OPTIMAL_GAP

    best = explanation.best_objective
    distance = numbers.percent(gap(best, explanation.lower_bound), 2)
    console.print(Text.assemble((explanation.instance.name, "bold"), f"  cost {explanation.objective:.10g}"))
    if explanation.objective - best > OPTIMAL_GAP * abs(best):
        console.print(f"  a better solution costs {best:.10g}")
    console.print(f"  lower bound {explanation.lower_bound:.10g}, gap {distance}")
    console.print()


def _show_choices(console: Console, explanation: Explanation) -> None:
    table = _listing((f"subtask of {called(explanation.device, 'device')}", "place", "why"))
    for choice in explanation.choices:
        subtask = called(choice.subtask, "subtask")
        table.add_row(subtask, called(choice.place or "local", "point"), Text(choice.reason))
    console.print(table)
    console.print()


def _show_limits(console: Console, explanation: Explanation) -> None:
    from offloadlib.instances.errors import counted

    numbered = ("size", "used", "price of one more", "saved when tried", "at most")
    first = "offload point" if explanation.instance.version == 1 else "name"
    table = _listing((first, "limit", "unit"), numbered)
    shown = [limit for limit in explanation.limits if limit.binds or limit.worth > 0]
    digits = numbers.decimals([limit.price for limit in shown])
    for limit in shown:
        worths = (limit.price, limit.saved, limit.saved_at_most)
        cells = [numbers.fixed(value, digits) for value in worths]
        names = called(limit.point, "point"), limit.kind, limit.counted
        table.add_row(*names, f"{limit.size:.6g}", f"{limit.used:.6g}", *cells)
    console.print(table)
    if shown:
        console.print(Text("  prices and savings in units of the cost F", style="dim"))
    if explanation.own:
        console.print()
        table = _listing(("device", "limit"), ("size", "used", "worth of one more"))
        for own in explanation.own:
            sizes = (f"{value:.6g} {own.unit}" for value in (own.size, own.used))
            table.add_row(called(own.device, "device"), own.kind, *sizes, f"{own.price:.4g} a {own.unit}")
        console.print(table)
    free = len(explanation.limits) - len(shown)
    if free:
        console.print(f"  {counted(free, 'further limit')} with room: one more is worth nothing")
    if explanation.missing:
        why = "interrupted" if explanation.interrupted else "time was up"
        console.print(Text(f"  not computed, as {why}: {'; '.join(explanation.missing)}", style="yellow"))


def show_methods(methods: Iterable[Method]) -> None:
    """The methods, one a line."""
    table = _listing(("method", "family", "instances", "which may have", "what it does", "source"))
    for method in methods:
        kinds, features = ", ".join(sorted(method.kinds)), ", ".join(sorted(method.supports))
        texts = (Text(text) for text in (method.summary, method.source))
        table.add_row(method.name, str(method.family), kinds, features, *texts)
    output().print(table)


def show_sections(sections: Iterable[tables.InstanceTable]) -> None:
    """The tables of a comparison."""
    for section in sections:
        console = output()
        console.print(Text.assemble((section.title, "bold"), f"  {section.subtitle}"))
        _show_fitting(console, section.table, tables.SPARE_COLUMNS, section.notes)


def show_summary(table: PageTable) -> None:
    """A comparison over all instances."""
    console = output()
    console.print(Text("Over all instances", style="bold"))
    _show_fitting(console, table, SPARE_COLUMNS)


def _show_fitting(
    console: Console, table: PageTable, spare: Sequence[str], notes: Sequence[str] = ()
) -> None:
    """A table without as few of its spare columns as must be left out for the others to fit."""
    leaving = (spare[:number] for number in range(len(spare) + 1))
    fitting = (missing for missing in leaving if _width(console, rich_table(table, missing)) <= console.width)
    missing = next(fitting, spare)
    shown = rich_table(table, missing)
    # Rather lines that the terminal folds than numbers cut short.
    console.width = max(console.width, _width(console, shown))
    console.print(shown)
    for note in notes:
        console.print(Text(f"  {note}", style="yellow"))
    if missing:
        console.print(Text(f"  (a wider terminal shows: {', '.join(missing)})", style="dim"))
    console.print()


def _width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(width=sys.maxsize), table).maximum
