"""Going to another version of a server's entry, but for what is written to the database (`services.upgrades`, `upgrade_course`, `trials`).

* ``plan``: what another version would mean for a server
* ``room``: whether its toolbox has room for a trial
* ``outcome``: whether a server has become what it was switched to
* ``shown``, ``pages``, ``forms``, ``views``: what people see of it
* ``api``, ``serializers``: what programs see of it
"""
