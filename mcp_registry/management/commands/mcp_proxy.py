"""``manage.py mcp_proxy SERVER_ID --port N``: opens a server's MCP endpoint on 127.0.0.1."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from mcp_registry.models import McpServer
from mcp_registry.port_forward import port_forward_app


class Command(BaseCommand):
    help = "Open a server's MCP endpoint at http://127.0.0.1:PORT/mcp until stopped with Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("server_id", help="The server's id, as its page and the API show it.")
        parser.add_argument("--port", type=int, required=True, help="Port on 127.0.0.1.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            server = McpServer.objects.select_related("toolbox").get(pk=options["server_id"])
        except (McpServer.DoesNotExist, ValidationError):
            raise CommandError(f"There is no server {options['server_id']}.") from None
        app = port_forward_app(server.toolbox, str(server.pk))
        self.stdout.write(f"“{server.name}” answers MCP at http://127.0.0.1:{options['port']}/mcp. Stop with Ctrl-C.")
        self.stdout.flush()
        uvicorn.run(app, host="127.0.0.1", port=options["port"], log_level="warning")
