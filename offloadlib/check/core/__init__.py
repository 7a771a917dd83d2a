"""The core of the checker: what has to be believed, and nothing that searches.

It verifies a JSON instance, a solution, and a certificate with witnesses, in exact arithmetic. Read it in
this order: `forms` has what files may hold, and `reading` makes an instance of it; `costs` has equations
(1) to (3), `rules` what a solution must keep; `certificate` reads a proof, `witness` bounds one device at
one leaf, `tree` adds up, `verdict` says what holds. The first fault ends it. What else may be wrong with a
file is for the full checker to say, fingerprints among it: what the core accepts is true of the instance
that it was given, whatever instance the other files were made for. The full checker also has rooms for
what is missing here (columnar files, the hybrid kind, certificates without witnesses, patterns).
`docs/theory/core.md` goes through all of it.
"""
