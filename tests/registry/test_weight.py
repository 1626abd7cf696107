"""What a page makes the browser fetch stays small: there is no framework, and it must not creep in."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from mcp_registry.models import CatalogEntry, McpServer

MOST_BYTES = 100_000
ASSET = re.compile(r'<(?:script src|link rel="stylesheet" href)="/static/([^"]+)"')
PAGES = ("/", "/catalog/", "/catalog/{entry}/", "/toolboxes/", "/toolboxes/{toolbox}/", "/audit/")
OF_A_SERVER = ("", "log/", "metrics/", "settings/", "history/", "tools/echo/")


@pytest.mark.parametrize("path", [*PAGES, "/servers/", *(f"/servers/{{server}}/{view}" for view in OF_A_SERVER)])
def test_scripts_and_styles_of_a_page(
    browser: Client, catalog: dict[str, CatalogEntry], make_server: Callable[..., McpServer], path: str
) -> None:
    server = make_server()
    answer = browser.get(path.format(entry=catalog["time"].pk, toolbox=server.toolbox_id, server=server.pk))
    assert answer.status_code == 200
    assets = set(ASSET.findall(answer.content.decode()))
    assert len(assets) > 10
    assert sum(len(gzip.compress((Path(settings.STATIC_ROOT) / name).read_bytes())) for name in assets) < MOST_BYTES
