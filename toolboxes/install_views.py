"""``/install/TOKEN``: the script that makes a machine a toolbox."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from toolboxes.models import EnrolmentToken
from toolboxes.selectors import enrolment_token

HTTPS_PORT = 443


@require_safe
@never_cache
@login_not_required
def install(request: HttpRequest, token: str) -> HttpResponse:
    """The script for this token. Whoever pipes it into a shell sees what it says, so for a token that does not count it says that."""
    found = enrolment_token(token)
    intake = urlsplit(settings.INTAKE_URL)
    host = intake.hostname or ""
    script = render_to_string(
        "toolboxes/install.sh",
        {
            "public_url": _harmless(settings.PUBLIC_URL),
            "intake": shlex.quote(settings.INTAKE_URL),
            "intake_host": shlex.quote(f"[{host}]" if ":" in host else host),
            "intake_port": intake.port or HTTPS_PORT,
            "token": shlex.quote(token if found else ""),
            "toolbox": shlex.quote(str(found.toolbox_id) if found else ""),
            "used": "yes" if found and found.used_at else "",
            "problem": shlex.quote(_problem(found)),
        },
    )
    return HttpResponse(script, content_type="text/x-shellscript; charset=utf-8")


def _problem(token: EnrolmentToken | None) -> str:
    """What to do instead, where the token is of no use to anybody; empty for one that is, or was used."""
    if token is None:
        return "This install command is not known here. Copy the whole command from the dashboard again."
    if token.toolbox.deleted_at is not None:
        return "This toolbox was removed. Add a new one in the dashboard and use its install command."
    if token.withdrawn_at is not None:
        return "There is a newer install command for this toolbox. Use that one."
    if timezone.now() >= token.expires_at:
        return "This install command has expired: it is good for one hour. Make a new one in the dashboard."
    return ""


def _harmless(text: str) -> str:
    """For comments and sentences within double quotes."""
    return "".join(character for character in text if character.isalnum() or character in "-._~:/[]")
