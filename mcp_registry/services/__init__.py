"""Writes: one file per thing that is written.

* ``catalog``: entries
* ``servers``: what the user wants (the desired side)
* ``deployments``: the record of the work to get there
* ``carrying_out``: doing that work against a toolbox
* ``observation``: what toolboxes report (the observed side)
"""
