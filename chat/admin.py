"""Shared providers of models in Django admin: added, changed, tested, with what is spent of them. Users' own are theirs alone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError
from chat import admin_conversations, admin_usage  # noqa: F401 (registers them)
from chat.models import ModelProvider
from chat.providers import KINDS
from chat.providers.fields import LONGEST_KEY
from chat.providers.reaching import LONGEST_URL
from chat.providers.services import Kept, ProviderFields, add_provider, change_provider, remove_provider, retest_provider
from chat.providers.spending import spenders

TOLD = ("key", "models", "tested_at", "test_error", "spent", "created_at", "updated_at")
SAID = ("name", "base_url", "default_model", "context_tokens", "enabled", "budget_usd")
SHOWN = ("kind", *SAID, "api_key", "untested", *TOLD)


class SharedProviderForm(forms.ModelForm[ModelProvider]):
    """What an admin says of a shared provider. It is tested and kept as soon as the form is right, since the test belongs to that."""

    kind = forms.ChoiceField(choices=[(kind.key, kind.label) for kind in KINDS.values() if kind.presets])
    base_url = forms.CharField(required=False, max_length=LONGEST_URL, label="Address", help_text="Empty: the provider's own.")
    api_key = forms.CharField(
        required=False,
        max_length=LONGEST_KEY,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Encrypted, and never shown again. Left empty, the one that is kept stays.",
    )
    untested = forms.BooleanField(required=False, label="Keep it though its test fails")
    admin_user: Any = None
    kept: Kept | None = None

    class Meta:
        model = ModelProvider
        fields = ("kind", *SAID)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:  # noqa: SLF001 (Django's public name for it)
            del self.fields["kind"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors:
            try:
                self.kept = self._kept(given)
            except AgentopiaError as error:
                fields = {name: text for name, text in error.fields.items() if name in self.fields}
                if not fields:
                    self.add_error(None, error.message)
                for name, text in fields.items():
                    self.add_error(name, text)
        return given

    def validate_unique(self) -> None:
        """The service says it."""

    def _post_clean(self) -> None:
        """The service has set the fields."""

    def _kept(self, given: dict[str, Any]) -> Kept:
        said: Any = {name: given[name] for name in SAID}
        fields: ProviderFields = said | ({"api_key": given["api_key"]} if given["api_key"] else {})
        more = {"owner": None, "by": self.admin_user, "untested": given["untested"]}
        if self.instance._state.adding:  # noqa: SLF001 (as above)
            return add_provider(kind=given["kind"], **more, **fields)
        return change_provider(provider_id=self.instance.pk, **more, **fields)

    def save(self, commit: bool = True) -> ModelProvider:
        """As the service has kept it."""
        assert self.kept is not None
        return self.kept.provider

    def save_m2m(self) -> None:
        """There is none."""


@admin.register(ModelProvider)
class SharedProviderAdmin(admin.ModelAdmin[ModelProvider]):
    form = SharedProviderForm
    list_display = ("name", "kind", "default_model", "enabled", "budget_usd", "spent_in_all", "tested_at", "test_error")
    list_filter = ("enabled", "kind")
    search_fields = ("name",)
    readonly_fields = TOLD
    actions = ("test_now",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelProvider]:
        return super().get_queryset(request).filter(owner=None).defer("api_key")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in SHOWN if obj is None or name != "kind"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Who tests is counted."""
        made = super().get_form(request, obj, change=change, **kwargs)
        return type(made.__name__, (made,), {"admin_user": user_of(request)})

    @method_decorator(sensitive_post_parameters("api_key"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ModelProvider, form: Any, change: bool) -> None:
        """It is kept already; what came of its test is told."""
        outcome = form.kept.outcome
        if outcome is not None and outcome.error is not None:
            self.message_user(request, f"It is kept, though its test failed: {outcome.error.message}", messages.WARNING)
        elif outcome is not None and outcome.note:
            self.message_user(request, outcome.note, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: ModelProvider) -> None:
        remove_provider(owner=None, provider_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ModelProvider]) -> None:
        for provider in queryset:
            remove_provider(owner=None, provider_id=provider.pk)

    @admin.action(description="Test now", permissions=("change",))
    def test_now(self, request: HttpRequest, queryset: QuerySet[ModelProvider]) -> None:
        """One after the other; a few at a time."""
        for provider in queryset[:5]:
            outcome = retest_provider(owner=None, provider_id=provider.pk, by=user_of(request)).outcome
            problem = outcome.error.message if outcome and outcome.error else ""
            told = f"“{provider.name}” does not work: {problem}" if problem else f"“{provider.name}” works."
            self.message_user(request, told, messages.WARNING if problem else messages.SUCCESS)

    @admin.display(description="key")
    def key(self, provider: ModelProvider) -> str:
        """Since when there is one."""
        return f"set on {provider.key_set_at:%d %b %Y}" if provider.key_set_at else "none"

    @admin.display(description="models")
    def models(self, provider: ModelProvider) -> str:
        """The beginning of its list."""
        names = provider.models_known
        return f"{len(names)}: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}" if names else "none listed"

    @admin.display(description="spent this month")
    def spent_in_all(self, provider: ModelProvider) -> str:
        """By everybody."""
        return f"${spenders(provider, most=1)[0]:.2f}"

    @admin.display(description="spent this month")
    def spent(self, provider: ModelProvider) -> str:
        """By everybody, and by those who spent most."""
        total, most = spenders(provider)
        return "\n".join([f"${total:.2f} in all", *(f"${each.cost:.2f} {each.user}" for each in most)])
