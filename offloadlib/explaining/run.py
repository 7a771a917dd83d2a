"""Explain a solution by prices."""

from __future__ import annotations

from collections.abc import Callable

from offloadlib.instances import InputError, Instance, Progress, Solution, evaluate

from .work import Explanation, Work


def explain(
    instance: Instance,
    solution: Solution | None,
    *,
    device: str | None = None,
    time_limit: float = 60.0,
    on_progress: Callable[[str, Progress | None], None] | None = None,
    on_part: Callable[[str, Explanation], None] | None = None,
) -> Explanation:
    """Price the limits of an instance, try the dear ones with one more, and explain a device's choices.

    Parameters
    ----------
    instance, solution
        A solution that keeps all limits.
    device
        Id of the device to explain; by default the one whose task uses the most places.
    time_limit
        Seconds for everything: the dearest limits are tried first.
    on_progress
        Called with what is solved, and None at its beginning or its progress.
    on_part
        Called with ``bounds``, ``choices`` and ``limits`` as soon as these are known, and with what is known.

    Returns
    -------
    Explanation
        At the time limit and after Ctrl-C, what is known by then.

    Raises
    ------
    InputError
        If there is no solution, it breaks a limit, or there is no such device.
    """
    if solution is None:
        raise InputError("explain", [("solution", "there is none: an instance without one has no prices")])
    evaluation = evaluate(instance, solution)
    problems = [("solution", f"breaks a limit: {violation}") for violation in evaluation.violations]
    if device is not None and device not in instance.devices.ids:
        problems.append(("device", f"{device!r} is not in the instance"))
    if not time_limit > 0:
        problems.append(("time_limit", f"must be positive, not {time_limit!r}"))
    if problems:
        raise InputError("explain", problems)
    work: Work
    if instance.version == 1:
        work = Work(instance, solution, device, time_limit, on_progress)
    else:
        from .limited import LimitedWork

        work = LimitedWork(instance, solution, device, time_limit, on_progress)
    parts = {"bounds": work.find_bounds, "choices": work.explain_choices, "limits": work.try_limits}
    for name, step in parts.items():
        if not work.interrupted:
            try:
                step()
            except KeyboardInterrupt:
                work.interrupted = True
        if on_part is not None:
            on_part(name, work.explanation())
    return work.explanation()
