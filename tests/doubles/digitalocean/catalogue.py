"""Regions, sizes and images, in the shapes of the public API reference."""

from __future__ import annotations

from typing import Any

EVERYWHERE = ["ams3", "blr1", "fra1", "lon1", "nyc1", "nyc3", "sfo3", "sgp1", "syd1", "tor1"]
NAMES = {
    "ams3": "Amsterdam 3", "blr1": "Bangalore 1", "fra1": "Frankfurt 1", "lon1": "London 1", "nyc1": "New York 1", "nyc3": "New York 3",
    "sfo3": "San Francisco 3", "sgp1": "Singapore 1", "syd1": "Sydney 1", "tor1": "Toronto 1",
}  # fmt: skip
FEATURES = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]


def _size(slug: str, kind: str, vcpus: int, memory: int, disk: int, monthly: float, regions: list[str], **more: Any) -> dict[str, Any]:
    return {
        "slug": slug,
        "memory": memory,
        "vcpus": vcpus,
        "disk": disk,
        "transfer": 1.0,
        "price_monthly": monthly,
        "price_hourly": round(monthly / 672, 5),
        "regions": regions,
        "available": True,
        "description": kind,
        "disk_info": [{"type": "local", "size": {"amount": disk, "unit": "gib"}}],
        **more,
    }


SIZES = [
    _size("s-1vcpu-512mb-10gb", "Basic", 1, 512, 10, 4.0, ["ams3", "fra1", "nyc1"]),
    _size("s-1vcpu-1gb", "Basic", 1, 1024, 25, 6.0, EVERYWHERE),
    _size("s-1vcpu-2gb", "Basic", 1, 2048, 50, 12.0, EVERYWHERE),
    _size("s-2vcpu-4gb", "Basic", 2, 4096, 80, 24.0, EVERYWHERE),
    _size("g-2vcpu-8gb", "General Purpose", 2, 8192, 25, 63.0, ["ams3", "fra1", "nyc3", "sgp1"]),
    _size("c-2", "CPU-Optimized", 2, 4096, 25, 42.0, ["ams3", "nyc3"]),
    _size("s-8vcpu-16gb", "Basic", 8, 16384, 320, 96.0, EVERYWHERE, available=False),
    _size("gpu-h100x1-80gb", "H100 GPU", 20, 245760, 720, 2500.0, ["nyc3", "tor1"], gpu_info={"count": 1, "model": "nvidia_h100"}),
]


def _image(number: int, slug: str, distribution: str, name: str, least: int, regions: list[str]) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "type": "base",
        "distribution": distribution,
        "slug": slug,
        "public": True,
        "regions": regions,
        "created_at": "2026-05-04T22:23:02Z",
        "min_disk_size": least,
        "size_gigabytes": 0.6,
        "description": f"{distribution} {name} image",
        "tags": [],
        "status": "available",
    }


IMAGES = [
    _image(195_000_001, "debian-12-x64", "Debian", "12 x64", 10, EVERYWHERE),
    _image(195_000_002, "debian-13-x64", "Debian", "13 x64", 10, EVERYWHERE),
    _image(195_000_003, "ubuntu-22-04-x64", "Ubuntu", "22.04 (LTS) x64", 10, EVERYWHERE),
    _image(195_000_004, "ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64", 10, EVERYWHERE),
    _image(195_000_005, "fedora-42-x64", "Fedora", "42 x64", 10, EVERYWHERE),
    _image(195_000_006, "almalinux-9-x64", "AlmaLinux", "9 x64", 10, EVERYWHERE),
]

REGIONS = [
    {
        "name": NAMES[slug],
        "slug": slug,
        "features": FEATURES,
        "available": slug != "syd1",
        "sizes": [size["slug"] for size in SIZES if slug in size["regions"]],
    }
    for slug in EVERYWHERE
]
