"""What DigitalOcean keeps of one account, and its rules: tags, firewalls, droplets that boot and disappear in their own time."""

from __future__ import annotations

import ipaddress
import itertools
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.doubles.digitalocean.catalogue import IMAGES, REGIONS, SIZES

Json = dict[str, Any]
HOST_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")
TAG = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")
FIREWALL = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]+")
IDS = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict", 422: "unprocessable_entity"}


class ApiError(Exception):
    """An answer with a 4xx status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.id, self.message = status, IDS[status], message


class Cloud:
    """One account. Times are seconds: until a droplet is active, until lists show it, until a destroyed one is gone."""

    def __init__(self) -> None:
        self.droplet_limit = 10
        self.boot_seconds = 0.0
        self.list_seconds = 0.0
        self.destroy_seconds = 0.0
        self.existing_tag_is_an_error = False
        self.address = "203.0.113.7"
        self.on_boot: Callable[[Json], None] | None = None
        """Called with the droplet, its ``user_data`` too, when it first boots; in a thread of its own."""
        self.droplets: dict[int, Json] = {}
        self.tags: set[str] = set()
        self.firewalls: dict[str, Json] = {}
        self.ever_created = 0
        self.boots: list[threading.Timer] = []
        self._ids = itertools.count(3_164_494)
        self._lock = threading.RLock()

    def account(self, scopes: set[str]) -> Json:
        limit = {"droplet_limit": self.droplet_limit} if "droplet:read" in scopes else {}
        return {
            **limit,
            "floating_ip_limit": 3,
            "email": "sammy@example.org",
            "name": "Sammy the Shark",
            "uuid": "b6fr89dbf6d9156cace5f3c78dc9851d957381ef",
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"uuid": "5df3e3004a17e242b7c20ca6c9fc25b701a47ece", "name": "Sharks"},
        }

    def create_droplet(self, order: Json) -> Json:
        with self._lock:
            region, size, image = self._checked(order)
            if len(self.droplets) >= self.droplet_limit:
                raise ApiError(422, "creating this/these droplet(s) will exceed your droplet limit")
            number = next(self._ids)
            self.ever_created += 1
            self.tags |= set(order.get("tags") or [])
            self.droplets[number] = {
                "id": number,
                "name": order["name"],
                "memory": size["memory"],
                "vcpus": size["vcpus"],
                "disk": size["disk"],
                "locked": True,
                "status": "new",
                "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "features": [],
                "backup_ids": [],
                "next_backup_window": None,
                "snapshot_ids": [],
                "image": image,
                "volume_ids": [],
                "size": size,
                "size_slug": size["slug"],
                "networks": {"v4": [], "v6": []},
                "region": region,
                "tags": list(order.get("tags") or []),
                "_user_data": order.get("user_data", ""),
                "_listed_at": time.monotonic() + self.list_seconds,
                "_gone_at": None,
            }
        boot = threading.Timer(self.boot_seconds, self.boot, (number,))
        boot.daemon = True
        self.boots.append(boot)
        boot.start()
        return self.shown(self.droplets[number])

    def _checked(self, order: Json) -> tuple[Json, Json, Json]:
        if not HOST_NAME.fullmatch(str(order.get("name", ""))):
            raise ApiError(422, "Name Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
        region = next((one for one in REGIONS if one["slug"] == order.get("region") and one["available"]), None)
        size = next((one for one in SIZES if one["slug"] == order.get("size")), None)
        image = next((one for one in IMAGES if order.get("image") in (one["slug"], one["id"])), None)
        if region is None or size is None or image is None:
            what = "region" if region is None else "size" if size is None else "image"
            raise ApiError(422, f"You specified an invalid {what} for Droplet creation.")
        if region["slug"] not in size["regions"] or not size["available"]:
            raise ApiError(422, "Size is not available in this region.")
        if len(str(order.get("user_data", "")).encode()) > 64 * 1024:
            raise ApiError(422, "User Data is too long (maximum is 64 KiB)")
        if not all(TAG.fullmatch(tag) for tag in order.get("tags") or []):
            raise ApiError(422, "Tags contain invalid characters")
        return region, size, image

    def boot(self, number: int) -> None:
        """The first boot, as cloud-init sees it."""
        with self._lock:
            droplet = self.droplets.get(number)
            if droplet is None or droplet["status"] != "new":
                return
            public = {"ip_address": self.address, "netmask": "255.255.240.0", "gateway": "203.0.113.1", "type": "public"}
            private = {"ip_address": "10.135.0.2", "netmask": "255.255.0.0", "gateway": None, "type": "private"}
            droplet |= {"status": "active", "locked": False, "networks": {"v4": [private, public], "v6": []}}
        if self.on_boot is not None:
            self.on_boot({**self.shown(droplet), "user_data": droplet["_user_data"]})

    def droplet(self, number: int) -> Json:
        with self._lock:
            self._sweep()
            if number not in self.droplets:
                raise ApiError(404, "The resource you were accessing could not be found.")
            return self.shown(self.droplets[number])

    def droplets_with(self, tag: str | None) -> list[Json]:
        with self._lock:
            self._sweep()
            now = time.monotonic()
            listed = [droplet for droplet in self.droplets.values() if droplet["_listed_at"] <= now]
            return [self.shown(droplet) for droplet in listed if tag is None or tag in droplet["tags"]]

    def destroy_droplet(self, number: int) -> None:
        with self._lock:
            self._sweep()
            droplet = self.droplets.get(number)
            if droplet is None:
                raise ApiError(404, "The resource you were accessing could not be found.")
            if droplet["status"] == "new" or droplet["_gone_at"] is not None:
                raise ApiError(422, "Droplet already has a pending event.")
            droplet["_gone_at"] = time.monotonic() + self.destroy_seconds
            self._sweep()

    def destroy_behind_our_back(self) -> None:
        """Somebody uses the control panel."""
        with self._lock:
            self.droplets.clear()

    def _sweep(self) -> None:
        now = time.monotonic()
        gone = [number for number, droplet in self.droplets.items() if droplet["_gone_at"] is not None and droplet["_gone_at"] <= now]
        for number in gone:
            del self.droplets[number]

    def create_tag(self, name: Any) -> Json:
        with self._lock:
            if not isinstance(name, str) or not TAG.fullmatch(name):
                raise ApiError(400, "Tag name is invalid")
            if name in self.tags and self.existing_tag_is_an_error:
                raise ApiError(422, "Tag name already exists")
            self.tags.add(name)
            return self.tag(name)

    def tag(self, name: str) -> Json:
        with self._lock:
            if name not in self.tags:
                raise ApiError(404, "The resource you were accessing could not be found.")
            count = len(self.droplets_with(name))
            return {"name": name, "resources": {"count": count, "droplets": {"count": count}}}

    def delete_tag(self, name: str) -> None:
        with self._lock:
            self.tag(name)
            self.tags.remove(name)
            for thing in [*self.droplets.values(), *self.firewalls.values()]:
                thing["tags"] = [tag for tag in thing["tags"] if tag != name]

    def create_firewall(self, rules: Json) -> Json:
        with self._lock:
            name, tags = rules.get("name", ""), rules.get("tags") or []
            if not FIREWALL.fullmatch(str(name)):
                raise ApiError(422, "name must begin with an alphanumeric character and hold only letters, numbers, periods and dashes")
            if not rules.get("inbound_rules") and not rules.get("outbound_rules"):
                raise ApiError(422, "must have at least one rule")
            if any(firewall["name"] == name for firewall in self.firewalls.values()):
                raise ApiError(409, "duplicate name")
            if unknown := [tag for tag in tags if tag not in self.tags]:
                raise ApiError(422, f"tag {unknown[0]} does not exist")
            for rule in [*(rules.get("inbound_rules") or []), *(rules.get("outbound_rules") or [])]:
                _check_rule(rule)
            number = str(uuid.uuid4())
            created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            state = {"id": number, "status": "succeeded", "created_at": created, "pending_changes": [], "droplet_ids": []}
            self.firewalls[number] = {"inbound_rules": [], "outbound_rules": [], **rules, **state, "tags": list(tags)}
            return self.firewalls[number]

    def delete_firewall(self, number: str) -> None:
        with self._lock:
            if number not in self.firewalls:
                raise ApiError(404, "The resource you were accessing could not be found.")
            del self.firewalls[number]

    @staticmethod
    def shown(droplet: Json) -> Json:
        """A droplet as answers have it."""
        return {key: value for key, value in droplet.items() if not key.startswith("_")}


def _check_rule(rule: Json) -> None:
    target = rule.get("sources") or rule.get("destinations") or {}
    if rule.get("protocol") not in ("tcp", "udp", "icmp") or not rule.get("ports") or not target:
        raise ApiError(422, "rule is invalid")
    for address in target.get("addresses", []):
        try:
            ipaddress.ip_network(address)
        except ValueError:
            raise ApiError(422, f"invalid address {address}") from None
