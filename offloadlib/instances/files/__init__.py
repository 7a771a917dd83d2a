"""Between files and data: reading, writing, the published schemas.

The modules build on each other in this order: ``document`` (strict JSON; files that are written whole or
not at all) - ``migrate`` (versions of the formats) - ``schema`` and ``validate`` (what files of every kind
may say) - ``archive`` (the zip of columns) and ``canonical`` (the fingerprint) - ``instances`` and
``solutions`` (reading and writing) - ``mapped`` (the same with documents in Python) and ``published`` (the
JSON Schemas). How a kind stands in files is said in its own folder, by ``schema`` and ``form``.
"""
