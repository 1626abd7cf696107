"""The provider “DigitalOcean”."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from accounts.models import User
from toolboxes.models import CloudAccount, Machine, Toolbox
from toolboxes.providers.base import Fact, Missing, Provider, Step, ToolboxForm
from toolboxes.providers.digital_ocean import steps, watching
from toolboxes.providers.digital_ocean.account import ACCOUNTS
from toolboxes.providers.digital_ocean.droplets import tag_of
from toolboxes.providers.digital_ocean.forms import DropletForm
from toolboxes.providers.digital_ocean.offers import offers_of

CONSOLE = "https://cloud.digitalocean.com/droplets/{}"


class DigitalOceanProvider(Provider):
    """Droplets: ordered, watched and destroyed through DigitalOcean's API with the user's token."""

    key = "digital_ocean"
    label = "DigitalOcean"
    description = "A new droplet in your DigitalOcean account. It is made, set up and later removed for you."
    icon = "hard-drive"
    takes = "About three minutes; DigitalOcean bills you by the hour"
    submit = "Make the droplet"
    accounts = ACCOUNTS

    @property
    def create_steps(self) -> tuple[Step, ...]:
        return steps.CREATE

    @property
    def remove_steps(self) -> tuple[Step, ...]:
        return steps.REMOVE

    def missing(self, user: User) -> Missing | None:
        if not settings.CONTROL_PLANE_ADDRESSES:
            return Missing(
                "A droplet's firewall admits this Agentopia alone, so it must know the addresses from which it calls. "
                "Whoever runs it sets CONTROL_PLANE_ADDRESSES."
            )
        if unreachable := [name for name in ("PUBLIC_URL", "INTAKE_URL") if _is_loopback(getattr(settings, name))]:
            return Missing(
                f"A droplet has to reach this Agentopia, and {' and '.join(unreachable)} lead to this machine alone. "
                "Whoever runs it sets an address that the internet can reach."
            )
        if not CloudAccount.objects.filter(owner=user, provider=self.key).exists():
            text = "Add your DigitalOcean account first: an API token with which droplets are made in your name."
            return Missing(text, action="Add the account", url=reverse("toolboxes:accounts"))
        return None

    def form(self, user: User, data: Mapping[str, Any] | None = None, initial: Mapping[str, Any] | None = None) -> ToolboxForm:
        return DropletForm(data, initial=dict(initial or {}), user=user)

    def begin(self, toolbox: Toolbox, cleaned_data: Mapping[str, Any]) -> None:
        account: CloudAccount = cleaned_data["account"]
        size = next(size for size in offers_of(account).sizes if size.slug == cleaned_data["size"])
        Machine.objects.create(
            toolbox=toolbox,
            account=account,
            tag=tag_of(toolbox),
            region=cleaned_data["region"],
            size=size.slug,
            image=cleaned_data["image"],
            price_monthly=size.price_monthly,
            price_hourly=size.price_hourly,
        )

    def removal(self, toolbox: Toolbox) -> str:
        if not Machine.objects.filter(toolbox=toolbox).exclude(account=None).exists():
            return (
                "Its DigitalOcean account was removed from Agentopia, so the droplet is not touched: destroy it at DigitalOcean yourself."
            )
        return (
            "The droplet is destroyed at DigitalOcean, with all servers and all data on it; its firewall and its tag are removed, "
            "and DigitalOcean stops billing for it. The toolbox's history stays."
        )

    def facts(self, toolbox: Toolbox) -> list[Fact]:
        machine = Machine.objects.select_related("account").filter(toolbox=toolbox).first()
        if machine is None:
            return []
        droplet = Fact("Droplet", machine.reference or "not made yet", CONSOLE.format(machine.reference) if machine.reference else "")
        return [
            droplet,
            Fact("Account", str(machine.account or "removed")),
            Fact("Region", machine.region),
            Fact("Size", machine.size),
            Fact("System", machine.image),
            Fact("Address", machine.address or "—"),
            Fact("Price", f"${machine.price_monthly:.2f} a month, ${machine.price_hourly:.4f} an hour, as it was when ordered"),
        ]

    def look_after(self, account: CloudAccount) -> None:
        watching.look_after(account)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


DIGITAL_OCEAN = DigitalOceanProvider()
