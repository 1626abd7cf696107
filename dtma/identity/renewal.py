"""A certificate is followed by a new one long before it ends, and nothing breaks."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import ssl
import time

from pydantic import ValidationError

from dtma.control_plane import ControlPlane, NotTaken
from dtma.identity.identity import Identity
from dtma_wire import Renew, Renewed

logger = logging.getLogger(__name__)

PATH = "/dtma/v1/renew"
DUE = (0.60, 0.67)
"""At which part of its life a certificate is renewed: not all toolboxes that were enrolled together come back together."""
LOOK_SECONDS = 3600.0
"""The clock that is looked at goes on while the host sleeps; what waits for it does not."""
FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 600.0
FRESH_SECONDS = 60.0
"""A certificate that is refused so soon after it was given is not refused for its age, and another would fare no better."""


class Renewal:
    """Keeps one identity fresh."""

    def __init__(self, identity: Identity, control: ControlPlane) -> None:
        self._identity = identity
        self._control = control
        self._refused = asyncio.Event()
        self._renewed_at = -math.inf

    def refused(self) -> None:
        """The control plane does not recognise this toolbox: its certificate has expired by the clock that counts, which is not ours."""
        if time.monotonic() - self._renewed_at > FRESH_SECONDS:
            self._refused.set()

    async def keep(self) -> None:
        """Endless."""
        while True:
            await self._due()
            await self._renew()

    async def _due(self) -> None:
        due = random.uniform(*DUE)  # noqa: S311 - to spread load
        while (left := self._identity.left_until(due)) > 0 and not self._refused.is_set():
            try:
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await self._refused.wait()
            except TimeoutError:
                continue

    async def _renew(self) -> None:
        """Try until it succeeds."""
        failures = 0
        while True:
            try:
                answer = await self._control.post(PATH, Renew(request=self._identity.request).model_dump_json().encode())
                self._identity.replace(Renewed.model_validate_json(answer).certificate)
            except (NotTaken, ValidationError, ssl.SSLError, OSError) as error:
                if failures == 0:
                    logger.warning("the certificate was not renewed, and it is tried again: %s", error)
                pause = min(FIRST_BACKOFF_SECONDS * 2.0**failures, MAX_BACKOFF_SECONDS)
                failures = min(failures + 1, 20)
                await self._wait(pause * random.uniform(0.8, 1.2))  # noqa: S311
                continue
            self._refused.clear()
            self._renewed_at = time.monotonic()
            logger.info("the certificate was renewed")
            return

    async def _wait(self, seconds: float) -> None:
        """Shorter where the control plane refuses the certificate meanwhile: it is there again, and nothing is taken until this is done."""
        self._refused.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._refused.wait()
        except TimeoutError:
            return
