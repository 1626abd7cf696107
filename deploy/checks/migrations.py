"""The models have no change that a migration lacks, and no two migrations claim the same place.

As `makemigrations --check`, which however asks a database for its history first, and waits for one that is not there.
"""

import sys

import django
from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState


def main() -> int:
    django.setup()
    loader = MigrationLoader(None)
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(graph=loader.graph)
    for app, migrations in changes.items():
        for operation in (operation for migration in migrations for operation in migration.operations):
            print(f"{app}: no migration does this: {operation.describe()}")
    for app, names in loader.detect_conflicts().items():
        print(f"{app}: {', '.join(names)} follow the same migration")
    return 1 if changes or loader.detect_conflicts() else 0


if __name__ == "__main__":
    sys.exit(main())
