"""What DTMA calls: heartbeats. Authenticated by the toolbox's own token; no session, no user."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from dtma_wire import ErrorBody, ErrorCode, Heartbeat, HeartbeatAnswer
from mcp_registry.services.observation import take_heartbeat
from toolboxes.selectors import toolbox_with_heartbeat_token

MAX_BYTES = 16 * 1024 * 1024


@csrf_exempt
@login_not_required
@require_POST
def heartbeat(request: HttpRequest) -> HttpResponse:
    """Take one heartbeat; answers when the next is wanted, and whether it must tell everything."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    toolbox = toolbox_with_heartbeat_token(token) if scheme.lower() == "bearer" and token else None
    if toolbox is None:
        return _answer(
            ErrorBody(code=ErrorCode.UNAUTHENTICATED, message="This heartbeat token is not known. Enrol the toolbox again."), 401
        )
    # Not request.body, whose limit is one for forms. DTMA keeps to a megabyte, unless one server alone has more to tell.
    body = request.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        return _answer(ErrorBody(code=ErrorCode.INVALID, message=f"A heartbeat may have at most {MAX_BYTES} bytes."), 413)
    try:
        report = Heartbeat.model_validate_json(body)
    except ValidationError as error:
        return _answer(ErrorBody(code=ErrorCode.INVALID, message=f"The heartbeat is not understood: {error.error_count()} error(s)."), 400)
    known = take_heartbeat(toolbox=toolbox, heartbeat=report)
    return _answer(HeartbeatAnswer(interval_seconds=settings.HEARTBEAT_SECONDS, resend=not known), 200)


def _answer(body: ErrorBody | HeartbeatAnswer, status: int) -> HttpResponse:
    return HttpResponse(body.model_dump_json(), content_type="application/json", status=status)
