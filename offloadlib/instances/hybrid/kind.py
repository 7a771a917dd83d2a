"""The hybrid problem, as code for every kind sees it."""

from __future__ import annotations

from ..kind import Kind
from . import exact, form
from .cost import evaluate
from .generate import HybridSetting, generate
from .schema import HybridFile
from .solution import HybridSolution

KIND = Kind(
    file=HybridFile,
    form=form,
    solution=HybridSolution,
    all_local=HybridSolution.all_local,
    evaluate=evaluate,
    exact=exact,
    setting=HybridSetting,
    generate=generate,
)
