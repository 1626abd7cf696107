"""What is known of a toolbox's droplet: found by the toolbox's own tag, and on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from agentopia.lib.errors import Conflict, Unavailable
from toolboxes.models import Machine, Toolbox, ToolboxEvent
from toolboxes.providers.base import Done
from toolboxes.providers.digital_ocean.client import DigitalOcean
from toolboxes.providers.digital_ocean.errors import Refused
from toolboxes.services import events

ALL_TAG = "agentopia"
SETTLE = timedelta(seconds=60)
"""Longer than any request lives, and than a new droplet takes to appear in a list."""


def tag_of(toolbox: Toolbox) -> str:
    """The tag that nothing else has; also the name of its firewall."""
    return f"agentopia-{toolbox.pk}"


def cloud_of(machine: Machine) -> DigitalOcean:
    """The API, with the token of the machine's account."""
    if machine.account is None:
        raise Conflict("The DigitalOcean account of this toolbox was removed from Agentopia.", code="account_removed")
    return DigitalOcean(machine.account.token)


def existing(cloud: DigitalOcean, machine: Machine) -> list[dict[str, Any]]:
    """The droplets of this toolbox: with its tag, and the one that is on record, which a list may not show yet."""
    found = cloud.droplets(machine.tag)
    if machine.reference and machine.reference not in (str(droplet["id"]) for droplet in found):
        recorded = cloud.droplet(machine.reference)
        found += [recorded] if recorded else []
    return found


def may_come(machine: Machine) -> bool:
    """Whether a droplet may exist that DigitalOcean does not show yet."""
    return machine.sent_at is not None and timezone.now() - machine.sent_at < SETTLE


def the_one(cloud: DigitalOcean, toolbox: Toolbox, found: list[dict[str, Any]]) -> dict[str, Any]:
    """What was ordered. There is never more than one, but if there were, only one is paid for."""
    mine = next((droplet for droplet in found if str(droplet["id"]) == toolbox.machine.reference), found[0])
    for other in found:
        if other is not mine:
            destroy(cloud, other)
            text = f"Droplet {other['id']} carried this toolbox's tag besides its own, and was destroyed."
            events.record(toolbox=toolbox, kind="droplet_extra", text=text, severity=ToolboxEvent.Severity.WARNING)
    return mine


@transaction.atomic
def note(toolbox: Toolbox, reference: str) -> Done:
    """Put the droplet on record."""
    if Machine.objects.filter(pk=toolbox.pk).exclude(reference=reference).update(reference=reference, missing_since=None):
        events.record(toolbox=toolbox, kind="droplet_made", text=f"Droplet {reference} was made in {toolbox.machine.region}.")
    return Done(f"Droplet {reference}")


def gone(toolbox: Toolbox) -> Conflict:
    """Somebody destroyed the droplet. The next try makes another one, since only the user asks for that."""
    Machine.objects.filter(pk=toolbox.pk).update(reference="", sent_at=None, address="")
    return Conflict("The droplet was destroyed at DigitalOcean. Try again to make another one, or remove the toolbox.", code="droplet_gone")


def address_of(droplet: dict[str, Any]) -> str:
    """Its public IPv4 address; empty until it has one."""
    networks = (droplet.get("networks") or {}).get("v4") or []
    return next((str(network["ip_address"]) for network in networks if network["type"] == "public"), "")


def destroy(cloud: DigitalOcean, droplet: dict[str, Any]) -> None:
    """Also where it is gone already. Raises `Unavailable` while DigitalOcean does something else with it."""
    try:
        cloud.destroy_droplet(str(droplet["id"]))
    except Refused as error:
        if error.status != 422:
            raise
        raise Unavailable("The droplet is busy with something else at DigitalOcean.", code="droplet_busy") from error
