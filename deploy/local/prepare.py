"""Brings the database up to date before anything is served: migrations, catalogue, demo user, this machine, shared model, static files.

One process for all of them: starting Django costs more than most of these do.
"""

import django
from django.core.management import call_command

COMMANDS = ("migrate", "load_catalog", "ensure_demo_user", "enrol_this_machine", "share_model")


def main() -> None:
    django.setup()
    for command in COMMANDS:
        call_command(command, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
