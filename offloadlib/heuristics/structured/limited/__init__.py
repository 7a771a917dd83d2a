"""The heuristics for instances of format 2: every limit, refusal, weights and the largest cost.

The rules are ours, in the spirit of each method; the paper knows places and channels alone. :mod:`.choices`
is what they share, :mod:`.search` the best decision of one device, :mod:`.attempts` what is done where a
method's own steps end in a decision that breaks a limit.
"""
