"""The REST shapes of a server's configuration: changes, what they do, generations, what is kept of deleted servers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mcp_registry.configuring.changes import Change
from mcp_registry.configuring.consequences import Tick
from mcp_registry.configuring.drafts import Draft
from mcp_registry.models import KeptData, Revision
from mcp_registry.serializers import plain_config


class ConfirmSerializer(serializers.Serializer[Any]):
    """What every change can be sent with."""

    generation = serializers.IntegerField(
        required=False, min_value=0, help_text="The one that you have seen: 409 `changed_meanwhile` where it was changed since."
    )
    confirm = serializers.ListField(
        child=serializers.ChoiceField(choices=[tick.value for tick in Tick]),
        required=False,
        default=list,
        help_text="What may be: `egress`, `data`, `room`. Else 409 `not_confirmed`.",
    )


class ChangeSerializer(ConfirmSerializer):
    """A merge patch: what is not named stays, what is null is taken away."""

    config = serializers.DictField(required=False, default=dict, child=serializers.JSONField(allow_null=True))
    secrets = serializers.DictField(required=False, default=dict, child=serializers.CharField(allow_null=True, trim_whitespace=False))
    shared_volumes = serializers.DictField(required=False, default=dict, child=serializers.CharField(allow_null=True, allow_blank=True))
    overrides = serializers.DictField(
        required=False,
        default=dict,
        child=serializers.JSONField(allow_null=True),
        help_text="`memory_mb`, `cpus`, `pids`, `egress` (none, allowlist, open), `hosts`, `restart` (always, on_failure, never).",
    )
    shares_tools = serializers.BooleanField(required=False, allow_null=True, default=None)

    def validate_config(self, config: dict[str, Any]) -> dict[str, str | None]:
        given = plain_config({key: value for key, value in config.items() if value is not None})
        return {**given, **{key: None for key, value in config.items() if value is None}}

    @property
    def change(self) -> Change:
        """What was sent; after it was validated."""
        data = self.validated_data
        return Change(
            config=data["config"],
            secrets={key: value or None for key, value in data["secrets"].items()},
            shared_volumes={key: value or None for key, value in data["shared_volumes"].items()},
            overrides=data["overrides"],
            shares_tools=data["shares_tools"],
        )


class RollbackSerializer(ConfirmSerializer):
    """Where to go back to, and as what it was last seen."""

    generation = serializers.IntegerField(min_value=1, help_text="The generation to go back to.")
    seen = serializers.IntegerField(required=False, min_value=0, help_text="The one that you have seen.")


class CloneSerializer(serializers.Serializer[Any]):
    """What another one is called, and where it goes."""

    name = serializers.CharField(required=False, allow_blank=True, default="", help_text="Numbered when left out.")
    toolbox = serializers.CharField(required=False, allow_null=True, help_text="A toolbox's id or name. Left out: where it fits best.")
    force = serializers.BooleanField(required=False, default=False, help_text="Put it on the named toolbox though it does not fit there.")


class DifferenceSerializer(serializers.Serializer[Any]):
    """Of a secret, `before` and `after` say whether there is one, never what it is."""

    key = serializers.CharField()
    name = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    secret = serializers.BooleanField()


class ConsequenceSerializer(serializers.Serializer[Any]):
    sentence = serializers.CharField()
    tone = serializers.CharField()
    tick = serializers.CharField(allow_null=True, help_text="What `confirm` must name for this.")


class DraftSerializer(serializers.Serializer[Draft]):
    """What a change would do. `effect` is nothing, in_place, replaced or rebuilt."""

    summary = serializers.CharField()
    changes_something = serializers.BooleanField()
    effect = serializers.CharField(source="consequences.effect")
    differences = DifferenceSerializer(many=True)
    consequences = ConsequenceSerializer(many=True, source="consequences.sentences")
    confirm = serializers.ListField(child=serializers.CharField(), source="consequences.ticks")


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """What a server was made from, from this generation on."""

    by = serializers.CharField(source="by.email", default=None, allow_null=True, help_text="Null: Agentopia itself.")
    version = serializers.SerializerMethodField()
    secrets = serializers.SerializerMethodField(help_text="The names of the secrets that were set; never their values.")

    class Meta:
        model = Revision
        fields = ("generation", "at", "by", "summary", "version", "package", "config", "overrides", "shared_volumes", "secrets")

    def get_version(self, revision: Revision) -> str:
        return str(revision.manifest.get("version", ""))

    def get_secrets(self, revision: Revision) -> list[str]:
        return sorted(revision.secrets)


class KeptDataSerializer(serializers.ModelSerializer[KeptData]):
    """What is kept of a deleted server."""

    toolbox = serializers.UUIDField(source="toolbox_id", read_only=True)
    entry = serializers.UUIDField(source="entry_id", read_only=True, allow_null=True)

    class Meta:
        model = KeptData
        fields = ("id", "name", "toolbox", "entry", "generation", "deleted_at", "shared_volumes")
