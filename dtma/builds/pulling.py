"""Reading what the engine says while it pulls an image (``POST /images/create``, Docker Engine API): how far it is."""

from __future__ import annotations

from typing import Any

_PHASES = ("Downloading", "Extracting")
_MEGABYTE = 1_000_000


class _Layer:
    """Half of a layer's work is bringing its bytes here, the other half unpacking them."""

    def __init__(self) -> None:
        self.total = 0
        self.done = dict.fromkeys(_PHASES, 0)

    def hear(self, status: str, current: int, total: int) -> None:
        if status in self.done and total:
            self.total = total
            self.done[status] = min(current, total)
        elif status in ("Verifying Checksum", "Download complete"):
            self.done["Downloading"] = self.total
        elif status == "Pull complete":
            self.done = dict.fromkeys(_PHASES, self.total)


class PullOutput:
    """Feed it event by event."""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._layers: dict[str, _Layer] = {}
        self.detail = f"pulling {reference}"
        self.fraction: float | None = None

    def feed(self, event: dict[str, Any]) -> bool:
        """Take an event; True if ``fraction`` changed, and ``detail`` with it."""
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        if status == "Pulling fs layer":
            self._layers[layer] = _Layer()
        if layer not in self._layers:
            return False
        progress = event.get("progressDetail") or {}
        self._layers[layer].hear(status, int(progress.get("current") or 0), int(progress.get("total") or 0))
        return self._show()

    def _show(self) -> bool:
        before = self.fraction
        layers = self._layers.values()
        sized = [layer for layer in layers if layer.total]
        total = sum(layer.total for layer in sized)
        if total:
            here = sum(layer.done["Downloading"] for layer in sized)
            done = sum(sum(layer.done.values()) for layer in sized) / (2 * total)
            # How big a layer is shows only when its turn comes; until then it counts as much as the average one.
            self.fraction = max(self.fraction or 0.0, round(done * len(sized) / len(layers), 2))
            at_least = "" if len(sized) == len(layers) else "at least "
            self.detail = f"pulling {self._reference}, {here / _MEGABYTE:.0f} of {at_least}{total / _MEGABYTE:.0f} MB"
        return self.fraction != before
