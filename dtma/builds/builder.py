"""Images for servers: pinned packages on our bases, built once per content, or images that exist already."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from pathlib import Path

from dtma.builds.buildkit import BuildOutput
from dtma.builds.client import BuildClient, running
from dtma.builds.shared import Report, SharedWork
from dtma.engine import Engine, EngineRefused, Image
from dtma.errors import EngineUnavailable, Failure
from dtma_wire import NpmPackage, NugetPackage, OciImage, Phase, PypiPackage

logger = logging.getLogger(__name__)

IMAGES = Path(__file__).resolve().parents[2] / "images"
DEBIAN = "debian:bookworm-slim"
MAX_CONCURRENT_BUILDS = 2
PULL_SECONDS = 600.0
DEBIAN_PULL_SECONDS = 60.0
"""A registry that does not answer must not hold up what the machine can make itself."""
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

type Package = NpmPackage | PypiPackage
_FAMILY = {"npm": "node", "pypi": "python"}


class Builder:
    """Concurrent requests for one image share one build; at most two builds run at once."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._engine = engine
        self._client = BuildClient(engine.url, home)
        self._work = SharedWork()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_BUILDS)

    async def image(self, source: NpmPackage | PypiPackage | NugetPackage | OciImage, report: Report) -> Image:
        """The image of a server's source; raises ``Failure`` with what to do about it, or ``EngineUnavailable``."""
        if isinstance(source, OciImage):
            return await self._existing(source.reference, report)
        if isinstance(source, NugetPackage):
            raise Failure("Packages of NuGet cannot be built on this toolbox.", phase=Phase.ABSENT)
        base = await self.base(_FAMILY[source.kind], report)
        folder = IMAGES / _FAMILY[source.kind]
        content = _digest(base.id.encode(), (folder / "server.Dockerfile").read_bytes(), source.model_dump_json().encode())
        tag = f"agentopia/server:{content}"
        arguments = {"BASE": base.reference, "NAME": source.name, "VERSION": source.version}
        if isinstance(source, PypiPackage):
            arguments["REQUIRES"] = " ".join(source.requires)
        labels = {"io.agentopia.source": json.dumps(source.model_dump(mode="json"), sort_keys=True)}
        what = f"{source.name} {source.version}"
        return await self._ensure(tag, lambda tell: self._build(tag, folder, "server.Dockerfile", arguments, labels, what, tell), report)

    async def base(self, family: str, report: Report) -> Image:
        """The base image of ``node`` or ``python`` servers."""
        debian = await self._debian(report)
        folder = IMAGES / family
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "server.Dockerfile")
        content = _digest(debian.id.encode(), *(part for path in files for part in (path.name.encode(), path.read_bytes())))
        tag = f"agentopia/base-{family}:{content}"
        what = f"the base image for {family}"
        return await self._ensure(tag, lambda tell: self._build(tag, folder, "Dockerfile", {}, {}, what, tell), report)

    async def prepare(self) -> None:
        """Have the bases ready before the first deployment asks for them. A failure is logged; the deployment tries again."""
        for family in sorted(set(_FAMILY.values())):
            try:
                await self.base(family, _ignore)
            except (Failure, EngineUnavailable, EngineRefused) as error:
                logger.warning("the base image for %s could not be prepared yet: %s", family, error)

    async def _ensure(self, tag: str, work: object, report: Report) -> Image:
        found = await self._engine.images.find(tag)
        if found is None:
            await self._work.run(tag, work, report)  # type: ignore[arg-type]
            found = await self._engine.images.find(tag)
        if found is None:
            raise Failure(f"The image {tag} was built, but the engine does not have it. Try again.", phase=Phase.ABSENT)
        return found

    async def _existing(self, reference: str, report: Report) -> Image:
        found = await self._engine.images.find(reference)
        if found is not None:
            return found
        try:
            await self._work.run(reference, lambda tell: self._pull(reference, tell, PULL_SECONDS), report)
        except EngineRefused as refusal:
            raise Failure(
                f"The image {reference} is not on this toolbox and cannot be pulled: {str(refusal).rstrip('.')}. "
                "Check its name, or load it there.",
                phase=Phase.ABSENT,
            ) from refusal
        found = await self._engine.images.find(reference)
        if found is None:
            raise Failure(f"The image {reference} was pulled, but the engine does not have it. Try again.", phase=Phase.ABSENT)
        return found

    async def _debian(self, report: Report) -> Image:
        found = await self._engine.images.find(DEBIAN)
        if found is not None:
            return found
        try:
            await self._work.run(DEBIAN, lambda tell: self._pull(DEBIAN, tell, DEBIAN_PULL_SECONDS), report)
        except EngineRefused as refusal:
            logger.info("%s cannot be pulled (%s); it is made here", DEBIAN, refusal)
            await self._work.run(f"make {DEBIAN}", self._make_debian, report)
        found = await self._engine.images.find(DEBIAN)
        if found is None:
            raise Failure(f"The image {DEBIAN} can neither be pulled nor made on this toolbox.", phase=Phase.ABSENT)
        return found

    async def _pull(self, reference: str, report: Report, seconds: float) -> str:
        report(f"pulling {reference}", None)
        try:
            async with asyncio.timeout(seconds):
                async for said in self._engine.images.pull(reference):
                    report(said, None)
        except TimeoutError:
            raise EngineRefused(504, f"the registry did not answer within {seconds:g} s") from None
        return reference

    async def _make_debian(self, report: Report) -> str:
        report(f"making {DEBIAN} from this machine's Debian mirror", None)
        environment = self._client.environment | {"TMPDIR": os.environ.get("TMPDIR", "/tmp")}
        path = await self._client.path()
        environment["PATH"] = os.pathsep.join((str(Path(path).parent), environment["PATH"], "/usr/sbin", "/sbin"))
        async with self._slots, running((str(IMAGES / "debian" / "make-base.sh"), DEBIAN), environment) as process:
            assert process.stdout is not None
            last = ""
            async for raw in process.stdout:
                last = raw.decode(errors="replace").strip() or last
                report(last, None)
            if await process.wait() != 0:
                raise Failure(f"The image {DEBIAN} can neither be pulled nor made on this toolbox: {last}", phase=Phase.ABSENT)
        return DEBIAN

    async def _build(
        self, tag: str, folder: Path, file: str, arguments: dict[str, str], labels: dict[str, str], what: str, report: Report
    ) -> str:
        command = [await self._client.path(), "build", "--progress=plain", "--tag", tag, "--file", str(folder / file)]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, value in labels.items():
            command += ["--label", f"{name}={value}"]
        command += _ca_secret()
        output = BuildOutput()
        if self._slots.locked():
            report("waiting for another build to end", None)
        async with self._slots:
            report(f"building {what}", None)
            async with running((*command, str(folder)), self._client.environment) as process:
                assert process.stdout is not None
                async for raw in process.stdout:
                    if output.feed(raw.decode(errors="replace")):
                        report(f"building {what}, {output.detail}", output.fraction)
                if await process.wait() == 0:
                    return tag
        if not await self._engine.answers():
            raise EngineUnavailable("it went away during a build")
        raise Failure(f"The image of {what} did not build. {output.reason}", phase=Phase.ABSENT)


def _ca_secret() -> list[str]:
    bundle = Path(os.environ.get("SSL_CERT_FILE", CA_BUNDLE))
    return ["--secret", f"id=ca_bundle,src={bundle}"] if bundle.is_file() else []


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]


def _ignore(detail: str, fraction: float | None) -> None:
    """Nobody listens to what is prepared in the background."""
