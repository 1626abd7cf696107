"""What an account can order: regions, sizes with their prices, images; as DigitalOcean's API says, kept for some minutes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.core.cache import cache

from toolboxes.models import CloudAccount
from toolboxes.providers.digital_ocean.client import DigitalOcean

KEPT_SECONDS = 600
LEAST_MEMORY_MB = 1024
IMAGES = {
    "debian-13-x64": "Debian 13",
    "debian-12-x64": "Debian 12",
    "ubuntu-24-04-x64": "Ubuntu 24.04",
    "ubuntu-22-04-x64": "Ubuntu 22.04",
}
"""Those that the install script knows, the first of them first."""


@dataclass(frozen=True)
class Region:
    """A data centre where droplets can be made."""

    slug: str
    name: str


@dataclass(frozen=True)
class Size:
    """A size of droplet; prices are US dollars."""

    slug: str
    kind: str
    cpus: int
    memory_mb: int
    disk_gb: int
    price_monthly: Decimal
    price_hourly: Decimal
    regions: frozenset[str]

    @property
    def label(self) -> str:
        """What it costs and what it is, in a line."""
        memory = f"{self.memory_mb / 1024:g} GB"
        processors = f"{self.cpus} CPU{'' if self.cpus == 1 else 's'}"
        return f"${self.price_monthly:.2f} a month (${self.price_hourly:.4f} an hour): {processors}, {memory}, {self.disk_gb} GB disk"


@dataclass(frozen=True)
class Image:
    """An operating system."""

    slug: str
    name: str
    regions: frozenset[str]
    least_disk_gb: int


@dataclass(frozen=True)
class Offers:
    """All that can be ordered with one account."""

    regions: tuple[Region, ...]
    sizes: tuple[Size, ...]
    images: tuple[Image, ...]

    def sizes_in(self, region: str) -> list[Size]:
        """The cheapest first."""
        return [size for size in self.sizes if region in size.regions]

    def images_in(self, region: str) -> list[Image]:
        return [image for image in self.images if region in image.regions]


def offers_of(account: CloudAccount) -> Offers:
    """Raises `AgentopiaError`."""
    key = f"toolboxes.offers.{account.pk}.{account.tested_at.timestamp()}"
    found = cache.get(key)
    if isinstance(found, Offers):
        return found
    with DigitalOcean(account.token) as cloud:
        offers = Offers(_regions(cloud), _sizes(cloud), _images(cloud))
    cache.set(key, offers, KEPT_SECONDS)
    return offers


def _regions(cloud: DigitalOcean) -> tuple[Region, ...]:
    found = [Region(region["slug"], region["name"]) for region in cloud.regions() if region["available"]]
    return tuple(sorted(found, key=lambda region: region.name))


def _sizes(cloud: DigitalOcean) -> tuple[Size, ...]:
    found = [
        Size(
            slug=size["slug"],
            kind=size["description"],
            cpus=size["vcpus"],
            memory_mb=size["memory"],
            disk_gb=size["disk"],
            price_monthly=Decimal(str(size["price_monthly"])),
            price_hourly=round(Decimal(str(size["price_hourly"])), 5),
            regions=frozenset(size["regions"]),
        )
        for size in cloud.sizes()
        if size["available"] and size["memory"] >= LEAST_MEMORY_MB and not size.get("gpu_info")
    ]
    return tuple(sorted(found, key=lambda size: (size.price_monthly, size.slug)))


def _images(cloud: DigitalOcean) -> tuple[Image, ...]:
    there = {image["slug"]: image for image in cloud.distributions() if image.get("slug") in IMAGES}
    return tuple(
        Image(slug, name, frozenset(there[slug]["regions"]), there[slug]["min_disk_size"] or 0)
        for slug, name in IMAGES.items()
        if slug in there
    )
