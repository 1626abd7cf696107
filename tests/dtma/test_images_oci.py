"""Images by reference: pulled by digest and checked; a tag is looked up once and then stays what it was."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from dtma_client import DtmaClient
from dtma_wire import OciImage, ServerSpec, Step
from tests.dtma.agent import Agent, deploy, ready, spec_of
from tests.dtma.registry import Registry, running_registry

LAYER_BYTES = 40_000_000
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@dataclass(frozen=True)
class Published:
    """An image that lies in the registry alone. ``layer`` is the digest of one that no other image has."""

    tag: str
    digest: str
    layer: str


class Publisher:
    """Puts images with servers in them into the registry, and takes everything away at the end that came back from there."""

    def __init__(self, engine: DockerClient, image: str, registry: Registry) -> None:
        self._engine = engine
        self._image = image
        self.registry = registry
        self.repository = registry.repository()

    def publish(self, tag: str, size: int = 1000) -> Published:
        name = f"{self.repository}:{tag}"
        self.build(name, size)
        for line in self._engine.images.push(name, stream=True, decode=True):
            assert "error" not in line, line
        self.forget(name)
        path = f"http://{self.registry.address}/v2/{self.repository.partition('/')[2]}/manifests/{tag}"
        with urllib.request.urlopen(urllib.request.Request(path, headers={"Accept": MANIFEST})) as response:
            digest = response.headers["Docker-Content-Digest"]
            layer = json.load(response)["layers"][-1]["digest"]
        return Published(name, f"{self.repository}@{digest}", layer)

    def build(self, name: str, size: int = 1000) -> str:
        """An image with a layer of its own; returns its id."""
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as archive:
            for path, content in (("Dockerfile", f"FROM {self._image}\nCOPY noise /noise\n".encode()), ("noise", os.urandom(size))):
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        context.seek(0)
        return str(self._engine.images.build(fileobj=context, custom_context=True, tag=name, rm=True)[0].id)

    def forget(self, *names: str) -> None:
        """Take names, or all of this repository, from the engine."""
        for image in self._engine.images.list():
            for name in (*image.attrs["RepoTags"], *image.attrs["RepoDigests"]):
                if name in names or (not names and name.startswith(self.repository)):
                    with contextlib.suppress(ImageNotFound):  # the digest goes with the last tag
                        self._engine.api.remove_image(name, force=True)


@pytest.fixture
def publisher(engine: DockerClient, image: str, registry: Registry) -> Iterator[Publisher]:
    publisher = Publisher(engine, image, registry)
    yield publisher
    publisher.forget()


def spec(reference: str, generation: int = 1, **changes: Any) -> ServerSpec:
    return spec_of("x", "workshop", generation=generation, source=OciImage(reference=reference), **changes)


async def test_an_image_is_pulled_by_its_digest_and_tells_how_far_it_is(client: DtmaClient, publisher: Publisher, server_id: str) -> None:
    published = publisher.publish("1", LAYER_BYTES)
    events, settled = await deploy(client, server_id, spec(published.digest))
    assert settled.ready, settled.server.reason
    assert settled.server.image == published.digest
    fractions = [event.fraction for event in events if event.step is Step.IMAGE and event.fraction is not None]
    assert len(fractions) > 2
    assert fractions == sorted(fractions)
    assert any(0 < fraction < 1 for fraction in fractions)
    assert any("of 40 MB" in event.detail for event in events)


async def test_a_tag_stays_what_it_was(
    make_agent: Callable[..., Agent], publisher: Publisher, engine: DockerClient, server_id: str
) -> None:
    first = publisher.publish("1")
    agent = make_agent(handshake_seconds=60).start()
    async with DtmaClient(agent.endpoint) as client:
        state = await ready(client, server_id, spec(first.tag))
        assert state.image == first.digest

        second = publisher.publish("1")
        assert second.digest != first.digest
        engine.images.pull(second.tag)
        assert (await client.restart(server_id)).image == first.digest
        changed = spec(first.tag, 2, environment={"SOME": "thing"})
        assert (await ready(client, server_id, changed)).image == first.digest

        other = await ready(client, f"{server_id}-other", spec(first.tag))
        assert other.image == second.digest

        await client.stop(server_id)
    agent.stop()
    publisher.forget(first.digest)
    agent.start()
    async with DtmaClient(agent.endpoint) as client:
        assert (await client.start(server_id)).image == first.digest
        assert (await ready(client, server_id, spec(second.digest, 3))).image == second.digest


async def test_an_image_of_this_engine_alone_stays_for_a_generation(
    client: DtmaClient, publisher: Publisher, engine: DockerClient, server_id: str
) -> None:
    name = f"{publisher.repository}:local"
    before = publisher.build(name)
    state = await ready(client, server_id, spec(name))
    after = publisher.build(name)
    assert before != after
    state = await client.restart(server_id)
    assert engine.containers.get(state.container).image.id == before
    state = await ready(client, server_id, spec(name, 2, environment={"SOME": "thing"}))
    assert engine.containers.get(state.container).image.id == after
    engine.images.remove(before, force=True)


async def test_a_flipped_byte_is_refused(client: DtmaClient, publisher: Publisher, server_id: str) -> None:
    published = publisher.publish("1", 100_000)
    blob = publisher.registry.blob(published.layer)
    good = blob.read_bytes()
    blob.write_bytes(good[:-5000] + bytes([good[-5000] ^ 1]) + good[-4999:])
    _, settled = await deploy(client, server_id, spec(published.digest))
    assert not settled.ready
    assert "is not what its digest says, so it was refused" in settled.server.reason

    blob.write_bytes(good)
    assert (await ready(client, server_id, spec(published.digest, 2))).image == published.digest


async def test_an_unknown_digest(client: DtmaClient, publisher: Publisher, server_id: str) -> None:
    publisher.publish("1")
    reference = f"{publisher.repository}@sha256:{uuid.uuid4().hex * 2}"
    _, settled = await deploy(client, server_id, spec(reference))
    assert not settled.ready
    assert settled.server.reason.startswith(f"The registry has no image {reference}:")
    assert settled.server.reason.endswith("Check the digest, or name a tag.")


async def test_a_registry_that_is_not_there(client: DtmaClient, server_id: str) -> None:
    _, settled = await deploy(client, server_id, spec("127.0.0.1:9/some/server:1"))
    assert not settled.ready
    assert "cannot be pulled" in settled.server.reason
