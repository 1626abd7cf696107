"""REST: providers of models, and which of them an agent thinks with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer, error_body
from agents.selectors import agent_for
from chat.models import ModelProvider
from chat.models.providers import LEAST_CONTEXT, MOST_CONTEXT
from chat.providers import KINDS
from chat.providers.base import LONGEST_NAME
from chat.providers.choices import MOST_CHOICES, choose_models
from chat.providers.choosing import ModelUse
from chat.providers.fields import LONGEST_KEY
from chat.providers.reaching import LONGEST_URL
from chat.providers.selectors import own_provider, usable_provider, usable_providers
from chat.providers.services import Kept, add_provider, change_provider, remove_provider, retest_provider

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 429: ErrorSerializer, 503: ErrorSerializer}
ADDED_BY_HAND = [(kind.key, kind.label) for kind in KINDS.values() if kind.presets]


class ModelProviderSerializer(serializers.ModelSerializer[ModelProvider]):
    """A provider. Of its key only is told since when there is one. ``shared`` ones are an admin's: they can be used, and not changed."""

    shared = serializers.SerializerMethodField()
    base_url = serializers.SerializerMethodField(help_text="Empty: the provider's own; of a shared one it is not told.")

    class Meta:
        model = ModelProvider
        fields = (
            *("id", "kind", "name", "base_url", "shared", "default_model", "context_tokens", "models_known"),
            *("key_set_at", "tested_at", "test_error", "enabled", "budget_usd", "created_at", "updated_at"),
        )
        read_only_fields = fields

    def get_shared(self, provider: ModelProvider) -> bool:
        return provider.owner_id is None

    def get_base_url(self, provider: ModelProvider) -> str:
        return "" if provider.owner_id is None else provider.base_url

    def to_representation(self, instance: ModelProvider) -> Any:
        told = super().to_representation(instance)
        return {**told, "test_error": ""} if instance.owner_id is None else told  # it may name hosts of the operator's


class ProviderFieldsSerializer(serializers.Serializer[Any]):
    """What can be said of a provider. What is left out stays as it is. It is tested before it is kept, unless ``untested``."""

    name = serializers.CharField(max_length=60)
    base_url = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_URL, help_text="Empty: the provider's own.")
    api_key = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_KEY, write_only=True, help_text="Empty: none is needed."
    )
    default_model = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_NAME)
    context_tokens = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=LEAST_CONTEXT,
        max_value=MOST_CONTEXT,
        help_text="What its models take in at once, of the kind `openai` alone; null: as is known of them.",
    )
    enabled = serializers.BooleanField(required=False)
    untested = serializers.BooleanField(required=False, default=False, help_text="Keep it though its test fails.")


class NewProviderSerializer(ProviderFieldsSerializer):
    kind = serializers.ChoiceField(choices=ADDED_BY_HAND)


class ModelTestSerializer(serializers.Serializer[Any]):
    """What came of a test: null as ``error``, where it succeeded. ``note`` is what a person should know all the same."""

    provider = ModelProviderSerializer()
    error = ErrorSerializer(allow_null=True)
    note = serializers.CharField()


class ChosenModelSerializer(serializers.Serializer[Any]):
    provider = serializers.UUIDField(help_text="The id of a provider.")
    model = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LONGEST_NAME, help_text="Empty: the provider's default model."
    )


class ProvidersView(generics.ListAPIView[ModelProvider]):
    """What agents can think with: your own providers, and those that are shared with everybody."""

    serializer_class = ModelProviderSerializer
    queryset = ModelProvider.objects.none()

    def get_queryset(self) -> QuerySet[ModelProvider]:
        return usable_providers(user_of(self.request))

    @extend_schema(request=NewProviderSerializer, responses={201: ModelProviderSerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Test a provider and keep it. Its key is told to nobody again."""
        wanted = NewProviderSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        kept = add_provider(owner=user_of(request), **wanted.validated_data)
        return Response(ModelProviderSerializer(kept.provider).data, status=status.HTTP_201_CREATED)


class ProviderView(APIView):
    @extend_schema(responses={200: ModelProviderSerializer, 404: ErrorSerializer})
    def get(self, request: Request, provider_id: UUID) -> Response:
        """One provider, your own or a shared one."""
        return Response(ModelProviderSerializer(usable_provider(user_of(request), provider_id)).data)

    @extend_schema(request=ProviderFieldsSerializer(partial=True), responses={200: ModelProviderSerializer, **ERRORS})
    def patch(self, request: Request, provider_id: UUID) -> Response:
        """Change what is given of one of your own. With another host as address, the key must be given again."""
        user = user_of(request)
        own_provider(user, provider_id)
        wanted = ProviderFieldsSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        kept = change_provider(owner=user, provider_id=provider_id, **wanted.validated_data)
        return Response(ModelProviderSerializer(kept.provider).data)

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, provider_id: UUID) -> Response:
        """Delete one of your own with its key; agents that it was chosen for go on with their next model."""
        remove_provider(owner=user_of(request), provider_id=provider_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RetestView(APIView):
    @extend_schema(request=None, responses={200: ModelTestSerializer, 404: ErrorSerializer, 429: ErrorSerializer})
    def post(self, request: Request, provider_id: UUID) -> Response:
        """Test one of your own as it is; it takes 10 s at most."""
        return Response(_tested(retest_provider(owner=user_of(request), provider_id=provider_id)))


class AgentModelsView(APIView):
    @extend_schema(responses={200: ChosenModelSerializer(many=True), 404: ErrorSerializer})
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The models that were chosen for an agent, in their order; none: what is configured for all counts."""
        agent = agent_for(user_of(request), agent_id)
        return Response([{"provider": str(choice.provider_id), "model": choice.model} for choice in agent.model_choices.all()])

    @extend_schema(request=ChosenModelSerializer(many=True), responses={200: ChosenModelSerializer(many=True), **ERRORS})
    def put(self, request: Request, agent_id: UUID) -> Response:
        """Choose them: the first is used, the next where that one fails; 5 at most."""
        user = user_of(request)
        agent_for(user, agent_id)
        wanted: serializers.ListSerializer[Any] = serializers.ListSerializer(
            child=ChosenModelSerializer(), data=request.data, max_length=MOST_CHOICES
        )
        wanted.is_valid(raise_exception=True)
        chosen = [(each["provider"], each["model"]) for each in wanted.validated_data]
        return Response([_chosen(use) for use in choose_models(owner=user, agent_id=agent_id, chosen=chosen)])


def _chosen(use: ModelUse) -> dict[str, str]:
    return {"provider": str(use.provider.pk), "model": use.model}


def _tested(kept: Kept) -> dict[str, Any]:
    assert kept.outcome is not None
    error = kept.outcome.error
    return {
        "provider": ModelProviderSerializer(kept.provider).data,
        "error": error_body(error) if error else None,
        "note": kept.outcome.note,
    }
