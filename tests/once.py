"""What each test would otherwise make anew, although it is always the same: made once per process."""

from __future__ import annotations

from typing import Any

from django.db import connection, models, transaction
from django.test import TransactionTestCase
from whitenoise.base import WhiteNoise  # type: ignore[import-untyped]

from mcp_registry.models import CatalogEntry, EntryVersion
from mcp_registry.services.catalog import load_shipped_catalog

_loaded: list[tuple[type[models.Model], bytes]] = []
"""The rows of the shipped catalogue as PostgreSQL copies them, once a test has loaded it."""
_EMPTY = """
DO $$
DECLARE
    filled regclass;
BEGIN
    SET LOCAL session_replication_role = replica;  -- foreign keys need no order, and the audit no permission
    FOR filled IN
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
        AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        IF pg_relation_size(filled) < 1000000 THEN
            EXECUTE format('DELETE FROM %s', filled);
        ELSE
            EXECUTE format('TRUNCATE %s CASCADE', filled);
        END IF;
    END LOOP;
END $$
"""


def look_up_static_files_once() -> None:
    """Every `django.test.Client` has a WhiteNoise of its own, which looks at each static file: most of the time of a test of a page."""
    look_up = WhiteNoise.update_files_dictionary
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def look_up_once(self: Any, root: str, prefix: str) -> None:
        if (root, prefix) not in found:
            before, self.files = self.files, {}
            look_up(self, root, prefix)
            found[root, prefix], self.files = self.files, before
        self.files.update(found[root, prefix])

    WhiteNoise.update_files_dictionary = look_up_once


def empty_what_was_filled() -> None:
    """After a test without a transaction around it: Django would truncate all tables, and fill in again what its migrations had."""

    def empty(self: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_EMPTY)

    TransactionTestCase._fixture_teardown = empty  # type: ignore[attr-defined]


def load_catalog_once() -> None:
    """What `load_shipped_catalog` does where no entry has been loaded; the first time by itself, then by copying the rows that it made."""
    if not _loaded:
        load_shipped_catalog()
        _keep(CatalogEntry, CatalogEntry.objects.filter(origin=CatalogEntry.Origin.SHIPPED))
        _keep(EntryVersion, EntryVersion.objects.filter(entry__origin=CatalogEntry.Origin.SHIPPED).order_by("pk"))
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # without triggers: what they write is among the rows
        for model, rows in _loaded:
            with cursor.copy(f"COPY {model._meta.db_table} ({', '.join(_columns_of(model))}) FROM STDIN") as copy:
                copy.write(rows)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def _keep(model: type[models.Model], rows: models.QuerySet[Any]) -> None:
    query, parameters = rows.values(*_columns_of(model)).query.sql_with_params()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT", parameters) as copy:
        _loaded.append((model, b"".join(bytes(part) for part in copy)))


def _columns_of(model: type[models.Model]) -> list[str]:
    """Those that the database does not fill in by itself."""
    fields = model._meta.local_concrete_fields
    return [str(field.column) for field in fields if not field.generated and not isinstance(field, models.AutoField)]
