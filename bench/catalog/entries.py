# ruff: noqa: SIM905 (words are read more easily than a list of texts)
"""A catalogue of generated entries, like those of a big registry: names of makers and products, descriptions of a dozen words, documents
of a kilobyte or two. The same seed makes the same entries.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import User
from mcp_registry.manifest import PUBLISHER_SLOT
from mcp_registry.models import CatalogEntry, EntryVersion, Registry
from mcp_registry.services.entries import Given

THINGS = (
    "access account address agenda alert analytics api archive article asset audio audit backup balance bank billing blog board book "
    "booking browser bucket bug build calendar camera campaign cart chart chat city cloud cluster code comment commit company "
    "container contact content contract country course crawl currency customer dashboard data database dataset delivery deployment "
    "design device diagram dictionary document domain email employee event exchange expense experiment feed field file finance flight "
    "folder forecast form forum function game graph group health history hotel house image incident index inventory invoice issue job "
    "journal key knowledge label language law lead library license list location log machine mail map market media meeting memory "
    "message metric migration model money monitor movie music network news note notebook object offer office order organisation page "
    "paper parcel password patient payment person phone photo pipeline place plan player podcast policy post price print process "
    "product profile project property query queue recipe record release repository request research resource review risk road robot "
    "role route rule sale schema science score script search secret security sensor server service session sheet shop site snapshot "
    "social song source space speech sport stock storage store story stream survey system table tag task tax team template test text "
    "ticket time token track trade traffic train translation trip user vector vehicle version video vote warehouse weather web "
    "website wiki word work workflow workspace"
).split()
DOINGS = (
    "Reads Writes Searches Lists Creates Manages Converts Translates Summarises Exports Imports Watches Analyses Finds Fetches"
).split()
CATEGORIES = (
    "developer databases productivity search cloud files web communication data observability knowledge media science maps finance"
).split()
SYLLABLES = ("ba ce di fo gu ka le mi no pu ra se ti vo xu za bri clo dra fla gre kli mon net ora pix qua sto tri ver ").split()
RUNTIMES = (("npm", 55), ("pypi", 30), ("oci", 12), ("nuget", 3))
TRANSPORTS = (("stdio", 80), ("streamable-http", 15), ("sse", 5))
BATCH = 1000


def make_entries(count: int, owner: User, seed: int = 7) -> None:
    """Fill the catalogue: nine of ten from a registry, the rest of users, a tenth of those ``owner``'s and half of them published."""
    chance = random.Random(seed)
    makers = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(count // 6)]
    products = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 3))) for _ in range(count // 2)]
    registry = Registry.objects.create(name="generated", url="https://registry.example.org", enabled=False)
    others = User.objects.create_user("somebody@example.org")
    now = timezone.now()
    rows = []
    for number in range(count):
        entry = CatalogEntry(**Given.of(_document(chance, number, makers, products)).columns)
        if number % 10:
            entry.origin, entry.registry = CatalogEntry.Origin.REGISTRY, registry
        else:
            entry.owner = owner if number % 100 == 0 else others
            entry.published_at = now if number % 20 == 0 else None
        entry.verified_at = now if chance.random() < 0.05 else None
        entry.featured, entry.deprecated = number < 6, chance.random() < 0.02
        entry.deployed_count = int(chance.paretovariate(0.7)) if chance.random() < 0.15 else 0
        entry.succeeded_count = int(entry.deployed_count * chance.uniform(0.7, 1))
        if entry.deployed_count:  # the tools of others nobody has seen
            entry.tool_names = " ".join(f"{chance.choice(DOINGS).lower()} {chance.choice(THINGS)}" for _ in range(chance.randint(3, 25)))
        rows.append(entry)
    CatalogEntry.objects.bulk_create(rows, BATCH)
    versions = [EntryVersion(entry=row, version=row.version, manifest=row.manifest, published_at=now - timedelta(days=1)) for row in rows]
    EntryVersion.objects.bulk_create(versions, BATCH)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as PostgreSQL does by itself after such a load


def _document(chance: random.Random, number: int, makers: list[str], products: list[str]) -> dict[str, Any]:
    maker = makers[int(len(makers) * chance.random() ** 2)]
    product, thing = chance.choice(products), chance.choice(THINGS)
    things = chance.sample(THINGS, 4)
    description = "MCP server. " * (chance.random() < 0.4) + (
        f"{chance.choice(DOINGS)} {things[0]} and {things[1]} of {product.capitalize()}, "
        f"{chance.choice(DOINGS).lower()} {things[2]} by {things[3]} for {maker.capitalize()} workspaces."
    )
    runtime, transport = _one_of(chance, RUNTIMES), _one_of(chance, TRANSPORTS)
    secret = chance.random() < 0.5
    variables = [{"name": f"{product.upper()}_TOKEN", "description": f"The token of {maker}.", "isSecret": True, "isRequired": secret}]
    variables += [
        {"name": f"{other.upper()}_{place}", "description": f"Which {other} is meant where a call names none.", "default": other}
        for place, other in enumerate(chance.sample(THINGS, chance.randint(0, 6)))
    ]
    if chance.random() < 0.2:
        variables.append({"name": "ACCOUNT", "description": "The account to work for.", "isRequired": True})
    package: dict[str, Any] = {"registryType": runtime, "identifier": f"{maker}-{product}-mcp", "version": f"1.{number % 40}.0"}
    if runtime == "oci":
        package["identifier"] = f"registry.example.org/{maker}/{product}"
    package["transport"] = {"type": transport} | ({} if transport == "stdio" else {"url": "http://localhost:3000/mcp"})
    package["environmentVariables"] = variables
    profile: dict[str, Any] = {
        "category": chance.choice(CATEGORIES) if chance.random() < 0.6 else "",
        "license": chance.choice(("MIT", "Apache-2.0", "")),
        "tags": chance.sample(THINGS, chance.randint(0, 4)),
        "memory_mb": chance.choice((256, 512, 512, 1024, 4096)),
    }
    if chance.random() < 0.7:
        profile |= {"egress": "allowlist", "hosts": [f"api.{maker}.example.org"]}
    if chance.random() < 0.2:
        profile["volumes"] = [{"name": "data", "path": "/data"}]
    return {
        "name": f"io.github.{maker}/{product}-{thing}-{number}",
        "title": f"{product.capitalize()} {thing}" if number % 5 else f"{maker.capitalize()} {product}",
        "description": description,
        "version": f"1.{number % 40}.0",
        "repository": {"url": f"https://git.example.org/{maker}/{product}", "source": "git"},
        "packages": [package],
        "_meta": {PUBLISHER_SLOT: {"agentopia": profile}},
    }


def _one_of(chance: random.Random, weighted: tuple[tuple[str, int], ...]) -> str:
    values, weights = zip(*weighted, strict=True)
    return str(chance.choices(values, weights)[0])
