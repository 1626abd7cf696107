"""The catalogue as people search it, and an entry's page.

* ``query``: what is asked for, to and from a query string
* ``matching``: which entries a search finds, and how well
* ``facets``: the filters, with how many entries each would leave
* ``results``: one page of what was found
* ``entry``: what an entry's page shows
"""
