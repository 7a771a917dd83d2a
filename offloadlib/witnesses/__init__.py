"""Witnesses: what a certificate leaves to be searched for, found once and written down.

At a leaf of a certificate each device costs at least something, and whoever checks the certificate has to
find out what. Here a small tree of branches is made for each device at each leaf (:mod:`.branching`), whose
ends are flows that prove a bound (:mod:`.elaborate`). Two kinds of files are made of these:

- a certificate with witnesses, for the core of the checker (:mod:`.check.core`), which searches nothing;
- a VIPR file (Cheung, Gleixner and Steffy 2017, "Verifying integer programming results";
  ``cert_spec_v1_0.md`` of scipopt/vipr), a mixed-integer program with a list of inequalities each of which
  follows from those before it, for checkers that share nothing with this package (:mod:`.vipr`). The program
  is that of ``milp`` with exact coefficients (:mod:`.program`).

Nothing here has to be believed: a mistake can only lead to files that are refused, or prove less.
"""

from .files import Elaborated, Exported, elaborate, export_proof

__all__ = ["Elaborated", "Exported", "elaborate", "export_proof"]
