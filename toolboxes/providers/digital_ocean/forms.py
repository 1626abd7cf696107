"""What is asked for a droplet; what is offered depends on the account and the region that were chosen so far."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from django import forms
from django.urls import reverse

from accounts.models import User
from toolboxes.models import CloudAccount
from toolboxes.providers.base import ToolboxForm
from toolboxes.providers.digital_ocean.offers import Offers, Size, offers_of

FIRST_REGION = "fra1"


class DropletForm(ToolboxForm):
    """Account, region, size and image, as DigitalOcean offers them at this moment. Raises `AgentopiaError` where it does not answer."""

    account = forms.ModelChoiceField(queryset=CloudAccount.objects.none(), empty_label=None, label="Account")
    region = forms.ChoiceField()
    size = forms.ChoiceField(help_text="At least 1 GB of memory. The price is DigitalOcean's, which bills you itself, by the hour.")
    image = forms.ChoiceField(label="System")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        accounts = CloudAccount.objects.filter(owner=user, provider="digital_ocean")
        chosen: Mapping[str, Any] = self.data if self.is_bound else self.initial
        self.chosen_account = _chosen_account(list(accounts), str(chosen.get("account", "")))
        self.offers: Offers = offers_of(self.chosen_account)
        region = self._region(chosen)
        choices(self, "account").queryset = accounts
        choices(self, "region").choices = [(region.slug, f"{region.name} ({region.slug})") for region in self.offers.regions]
        choices(self, "size").choices = _by_kind(self.offers.sizes_in(region))
        choices(self, "image").choices = [(image.slug, image.name) for image in self.offers.images_in(region)]
        self.initial.update(account=self.chosen_account.pk, region=region)
        for name in ("account", "region"):
            self.fields[name].widget.attrs |= {
                "hx-get": reverse("toolboxes:add-with", args=("digital_ocean",)), "hx-trigger": "change", "hx-target": "#fields",
                "hx-include": "closest form", "hx-swap": "outerHTML", "hx-sync": "closest form:replace",
            }  # fmt: skip

    def _region(self, chosen: Mapping[str, Any]) -> str:
        there = [region.slug for region in self.offers.regions]
        wanted = str(chosen.get("region", ""))
        if wanted in there:
            return wanted
        return FIRST_REGION if FIRST_REGION in there or not there else there[0]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        size, image = self.chosen_size(cleaned), next((one for one in self.offers.images if one.slug == cleaned.get("image")), None)
        if size and image and size.disk_gb < image.least_disk_gb:
            self.add_error("size", f"{image.name} needs a disk of {image.least_disk_gb} GB.")
        return cleaned

    def chosen_size(self, cleaned: Mapping[str, Any]) -> Size | None:
        """The size that was chosen, with its prices."""
        return next((size for size in self.offers.sizes if size.slug == cleaned.get("size")), None)


def choices(form: forms.Form, name: str) -> Any:
    """A field of choices; its type depends on the form."""
    return form.fields[name]


def _chosen_account(accounts: list[CloudAccount], key: str) -> CloudAccount:
    return next((account for account in accounts if str(account.pk) == key), accounts[0])


def _by_kind(sizes: list[Size]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices in groups, in the order in which the cheapest of each comes."""
    kinds = list(dict.fromkeys(size.kind for size in sizes))
    ordered = sorted(sizes, key=lambda size: kinds.index(size.kind))
    return [(kind, [(size.slug, size.label) for size in group]) for kind, group in groupby(ordered, key=lambda size: size.kind)]
