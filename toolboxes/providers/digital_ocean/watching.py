"""Droplets that are destroyed behind our back are noticed."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from toolboxes.models import CloudAccount, Machine, ToolboxEvent
from toolboxes.providers.digital_ocean.client import DigitalOcean
from toolboxes.providers.digital_ocean.droplets import ALL_TAG
from toolboxes.services import events


def look_after(account: CloudAccount) -> None:
    """Notice droplets that were destroyed behind our back, and those that are back in sight."""
    with DigitalOcean(account.token) as cloud:
        there = {str(droplet["id"]) for droplet in cloud.droplets(ALL_TAG)}
        for machine in account.machines.filter(toolbox__deleted_at=None).exclude(reference="").select_related("toolbox"):
            if machine.reference in there:
                Machine.objects.filter(pk=machine.pk).update(missing_since=None)
            elif machine.missing_since is None and cloud.droplet(machine.reference) is None:
                _note_missing(machine)


@transaction.atomic
def _note_missing(machine: Machine) -> None:
    if Machine.objects.filter(pk=machine.pk, missing_since=None).update(missing_since=timezone.now()):
        text = f"Droplet {machine.reference} no longer exists at DigitalOcean: it was destroyed there. Remove the toolbox."
        events.record(toolbox=machine.toolbox, kind="droplet_gone", text=text, severity=ToolboxEvent.Severity.ERROR)
