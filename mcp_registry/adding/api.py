"""REST: importing entries of one's own, and deleting them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from mcp_registry.adding import sources
from mcp_registry.adding.sources import Reviewed
from mcp_registry.browsing import api as browsing
from mcp_registry.browsing.serializers import CatalogEntrySerializer
from mcp_registry.importing.drafts import EntryDraft
from mcp_registry.importing.lookup import look_up
from mcp_registry.importing.offered import Offered
from mcp_registry.services.own_entries import add_all, delete_entry

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 503: ErrorSerializer}


class PackageRequestSerializer(serializers.Serializer[Any]):
    """A package by its name."""

    kind = serializers.ChoiceField(choices=("npm", "pypi", "nuget", "oci"))
    name = serializers.CharField(max_length=400, help_text="A package's name, or an image.")
    version = serializers.CharField(
        max_length=64, required=False, default="", help_text="An exact one. Left out, a toolbox looks up the newest (npm and PyPI)."
    )


class ImportRequestSerializer(serializers.Serializer[Any]):
    """One of ``url``, ``documents``, ``config`` and ``package``."""

    url = serializers.CharField(
        required=False, max_length=2000, help_text="https:// address of a server.json, of several, or of a registry's page."
    )
    documents = serializers.JSONField(required=False, help_text="The same, as JSON.")
    config = serializers.JSONField(required=False, help_text="A client's configuration (mcpServers), as an object or as text.")
    package = PackageRequestSerializer(required=False)
    network = serializers.ChoiceField(
        choices=("none", "open"), required=False, help_text="What they may reach, where they do not say it themselves."
    )

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if len([name for name in ("url", "documents", "config", "package") if name in given]) != 1:
            raise serializers.ValidationError("Give one of url, documents, config and package.")
        return given


class RefusedSerializer(serializers.Serializer[Any]):
    """A document that cannot be used."""

    name = serializers.CharField()
    reason = serializers.CharField()


class ImportedSerializer(serializers.Serializer[Any]):
    """What came of it."""

    added = CatalogEntrySerializer(many=True)
    unchanged = CatalogEntrySerializer(many=True, help_text="Those that were there just so.")
    refused = RefusedSerializer(many=True)


class ImportView(APIView):
    @extend_schema(request=ImportRequestSerializer, responses={201: ImportedSerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Add entries of your own from an address, from documents, from a client's configuration, or by the name of a package.

        Values in a configuration are not kept. Where nothing can be used, the answer is 400.
        """
        wanted = ImportRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = user_of(request)
        found = _found(user, wanted.validated_data)
        usable = [one for one in found if one.document is not None]
        documents = [Offered(_with_network(one, wanted.validated_data.get("network", ""))) for one in usable]
        added = add_all(owner=user, offered=documents, renumber="config" in wanted.validated_data)
        refused = [{"name": one.name, "reason": one.problem} for one in found if one.problem]
        refused += [{"name": one.name, "reason": one.problem} for one in added if one.problem]
        if not any(one.entry for one in added):
            summary = " ".join(f"{one['name']}: {one['reason']}" for one in refused[:5])
            raise InvalidInput(
                f"Nothing of it can be used. {summary}", code="nothing_imported", fields={one["name"]: one["reason"] for one in refused}
            )
        told = {
            "added": [one.entry for one in added if one.entry and not one.unchanged],
            "unchanged": [one.entry for one in added if one.entry and one.unchanged],
            "refused": refused,
        }
        return Response(ImportedSerializer(told).data, status=status.HTTP_201_CREATED)


class EntryView(browsing.EntryView):
    """One entry, which may be deleted by whoever added it."""

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, entry_id: UUID) -> Response:
        """Delete an entry of your own with all its versions; servers that were deployed from it go on."""
        delete_entry(owner=user_of(request), entry_id=entry_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _found(user: User, given: dict[str, Any]) -> list[Reviewed]:
    if "url" in given:
        return sources.from_address(given["url"])
    if "documents" in given:
        return sources.from_value(given["documents"])
    if "config" in given:
        return sources.from_configuration(user, given["config"])
    draft = replace(_draft(user, given["package"]), network=given.get("network", "none"))
    return [sources.reviewed(Offered(draft.document()))]


def _draft(user: User, package: dict[str, str]) -> EntryDraft:
    kind, name, version = package["kind"], package["name"].strip(), package["version"]
    if version or kind == "oci":
        return EntryDraft(kind=kind, identifier=name, version=version)
    told = look_up(user, kind, name)
    return EntryDraft(
        kind=kind, identifier=told.name, version=told.version, description=told.description, license=told.license, homepage=told.homepage
    )


def _with_network(one: Reviewed, network: str) -> Any:
    assert one.document is not None
    return one.document if one.asks_for_network else sources.with_network(one.document, network)
