"""The structured problem, as code for every kind sees it."""

from __future__ import annotations

from ..kind import Kind
from . import exact, form
from .cost import evaluate
from .generate import Setting, generate
from .schema import InstanceFile
from .solution import Solution

KIND = Kind(
    file=InstanceFile,
    form=form,
    solution=Solution,
    all_local=Solution.all_local,
    evaluate=evaluate,
    exact=exact,
    setting=Setting,
    generate=generate,
)
