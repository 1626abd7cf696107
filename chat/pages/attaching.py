"""Files that come with a message."""

from __future__ import annotations

import mimetypes
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.models import User
from agentopia.lib.errors import InvalidInput, NotFound
from agents.models import Agent
from agents.resources import read_resource
from chat.services.messages import LARGEST_ATTACHMENT, LONGEST_NAME, MOST_ATTACHMENTS, NewAttachment, check_together

UNKNOWN = "application/octet-stream"
LONGEST_TYPE = 100


def attached(user: User, request: HttpRequest, agent: Agent | None) -> list[NewAttachment]:
    """What was attached in the form: files, and resources of the agent's servers, as ``SERVER URI``. Raises `InvalidInput` before anything
    large is read.
    """
    files: list[Any] = [file for file in request.FILES.getlist("files") if file.name]
    chosen = [given.partition(" ") for given in request.POST.getlist("resource")]
    if len(files) + len(chosen) > MOST_ATTACHMENTS:
        raise InvalidInput(f"At most {MOST_ATTACHMENTS} files can be attached to a message.", fields={"files": "Too many."})
    for file in files:
        if (file.size or 0) > LARGEST_ATTACHMENT:
            raise InvalidInput(
                f"“{file.name}” is too large: a file may have {LARGEST_ATTACHMENT // 2**20} MB.", fields={"files": "Too large."}
            )
    check_together(sum(file.size or 0 for file in files))
    given = [NewAttachment((file.name or "")[:LONGEST_NAME], _media_type(file), file.read()) for file in files]
    return [*given, *(_resource(user, agent, server, uri) for server, _, uri in chosen)]


def _resource(user: User, agent: Agent | None, server: str, uri: str) -> NewAttachment:
    content = read_resource(user, agent, _server(server), uri)
    if len(content.data) > LARGEST_ATTACHMENT:
        raise InvalidInput(f"{uri} is too large: {LARGEST_ATTACHMENT // 2**20} MB can be attached.")
    return NewAttachment(content.name, content.media_type, content.data, content.server.pk, uri)


def _server(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("The agent is not connected to that server.", code="server_not_found") from None


def _media_type(file: Any) -> str:
    """What the browser says, or else what its name says."""
    told = (file.content_type or "").partition(";")[0].strip().lower()
    if told in ("", UNKNOWN):
        told = mimetypes.guess_type(file.name or "")[0] or UNKNOWN
    return told[:LONGEST_TYPE]
