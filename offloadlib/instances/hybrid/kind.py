"""The hybrid problem, as code for every kind sees it."""

from __future__ import annotations

from ..features import Feature
from ..kind import Kind
from . import exact, form
from .cost import evaluate
from .generate import HybridSetting, generate
from .model import HybridInstance
from .schema import FramesFile, HybridCertificate, HybridFile
from .solution import HybridSolution


def without_cloud(instance: HybridInstance) -> str | None:
    """Why a method that needs a cloud cannot solve an instance, or None."""
    return None if instance.parameters.cloud else "needs a cloud, and there is none"


KIND = Kind(
    file=HybridFile,
    form=form,
    solution=HybridSolution,
    all_local=HybridSolution.all_local,
    evaluate=evaluate,
    exact=exact,
    certificate=HybridCertificate,
    setting=HybridSetting,
    generate=generate,
    others={"frames-1": FramesFile},
    features={Feature.NO_CLOUD: without_cloud},
)
