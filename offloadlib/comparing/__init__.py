"""Methods side by side: on every instance, checked independently, set against what is proven.

A folder named ``compare`` would take the place of the function :func:`offloadlib.compare`.
"""
