"""How a droplet is made and removed. Every step may be killed anywhere and run again: what exists is found by the toolbox's own tag.

The one act that must not happen twice is the order of the droplet. ``Machine.sent_at`` is written before it, and only a definite refusal
takes it back. While the answer is not known, nothing is ordered: DigitalOcean is asked for droplets with the tag until it shows one, or
until it has shown none for `SETTLE`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from agentopia.lib.errors import AgentopiaError, Conflict, Unavailable
from toolboxes.models import CloudAccount, Job, Machine, Toolbox, ToolboxEvent
from toolboxes.providers.base import Done, Step, TryLater, Wait
from toolboxes.providers.digital_ocean.client import DigitalOcean, Refused
from toolboxes.providers.digital_ocean.firewall import firewall_of
from toolboxes.providers.digital_ocean.first_boot import user_data
from toolboxes.providers.steps import HEARTBEAT, REVOKED, SERVERS, enrolled
from toolboxes.services import events
from toolboxes.services.enrolment import new_token

ALL_TAG = "agentopia"
LOOK_SECONDS = 3.0
SETTLE = timedelta(seconds=60)
"""Longer than any request lives, and than a new droplet takes to appear in a list."""
ASKING = "Asking DigitalOcean whether it was made"
CONSOLE = "https://cloud.digitalocean.com/droplets/{}"


def tag_of(toolbox: Toolbox) -> str:
    """The tag that nothing else has; also the name of its firewall."""
    return f"agentopia-{toolbox.pk}"


def firewall(toolbox: Toolbox, waited: timedelta) -> Done:
    """The firewall comes first, so that the droplet is never without it."""
    machine = toolbox.machine
    with _cloud_of(machine) as cloud:
        cloud.create_tag(ALL_TAG)
        cloud.create_tag(machine.tag)
        try:
            found = cloud.firewall_named(machine.tag) or cloud.create_firewall(firewall_of(machine.tag))
        except Refused as error:
            if error.status != 409:
                raise
            raise Unavailable("Its firewall is being made.") from error  # by a request whose answer was lost: the next look finds it
    Machine.objects.filter(pk=machine.pk).update(firewall=found["id"])
    return Done("Only this control plane can reach it")


def created(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """One droplet exists."""
    machine = toolbox.machine
    with _cloud_of(machine) as cloud:
        found = _existing(cloud, machine)
        if found:
            return _adopt(cloud, toolbox, found)
        if _may_come(machine):
            return Wait(LOOK_SECONDS, ASKING)
        if machine.reference:
            raise _gone(toolbox)
        return _order(cloud, toolbox)


def booted(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """The droplet runs and has an address."""
    machine = toolbox.machine
    with _cloud_of(machine) as cloud:
        droplet = cloud.droplet(machine.reference)
    if droplet is None and _may_come(machine):
        return Wait(LOOK_SECONDS, ASKING)
    if droplet is None:
        raise _gone(toolbox)
    address = _address_of(droplet)
    if droplet["status"] == "new" or not address:
        return Wait(LOOK_SECONDS, "DigitalOcean is setting it up")
    if droplet["status"] != "active":
        raise Conflict(
            f"The droplet is {droplet['status']}. Turn it on in DigitalOcean's control panel, then try again.", code="droplet_off"
        )
    Machine.objects.filter(pk=machine.pk).update(address=address, missing_since=None)
    return Done(address)


def destroyed(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """No droplet with its tag exists, nor can one still come."""
    machine = toolbox.machine
    if machine.account is None:
        return Done("The account was removed before: nothing of DigitalOcean's was touched")
    with _cloud_of(machine) as cloud:
        found = _existing(cloud, machine)
        for droplet in found:
            _destroy(cloud, droplet)
        if found:
            return Wait(LOOK_SECONDS, "DigitalOcean is destroying it")
    if not machine.reference and _may_come(machine):
        return Wait(LOOK_SECONDS, ASKING)
    return Done()


def cleared(toolbox: Toolbox, waited: timedelta) -> Done:
    """Its firewall and its tag are gone."""
    machine = toolbox.machine
    if machine.account is None:
        return Done()
    with _cloud_of(machine) as cloud:
        found = cloud.firewall_named(machine.tag)
        if found is not None:
            cloud.delete_firewall(found["id"])
        cloud.delete_tag(machine.tag)
    Machine.objects.filter(pk=machine.pk).update(firewall="", address="")
    return Done()


def _cloud_of(machine: Machine) -> DigitalOcean:
    if machine.account is None:
        raise Conflict("The DigitalOcean account of this toolbox was removed from Agentopia.", code="account_removed")
    return DigitalOcean(machine.account.token)


def _existing(cloud: DigitalOcean, machine: Machine) -> list[dict[str, Any]]:
    """The droplets of this toolbox: with its tag, and the one that is on record, which a list may not show yet."""
    found = cloud.droplets(machine.tag)
    if machine.reference and machine.reference not in (str(droplet["id"]) for droplet in found):
        recorded = cloud.droplet(machine.reference)
        found += [recorded] if recorded else []
    return found


def _may_come(machine: Machine) -> bool:
    """Whether a droplet may exist that DigitalOcean does not show yet."""
    return machine.sent_at is not None and timezone.now() - machine.sent_at < SETTLE


def _adopt(cloud: DigitalOcean, toolbox: Toolbox, found: list[dict[str, Any]]) -> Done:
    """Take on what was ordered. There is never more than one, but if there were, only one is paid for."""
    mine = next((droplet for droplet in found if str(droplet["id"]) == toolbox.machine.reference), found[0])
    for other in found:
        if other is not mine:
            cloud.destroy_droplet(str(other["id"]))
            text = f"Droplet {other['id']} carried this toolbox's tag besides its own, and was destroyed."
            events.record(toolbox=toolbox, kind="droplet_extra", text=text, severity=ToolboxEvent.Severity.WARNING)
    return _note(toolbox, str(mine["id"]))


@transaction.atomic
def _note(toolbox: Toolbox, reference: str) -> Done:
    if Machine.objects.filter(pk=toolbox.pk).exclude(reference=reference).update(reference=reference, missing_since=None):
        events.record(toolbox=toolbox, kind="droplet_made", text=f"Droplet {reference} was made in {toolbox.machine.region}.")
    return Done(f"Droplet {reference}")


def _order(cloud: DigitalOcean, toolbox: Toolbox) -> Done:
    machine = toolbox.machine
    command = new_token(toolbox=toolbox, by=toolbox.owner).command
    _about_to_send(toolbox)
    try:
        droplet = cloud.create_droplet(
            {
                "name": _host_name(toolbox.name),
                "region": machine.region,
                "size": machine.size,
                "image": machine.image,
                "tags": [ALL_TAG, machine.tag],
                "user_data": user_data(command),
                "monitoring": False,
                "with_droplet_agent": False,
                "ipv6": False,
            }
        )
    except (TryLater, AgentopiaError) as error:
        if not isinstance(error, Unavailable) or isinstance(error, TryLater):  # a definite no: nothing was made
            Machine.objects.filter(pk=machine.pk).update(sent_at=None)
        raise
    return _note(toolbox, str(droplet["id"]))


@transaction.atomic
def _about_to_send(toolbox: Toolbox) -> None:
    """From here on a droplet may exist. Not where its removal was asked for meanwhile: that job would look for it too early."""
    Toolbox.objects.select_for_update().get(pk=toolbox.pk)
    if toolbox.jobs.filter(kind=Job.Kind.REMOVE).exists():
        raise Conflict("The toolbox is being removed.", code="superseded")
    Machine.objects.filter(pk=toolbox.pk).update(sent_at=timezone.now())


def _gone(toolbox: Toolbox) -> Conflict:
    """Somebody destroyed the droplet. The next try makes another one, since only the user asks for that."""
    Machine.objects.filter(pk=toolbox.pk).update(reference="", sent_at=None, address="")
    return Conflict("The droplet was destroyed at DigitalOcean. Try again to make another one, or remove the toolbox.", code="droplet_gone")


def _destroy(cloud: DigitalOcean, droplet: dict[str, Any]) -> None:
    try:
        cloud.destroy_droplet(str(droplet["id"]))
    except Refused as error:
        if error.status != 422:
            raise
        raise Unavailable("The droplet is busy with something else at DigitalOcean.", code="droplet_busy") from error


def _address_of(droplet: dict[str, Any]) -> str:
    networks = (droplet.get("networks") or {}).get("v4") or []
    return next((str(network["ip_address"]) for network in networks if network["type"] == "public"), "")


def _host_name(name: str) -> str:
    """A toolbox's name as a host name."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "toolbox"


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


CREATE = (
    Step("firewall", "Firewall", firewall, timedelta(minutes=30), "DigitalOcean did not make the firewall in half an hour. Try again."),
    Step("created", "Droplet created", created, timedelta(minutes=30), "DigitalOcean did not make the droplet in half an hour. Try again."),
    Step(
        "booted",
        "Booted",
        booted,
        timedelta(minutes=15),
        "The droplet has not booted in 15 minutes. Look at it in DigitalOcean's control panel, then try again or remove the toolbox.",
    ),
    Step(
        "enrolled",
        "Enrolled",
        enrolled,
        timedelta(minutes=30),
        "The droplet booted, but its DTMA has not enrolled in 30 minutes. On its console, /var/log/cloud-init-output.log says why. "
        "Remove the toolbox and add it again.",
    ),
    HEARTBEAT,
)
REMOVE = (
    SERVERS,
    Step(
        "destroyed",
        "Destroyed",
        destroyed,
        timedelta(minutes=30),
        "DigitalOcean has not destroyed the droplet in half an hour. Look at it in the control panel, then try again.",
    ),
    Step("cleared", "Cleared up", cleared, timedelta(minutes=30), "DigitalOcean did not remove the firewall. Try again."),
    REVOKED,
)
