"""A toolbox is added: what its provider asks is checked, and the work begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput
from toolboxes.models import Job, Toolbox
from toolboxes.providers import provider_named
from toolboxes.services.enrolment import create_toolbox
from toolboxes.services.jobs import request_job


def add_toolbox(*, owner: User, provider: str, data: Mapping[str, Any]) -> Toolbox:
    """Make a toolbox of what was entered into the provider's form (``name``, and what else it asks) and begin to bring it about.

    Raises `NotFound` for a provider that there is not, `Conflict` where it cannot be used now or the name is taken, and `InvalidInput`
    with what is wrong per field.
    """
    chosen = provider_named(provider)
    missing = chosen.missing(owner)
    if missing is not None:
        raise Conflict(missing.text, code="provider_not_ready")
    form = chosen.form(owner, data)
    if not form.is_valid():
        fields = {name: " ".join(str(text) for text in texts) for name, texts in form.errors.items()}
        raise InvalidInput(" ".join(f"{name}: {text}" if name != "__all__" else text for name, text in fields.items()), fields=fields)
    with transaction.atomic():
        toolbox = create_toolbox(owner=owner, name=form.cleaned_data["name"], provider=Toolbox.Provider(chosen.key))
        chosen.begin(toolbox, form.cleaned_data)
        request_job(toolbox=toolbox, kind=Job.Kind.CREATE)
    return toolbox
