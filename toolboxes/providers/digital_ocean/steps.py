"""How a droplet is made and removed. Every step may be killed anywhere and run again: what exists is found by the toolbox's own tag.

The one act that must not happen twice is the order of the droplet. ``Machine.sent_at`` is written before it, and only a definite refusal
takes it back. While the answer is not known, nothing is ordered: DigitalOcean is asked for droplets with the tag until it shows one, or
until it has shown none for `droplets.SETTLE`.
"""

from __future__ import annotations

import re
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from agentopia.lib.errors import AgentopiaError, Conflict, Unavailable
from toolboxes.models import Job, Machine, Toolbox
from toolboxes.providers.base import Done, Step, TryLater, Wait
from toolboxes.providers.digital_ocean.client import DigitalOcean
from toolboxes.providers.digital_ocean.droplets import ALL_TAG, address_of, cloud_of, destroy, existing, gone, may_come, note, the_one
from toolboxes.providers.digital_ocean.errors import Refused
from toolboxes.providers.digital_ocean.firewall import firewall_of
from toolboxes.providers.digital_ocean.first_boot import user_data
from toolboxes.providers.steps import HEARTBEAT, REVOKED, SERVERS, enrolled
from toolboxes.services.enrolment import new_token

LOOK_SECONDS = 3.0
ASKING = "Asking DigitalOcean whether it was made"


def firewall(toolbox: Toolbox, waited: timedelta) -> Done:
    """The firewall comes first, so that the droplet is never without it."""
    machine = toolbox.machine
    with cloud_of(machine) as cloud:
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
    with cloud_of(machine) as cloud:
        found = existing(cloud, machine)
        if found:
            return note(toolbox, str(the_one(cloud, toolbox, found)["id"]))
        if may_come(machine):
            return Wait(LOOK_SECONDS, ASKING)
        if machine.reference:
            raise gone(toolbox)
        return _order(cloud, toolbox)


def booted(toolbox: Toolbox, waited: timedelta) -> Done | Wait:
    """The droplet runs and has an address."""
    machine = toolbox.machine
    with cloud_of(machine) as cloud:
        found = existing(cloud, machine)
        if not found and may_come(machine):
            return Wait(LOOK_SECONDS, ASKING)
        if not found:
            raise gone(toolbox)
        droplet = the_one(cloud, toolbox, found)
    address = address_of(droplet)
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
    with cloud_of(machine) as cloud:
        found = existing(cloud, machine)
        for droplet in found:
            destroy(cloud, droplet)
        if found:
            return Wait(LOOK_SECONDS, "DigitalOcean is destroying it")
    if not machine.reference and may_come(machine):
        return Wait(LOOK_SECONDS, ASKING)
    return Done()


def cleared(toolbox: Toolbox, waited: timedelta) -> Done:
    """Its firewall and its tag are gone."""
    machine = toolbox.machine
    if machine.account is None:
        return Done()
    with cloud_of(machine) as cloud:
        found = cloud.firewall_named(machine.tag)
        if found is not None:
            cloud.delete_firewall(found["id"])
        cloud.delete_tag(machine.tag)
    Machine.objects.filter(pk=machine.pk).update(firewall="", address="")
    return Done()


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
    return note(toolbox, str(droplet["id"]))


@transaction.atomic
def _about_to_send(toolbox: Toolbox) -> None:
    """From here on a droplet may exist. Not where its removal was asked for meanwhile: that job would look for it too early."""
    Toolbox.objects.select_for_update().get(pk=toolbox.pk)
    if toolbox.jobs.filter(kind=Job.Kind.REMOVE).exists():
        raise Conflict("The toolbox is being removed.", code="superseded")
    Machine.objects.filter(pk=toolbox.pk).update(sent_at=timezone.now())


def _host_name(name: str) -> str:
    """A toolbox's name as a host name."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "toolbox"


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
