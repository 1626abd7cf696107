"""Which DTMA a toolbox runs, compared with the one that this control plane gives out."""

from __future__ import annotations

from functools import cache

from toolboxes.models import Toolbox
from toolboxes.release.contents import dtma_version


@cache
def current_version() -> str:
    """The version of the DTMA that this control plane gives to machines; it does not change while a process runs."""
    return dtma_version()


def version_of(toolbox: Toolbox) -> str:
    """The DTMA that it runs, as it last reported; empty where it never did."""
    return str(toolbox.info.get("dtma_version", ""))


def is_old(toolbox: Toolbox) -> bool:
    """Whether it runs another DTMA than the present one."""
    return version_of(toolbox) not in ("", current_version())
