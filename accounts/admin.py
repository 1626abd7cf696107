from __future__ import annotations

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group

from accounts.audit.admin import AuditedAdmin
from accounts.models import ApiToken, AuditCheck, AuditEvent, User
from agentopia.lib.admin import ReadOnlyAdmin


class UserCreationForm(BaseUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("email",)
        field_classes = {"email": forms.EmailField}


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin[User]):
    form = UserChangeForm[User]
    add_form = UserCreationForm
    list_display = ("email", "name", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)
    fieldsets = (
        (None, {"fields": ("email", "password", "name")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin):
    """Django's own, recorded."""


@admin.register(ApiToken)
class ApiTokenAdmin(AuditedAdmin, admin.ModelAdmin[ApiToken]):
    """Tokens are made by their users, to whom they are shown once; here they are looked at and revoked."""

    list_display = ("name", "hint", "user", "scope", "created_at", "last_used_at", "expires_at")
    search_fields = ("name", "user__email")
    readonly_fields = ("user", "name", "digest", "hint", "scope", "created_at", "last_used_at", "expires_at", "calls_per_minute")

    def has_add_permission(self, request: object) -> bool:
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    list_display = ("at", "actor", "via", "action", "target_type", "target_name", "summary")
    list_filter = ("via", "target_type", "action")
    search_fields = ("actor", "action", "target_name", "target_id")
    show_full_result_count = False  # there may be millions


@admin.register(AuditCheck)
class AuditCheckAdmin(ReadOnlyAdmin[AuditCheck]):
    list_display = ("at", "position", "problem", "seconds")
