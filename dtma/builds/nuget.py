"""Fetching packages from a NuGet feed (NuGet Server API v3: service index, package content, package metadata)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from dtma.builds.shared import Report
from dtma.errors import Failure
from dtma_wire import Phase

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
MAX_PACKAGE_BYTES = 512 * 1024 * 1024
BLOCK_BYTES = 256 * 1024
LIMITS = aiohttp.ClientTimeout(total=600, sock_connect=15, sock_read=60)


class Feed:
    """One feed, named by the address of its service index. All methods raise ``Failure``."""

    def __init__(self, index: str) -> None:
        self._index = index

    async def fetch(self, name: str, version: str, target: Path, report: Report) -> None:
        """Bring one package here as the file ``target``, checked against the hash that the feed's catalogue tells, if it has one."""
        what, name, version = f"{name} {version}", name.lower(), normal(version)
        # The system's authorities are loaded for this alone: aiohttp's own context trusts nobody here (``lean``).
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        async with aiohttp.ClientSession(connector=connector, timeout=LIMITS, trust_env=True) as session:
            resources = (await self._document(session, self._index)).get("resources") or ()
            contents = _resource(resources, "PackageBaseAddress/3.0.0")
            if contents is None:
                raise _failure(f"The NuGet feed {self._index} does not say where its packages are: check nuget_feed in DTMA's config.json.")
            address = f"{contents}/{name}/{version}/{name}.{version}.nupkg"
            expected = await self._hash(session, _resource(resources, "RegistrationsBaseUrl"), name, version)
            actual = await self._download(session, address, target, what, report)
        if expected is not None and actual != expected:
            await asyncio.to_thread(target.unlink)
            raise _failure(f"The package {what} is not what the NuGet feed says it is: its SHA-512 differs. It was not used.")

    async def _download(self, session: aiohttp.ClientSession, address: str, target: Path, what: str, report: Report) -> bytes:
        """The SHA-512 of what was written to ``target``."""
        total, here = hashlib.sha512(), 0
        async with self._get(session, address, f"There is no package {what} on the NuGet feed: check its name and version.") as response:
            with await asyncio.to_thread(target.open, "wb") as file:
                async for block in response.content.iter_chunked(BLOCK_BYTES):
                    here += len(block)
                    if here > MAX_PACKAGE_BYTES:
                        raise _failure(f"The package {what} is larger than {MAX_PACKAGE_BYTES // 1024**2} MB.")
                    total.update(block)
                    await asyncio.to_thread(file.write, block)
                    size = response.content_length
                    report(f"fetching {what}", round(here / size, 2) if size else None)
        return total.digest()

    async def _hash(self, session: aiohttp.ClientSession, registrations: str | None, name: str, version: str) -> bytes | None:
        """The SHA-512 that the feed's catalogue has for a package; None on feeds without a catalogue."""
        if registrations is None:
            return None
        missing = f"There is no package {name} {version} on the NuGet feed: check its name and version."
        leaf = await self._document(session, f"{registrations}/{name}/{version}.json", missing)
        entry = leaf.get("catalogEntry")
        if isinstance(entry, str):
            entry = await self._document(session, entry)
        if not isinstance(entry, dict) or entry.get("packageHashAlgorithm") != "SHA512":
            return None
        try:
            return base64.b64decode(str(entry.get("packageHash")))
        except ValueError:
            raise _failure(f"The NuGet feed has no usable hash of the package {name} {version}.") from None

    async def _document(self, session: aiohttp.ClientSession, address: str, missing: str = "") -> dict[str, Any]:
        content = b""
        async with self._get(session, address, missing) as response:
            async for block in response.content.iter_chunked(BLOCK_BYTES):
                content += block
                if len(content) > MAX_DOCUMENT_BYTES:
                    raise _failure(f"The NuGet feed answers at {address} with more than {MAX_DOCUMENT_BYTES // 1024**2} MB.")
        try:
            return dict(json.loads(content))
        except (ValueError, TypeError):
            raise _failure(f"The NuGet feed answers at {address} with something else than JSON: check nuget_feed.") from None

    @asynccontextmanager
    async def _get(self, session: aiohttp.ClientSession, address: str, missing: str) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with session.get(address) as response:
                if response.status == 404 and missing:
                    raise _failure(missing)
                if response.status != 200:
                    raise _failure(f"The NuGet feed answers {response.status} for {address}: check nuget_feed, or try again later.")
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _failure(
                f"The NuGet feed {self._index} cannot be reached from this toolbox: {str(error) or type(error).__name__}."
            ) from error


def normal(version: str) -> str:
    """A version as addresses have it: lower case, no build metadata, no fourth part that is 0 (NuGet package versioning)."""
    main, dash, label = version.lower().partition("+")[0].partition("-")
    parts = [str(int(part)) if part.isdigit() else part for part in main.split(".")]
    if len(parts) == 4 and parts[3] == "0":
        parts.pop()
    return ".".join(parts) + dash + label


def _resource(resources: Any, kind: str) -> str | None:
    for resource in resources:
        if isinstance(resource, dict) and str(resource.get("@type", "")).startswith(kind):
            return str(resource["@id"]).rstrip("/")
    return None


def _failure(reason: str) -> Failure:
    return Failure(reason, phase=Phase.ABSENT)
