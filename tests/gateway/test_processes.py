"""Several web processes behind a load balancer that sends each request anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dtma.mcp_raw import REPLY, Raw, text_of
from tests.gateway.conftest import Place, receipts, session_with
from tests.gateway.web import web_processes

OLDER = "/mcp/helper/older"

pytestmark = pytest.mark.timeout(180)


async def test_a_session_is_known_to_all_processes(place: Place, tmp_path: Path) -> None:
    with web_processes(2, tmp_path) as (first, second):
        async with session_with(first.url, place.token) as one, session_with(second.url, place.token) as two:
            for path, tool in ((OLDER, "{}"), ("/mcp/helper", "older__{}")):
                here = await Raw(one, path).begin({"sampling": {}})
                there = Raw(two, path)
                there.session, there._ids = here.session, 100
                assert await there.call(tool.format("length"), text="four") == "4"

                # A question that came through one process is answered through the other.
                async with here.calling(tool.format("consult"), text="a") as answer:
                    question = await answer.next()
                    assert await there.post({"id": question["id"], "result": REPLY}) == 202
                    assert "indeed" in text_of(await answer.response())

                # A stream that broke goes on at the other.
                async with here.calling(tool.format("hold"), gate=f"g{path}") as answer:
                    await answer.next()
                async with there.listen(answer.last_event_id) as rest:
                    released = Raw(two, OLDER)
                    await released.begin()
                    await released.request("x-release", {"gate": f"g{path}"})
                    assert text_of(await rest.response()) == "released"

                # And so is a request cancelled.
                async with here.calling(tool.format("hold"), gate="never") as answer:
                    await answer.next()
                    await there.post({"method": "notifications/cancelled", "params": {"requestId": here._ids}})
                    assert [message async for message in answer.messages() if "id" in message] == []

                # The stream of one ends when the session is ended at the other.
                async with here.listen() as stream:
                    async with two.delete(path, headers=there.session) as response:
                        assert response.status == 200
                    assert [message async for message in stream.messages()] == []
                async with here.open("tools/list") as answer:
                    assert answer.status == 404
        assert {call.status for call in await receipts(at_least=8)} == {"succeeded", "cancelled"}


async def test_a_process_that_dies_takes_no_session_and_no_receipt_with_it(place: Place, tmp_path: Path) -> None:
    with web_processes(2, tmp_path) as (first, second):
        async with session_with(first.url, place.token) as one, session_with(second.url, place.token) as two:
            here = await Raw(one, OLDER).begin()
            for number in range(20):
                assert await here.call("length", text="x" * number) == str(number)
            first.kill()
            there = Raw(two, OLDER)
            there.session = here.session
            assert await there.call("length", text="four") == "4"
            await place.revoke("older")
            assert "error" in await there.request("tools/call", {"name": "length", "arguments": {"text": "a"}})
        kept = await receipts(at_least=22, seconds=60)
    assert [call.status for call in kept] == ["succeeded"] * 21 + ["refused"]
