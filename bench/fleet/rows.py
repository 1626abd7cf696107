"""Makes the fleet in a control plane's database (``make``), and looks afterwards whether all that it said has arrived (``check``).

    python -m bench.fleet.rows make|check FOLDER [--toolboxes N --servers N]

Runs in the environment of the stack. ``FOLDER`` gets ``fleet.json`` and a certificate for each toolbox.
"""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

django.setup()

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Count, Max, Sum  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import User  # noqa: E402
from bench.fleet.toolboxes import USAGE_SECONDS  # noqa: E402
from mcp_registry.models import CatalogEntry, Deployment, McpServer, ServerMetric  # noqa: E402
from toolboxes.identity.authority import certificate_authority  # noqa: E402
from toolboxes.models import Certificate, Metric, Toolbox  # noqa: E402

EPOCH, OWNED = 1, 10
WATCHED = 10
"""On so many, each another owner's, a server changes again and again while pages of it are open."""
BATCH = 2000


def make(folder: Path, toolboxes: int, servers: int) -> None:
    """Toolboxes that have reported once, ten to an owner, each with its servers running as desired."""
    owners = User.objects.bulk_create(User(email=f"owner{number}@example.org") for number in range(-(-toolboxes // OWNED)))
    now = timezone.now()
    boxes = [
        Toolbox(
            owner=owners[number // OWNED],
            name=f"box-{number}",
            provider=Toolbox.Provider.OWN_SERVER,
            url="https://127.0.0.1:9",
            enrolled_at=now,
            last_seen_at=now,
            epoch=EPOCH,
            sequence=1,
            info={"dtma_version": "0.1.0", "engine_problem": ""},
            shown_silent=False,
        )
        for number in range(toolboxes)
    ]
    Toolbox.objects.bulk_create(boxes, BATCH)
    entry = CatalogEntry.objects.get(slug="time")
    rows = [row for box in boxes for row in _servers(box, entry, servers)]
    McpServer.objects.bulk_create(rows, BATCH)
    deployments = [Deployment(server=row, kind="deploy", generation=1, status="succeeded", finished_at=now) for row in rows]
    Deployment.objects.bulk_create(deployments, BATCH)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mcp_registry_mcpserver s SET deployment_id = d.id FROM mcp_registry_deployment d WHERE d.server_id = s.id")
        cursor.execute("ANALYZE")
    _certificates(folder, boxes)
    by_box: dict[Any, list[str]] = {}
    for row in rows:
        by_box.setdefault(row.toolbox_id, []).append(str(row.pk))
    fleet = {
        "toolboxes": [{"id": str(box.pk), "servers": by_box[box.pk], "owner": box.owner_id} for box in boxes],
        "watched": list(range(0, toolboxes, OWNED))[:WATCHED],
        "sessions": {owner.pk: _session(owner) for owner in owners[:WATCHED]},
        "intake": settings.INTAKE_URL,
    }
    (folder / "fleet.json").write_text(json.dumps(fleet))


def _servers(box: Toolbox, entry: CatalogEntry, count: int) -> list[McpServer]:
    return [
        McpServer(
            owner_id=box.owner_id,
            toolbox=box,
            entry=entry,
            name=f"{box.name}-{number}",
            manifest=entry.manifest,
            phase="running",
            observed_generation=1,
            observed_revision=EPOCH << 32,
            tools_hash="a" * 64,
        )
        for number in range(count)
    ]


def _certificates(folder: Path, boxes: list[Toolbox]) -> None:
    """One for each, over one key: making thousands of keys would measure nothing."""
    authority, key = certificate_authority(), ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    (folder / "ca.pem").write_text(authority.pem)
    rows = []
    for number, box in enumerate(boxes):
        signed = authority.sign(key.public_key(), box.identity, timedelta(days=1))
        rows.append(Certificate(toolbox=box, serial=signed.serial, not_before=signed.not_before, not_after=signed.not_after))
        (folder / f"{number}.pem").write_text(secret + signed.pem)
    Certificate.objects.bulk_create(rows, BATCH)


def _session(owner: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(owner.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def check(folder: Path) -> None:
    """Compare what was acknowledged with what is stored, and count the rows."""
    acknowledged: dict[str, int] = json.loads((folder / "acknowledged.json").read_text())
    stored = {str(pk): sequence for pk, sequence in Toolbox.objects.filter(name__startswith="box-").values_list("pk", "sequence")}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('toolboxes_metric'), pg_total_relation_size('toolboxes_toolbox')")
        metric_bytes, toolbox_bytes = cursor.fetchone()
    usage: dict[str, int] = json.loads((folder / "usage.json").read_text())
    minutes = dict(ServerMetric.objects.values_list("server__toolbox").annotate(told=Sum("seconds")))
    servers: dict[UUID, int] = dict(McpServer.objects.values_list("toolbox").annotate(count=Count("pk")))
    expected = {toolbox: USAGE_SECONDS * count * servers[UUID(toolbox)] for toolbox, count in usage.items()}
    told = {
        "usage_lost": sum(abs(minutes.get(UUID(toolbox), 0.0) - seconds) > 1 for toolbox, seconds in expected.items()),
        "usage_rows": ServerMetric.objects.count(),
        "lost": sum(stored[toolbox] < sequence for toolbox, sequence in acknowledged.items()),
        "metrics": Metric.objects.count(),
        "metric_bytes": metric_bytes,
        "toolbox_bytes": toolbox_bytes,
        "by_resolution": {str(r): Metric.objects.filter(resolution=r).count() for r in Metric.Resolution},
        "newest": str(Metric.objects.aggregate(at=Max("at"))["at"]),
    }
    print(json.dumps(told))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("make", "check"))
    options.add_argument("folder", type=Path)
    options.add_argument("--toolboxes", type=int, default=5000)
    options.add_argument("--servers", type=int, default=10)
    chosen = options.parse_args()
    if chosen.what == "make":
        make(chosen.folder, chosen.toolboxes, chosen.servers)
    else:
        check(chosen.folder)


if __name__ == "__main__":
    main()
