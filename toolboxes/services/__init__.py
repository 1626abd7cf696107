"""Writes: one file per thing that is written.

* ``enrolment``: toolboxes are made, and hosts become them
* ``certificates``: given, renewed, revoked
* ``heartbeats``: what toolboxes report of themselves, one by one; ``quiet_heartbeats``: many at once in which nothing happened
* ``silence``: toolboxes that stopped reporting
* ``metrics``: how busy they are, rolled up
* ``events``: the history that a person reads; ``retention``: how much of it is kept
* ``adding``: what a provider asks is checked, and the work begins
* ``jobs``: the record of making and removing toolboxes; ``job_work`` carries it out
* ``accounts``: accounts with cloud providers; ``machines``: what is rented with them
"""
