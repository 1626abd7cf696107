"""What every REST view shares: pagination and one shape of error.

An error is ``{"code", "detail", "retryable", "fields"}``: a word to branch on, a sentence for a person, whether trying
again can help, and per field what is wrong with it.
"""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions, serializers
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from agentopia.lib.errors import AgentopiaError


class Pagination(LimitOffsetPagination):
    """``?limit=`` (100 unless told, 500 at most) and ``?offset=``."""

    default_limit = 100
    max_limit = 500


class ErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer with a 4xx or 5xx status."""

    code = serializers.CharField()
    detail = serializers.CharField()
    retryable = serializers.BooleanField()
    fields_ = serializers.DictField(child=serializers.CharField(), help_text="Per field, what is wrong with it.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        declared = super().get_fields()
        declared["fields"] = declared.pop("fields_")
        return declared


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Map our errors, and DRF's own, to the one shape."""
    if isinstance(error, AgentopiaError):
        return Response(error_body(error), status=error.http_status)
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        fields = _flatten(error.detail)
        detail = " ".join(f"{name}: {text}" if name else text for name, text in fields.items())
        response.data = _body("invalid", detail, fields=fields)
    elif isinstance(error, exceptions.APIException):
        code = error.get_codes() if isinstance(error.get_codes(), str) else error.default_code
        response.data = _body(str(code), str(error.detail), retryable=isinstance(error, exceptions.Throttled))
    else:  # Django's Http404 and PermissionDenied
        response.data = _body("not_found" if response.status_code == 404 else "forbidden", str(response.data["detail"]))
    return response


def error_body(error: AgentopiaError) -> dict[str, Any]:
    """The one shape, of one of our errors."""
    return _body(error.code, error.message, retryable=error.retryable, fields=error.fields)


def _body(code: str, detail: str, *, retryable: bool = False, fields: dict[str, str] | None = None) -> dict[str, Any]:
    return {"code": code, "detail": detail, "retryable": retryable, "fields": fields or {}}


def _flatten(detail: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(detail, dict):
        flat: dict[str, str] = {}
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            flat |= _flatten(value, f"{prefix}.{name}".strip("."))
        return flat
    if isinstance(detail, list):
        return {prefix: " ".join(str(item) for item in detail)}
    return {prefix: str(detail)}
