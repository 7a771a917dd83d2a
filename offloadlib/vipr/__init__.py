"""Proofs in the format of VIPR, which checkers accept that share nothing with this package.

A VIPR file has a mixed-integer program and a list of inequalities, each of which follows from those before it
by a sum, a rounding, or the two sides of a branch (Cheung, Gleixner and Steffy 2017, "Verifying integer
programming results"; ``cert_spec_v1_1.md`` of scipopt/vipr). The program is that of ``milp``
(:mod:`.formulations.structured.milp.potentials`) with exact coefficients (:mod:`.program`). What our
certificates say becomes such a list: each device, at the prices and branches of a leaf, has a tree of its own
(:mod:`.branching`), whose ends are sums of rows (:mod:`.device`); a line adds the devices up, and others join
the leaves (:mod:`.proof`). ``docs/certificates.md`` says how to have such a file checked.
"""

from .export import Exported, export_proof

__all__ = ["Exported", "export_proof"]
