"""What the control plane and a look at a machine say of an installation."""

from __future__ import annotations

from asgiref.sync import async_to_sync

from dtma_wire import Egress, HostInfo, Volume
from tests.dtma.agent import ready, spec_of, until
from tests.toolboxes.install.machines import Machine
from toolboxes.dtma import dtma_of
from toolboxes.models import Toolbox

PLACES = (
    "/opt/agentopia", "/var/lib/agentopia", "/usr/local/bin/agentopia-dtma", "/etc/systemd/system/agentopia-dtma.service",
    "/etc/init.d/agentopia-dtma", "/etc/logrotate.d/agentopia-dtma", "/var/log/agentopia-dtma.log", "/run/agentopia-dtma.pid",
)  # fmt: skip


def now(toolbox: Toolbox) -> Toolbox:
    """Its row at this moment."""
    return Toolbox.objects.get(pk=toolbox.pk)


def ask(toolbox: Toolbox) -> HostInfo:
    """What DTMA says of itself when the control plane calls it, over TLS."""

    async def info() -> HostInfo:
        async with dtma_of(now_enrolled) as client:
            return await client.info()

    now_enrolled = now(toolbox)
    return async_to_sync(info)()


def reports(toolbox: Toolbox) -> bool:
    """Whether heartbeats arrive."""
    before = now(toolbox).last_seen_at
    return until(lambda: (seen := now(toolbox).last_seen_at) is not None and seen != before, 15)


def remains(machine: Machine) -> list[str]:
    """The traces of DTMA on a machine."""
    paths = [path for path in PLACES if machine.has(path)]
    rules = machine.run("iptables-save 2>/dev/null; ip6tables-save 2>/dev/null", check=False)
    links = machine.run("find /etc -name '*agentopia*'; ls -d /run/agentopia* /dev/shm/agentopia* 2>/dev/null", check=False)
    return [*paths, *links.split(), *(line for line in rules.splitlines() if "agentopia" in line.lower())]


def on_engine(machine: Machine) -> list[str]:
    """What DTMA has on a machine's engine."""
    listing = {"ps --all": "Names", "network ls": "Name", "volume ls": "Name"}
    label = "--filter label=io.agentopia.toolbox"
    commands = [f"docker {what} {label} --format '{{{{.{name}}}}}'" for what, name in listing.items()]
    images = "docker image ls 'agentopia/*' --format '{{.Repository}}:{{.Tag}}'"
    return [line for command in (*commands, images) for line in machine.run(command).split()]


def place_server(toolbox: Toolbox, server_id: str, image: str) -> None:
    """A server with a volume, a network of its own and rules in the firewall."""
    spec = spec_of(image, "older", volumes=(Volume(name="data", path="/data"),), egress=Egress.OPEN)
    spec = spec.model_copy(update={"arguments": ("python3", "/srv/older.py")})

    async def put() -> None:
        async with dtma_of(now_enrolled) as client:
            await ready(client, server_id, spec)

    now_enrolled = now(toolbox)
    async_to_sync(put)()


def containers(machine: Machine) -> list[str]:
    """Which containers of DTMA's run, and since when."""
    ids = machine.run("docker ps --quiet --no-trunc --filter label=io.agentopia.toolbox").split()
    return [machine.run(f"docker inspect --format '{{{{.Id}}}} {{{{.State.StartedAt}}}}' {one}").strip() for one in ids]


def newer(version: str) -> dict[str, str]:
    """The change of a release that makes it a later one."""
    return {"app/dtma/__init__.py": f'"""DTMA of a later day."""\n\n__version__ = "{version}"\n'}
