"""A fleet of simulated toolboxes against a real control plane.

rows        makes them in its database, and looks afterwards whether all that they said has arrived
toolboxes   the load: their heartbeats, each toolbox with its own certificate and connection
pages       open pages of their owners
usage       what the control plane's processes use
"""
