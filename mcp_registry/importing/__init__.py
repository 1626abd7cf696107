"""What comes into the catalogue from outside: documents, client configurations, packages by their name, and whole registries.

* ``json_text``: JSON as people and servers write it, within limits
* ``cleaning``: a document that can be stored and shown
* ``runtime_arguments``: what a document asks of the program that starts a package, in our own terms
* ``packages``: one package of a document, as it can run on a toolbox
* ``documents``: a whole ``server.json``, as it can be used
* ``offered``: one document, several, or a page of a registry's answer
* ``addresses``, ``fetching``: reading from addresses that somebody else wrote down
* ``commands``, ``client_config``: the configuration of a desktop client
* ``drafts``: an entry as a form has it
* ``lookup``: what the registries say of a package, asked through a toolbox
* ``rounds``: reading a whole registry, page by page

Whatever cannot be used is refused with a sentence (`InvalidInput`), and what was there stays.
"""
