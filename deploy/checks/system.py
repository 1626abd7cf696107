"""`manage.py check` without a database: all that the checks ask of one is which version it has, for columns that it computes."""

import django
from django.core.management import call_command
from django.db import connection

VERSION = 18_00_00
"""Of the PostgreSQL that comes with Agentopia, as the server tells it."""


def main() -> None:
    django.setup()
    connection.pg_version = VERSION  # type: ignore[attr-defined]  # a cached property of the PostgreSQL backend
    call_command("check", fail_level="WARNING")


if __name__ == "__main__":
    main()
