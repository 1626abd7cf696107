"""The pages that add a toolbox and follow it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from agentopia.lib.live import GONE
from tests.doubles.digitalocean.server import TOKEN, DigitalOceanDouble
from tests.toolboxes.providers.conftest import enrol_and_report, newest, work
from toolboxes.models import CloudAccount, EnrolmentToken, Job, Toolbox
from toolboxes.routing import websocket_urlpatterns
from toolboxes.services.jobs import request_job

pytestmark = pytest.mark.django_db
DROPLET = "/toolboxes/add/digital_ocean/"


def text_of(browser: Client, url: str) -> str:
    answer = browser.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def command_of(page: str) -> str:
    found = re.search(r"curl -fsSL \S+/install/(\S+) \| sudo sh", page)
    return found[1] if found else ""


def test_every_provider_is_offered(browser: Client) -> None:
    page = text_of(browser, reverse("toolboxes:add"))
    for label in ("Your own server", "DigitalOcean", "This machine"):
        assert label in page


def test_what_is_missing_is_said_with_where_to_see_to_it(browser: Client, double: DigitalOceanDouble, settings: Settings) -> None:
    assert reverse("toolboxes:accounts") in text_of(browser, DROPLET)
    settings.INTAKE_URL = "https://127.0.0.1:9000"
    assert "INTAKE_URL lead to this machine alone" in text_of(browser, DROPLET)
    settings.CONTROL_PLANE_ADDRESSES = []
    assert "CONTROL_PLANE_ADDRESSES" in text_of(browser, DROPLET)
    assert browser.post(DROPLET, {"name": "x"}).status_code == 200
    assert not Toolbox.objects.exists()


def test_an_account_is_added_and_leads_to_the_form(browser: Client, double: DigitalOceanDouble) -> None:
    answer = browser.post(reverse("toolboxes:account-add", args=("digital_ocean",)), {"token": TOKEN, "label": "Mine"})
    assert (answer.status_code, answer["Location"]) == (302, DROPLET)
    page = text_of(browser, reverse("toolboxes:accounts"))
    assert "Mine" in page
    assert "sammy@example.org" in page


def test_the_form_shows_what_can_be_had_with_its_price(browser: Client, account: CloudAccount) -> None:
    page = text_of(browser, DROPLET)
    assert "$6.00 a month ($0.0089 an hour): 1 CPU, 1 GB, 25 GB disk" in page
    assert "General Purpose" in page
    for slug in ("s-1vcpu-512mb-10gb", "s-8vcpu-16gb", "gpu-h100x1-80gb", "c-2", "fedora", "syd1"):
        assert slug not in page, "too small, not available, not in this region, not known to the install script"


def test_another_region_offers_other_sizes(browser: Client, account: CloudAccount) -> None:
    answer = browser.get(DROPLET, {"region": "nyc3", "name": "box"}, headers={"HX-Request": "true", "HX-Target": "fields"})
    fragment = answer.content.decode()
    assert fragment.lstrip().startswith('<div class="form" id="fields">')
    assert "c-2" in fragment
    assert 'value="box"' in fragment


def test_what_can_be_had_is_asked_for_once_in_a_while(browser: Client, account: CloudAccount, double: DigitalOceanDouble) -> None:
    text_of(browser, DROPLET)
    asked = len(double.requests)
    text_of(browser, DROPLET)
    assert len(double.requests) == asked


def test_a_cloud_that_does_not_answer(browser: Client, account: CloudAccount, double: DigitalOceanDouble) -> None:
    double.misbehave("GET", "/v2/regions", status=503)
    CloudAccount.objects.update(tested_at=timezone.now())  # what was kept does not count any more
    assert "DigitalOcean has a problem" in text_of(browser, DROPLET)


def test_a_droplet_is_ordered(browser: Client, account: CloudAccount) -> None:
    data = {"name": "Big box", "account": str(account.pk), "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    answer = browser.post(DROPLET, data)
    toolbox = Toolbox.objects.get()
    assert answer["Location"] == reverse("toolboxes:setup", args=(toolbox.pk,))
    page = text_of(browser, answer["Location"])
    assert "Droplet created" in page
    assert "$6.00 a month" in page
    again = browser.post(DROPLET, data)
    assert (again.status_code, "already" in again.content.decode()) == (422, True)
    wrong = browser.post(DROPLET, {**data, "name": "other", "size": "c-2"})
    assert (wrong.status_code, "c-2 is not one of the available choices" in wrong.content.decode()) == (422, True)


def test_the_command_is_shown_to_the_browser_that_asked_for_it(browser: Client, user: User) -> None:
    answer = browser.post("/toolboxes/add/own_server/", {"name": "Attic"})
    page = text_of(browser, answer["Location"])
    token = command_of(page)
    assert EnrolmentToken.objects.get(digest=EnrolmentToken.digest_of(token)).is_open()
    assert command_of(text_of(browser, answer["Location"])) == token, "a reload shows it again"
    assert "data-until" in page
    other = Client()
    other.force_login(user)
    elsewhere = text_of(other, answer["Location"])
    assert command_of(elsewhere) == ""
    assert "It is shown in the browser that asked for it" in elsewhere


def test_a_new_command_takes_the_place_of_the_old_one(browser: Client) -> None:
    where = browser.post("/toolboxes/add/own_server/", {"name": "Attic"})["Location"]
    first = command_of(text_of(browser, where))
    assert browser.post(reverse("toolboxes:command", args=(Toolbox.objects.get().pk,)))["Location"] == where
    second = command_of(text_of(browser, where))
    assert second not in ("", first)
    assert not EnrolmentToken.objects.get(digest=EnrolmentToken.digest_of(first)).is_open()


def test_a_command_that_is_over_is_not_shown(browser: Client) -> None:
    where = browser.post("/toolboxes/add/own_server/", {"name": "Attic"})["Location"]
    EnrolmentToken.objects.update(expires_at=timezone.now())
    assert "The last command has expired" in text_of(browser, where)
    enrol_and_report(Toolbox.objects.get())
    assert command_of(text_of(browser, where)) == ""


def test_the_command_is_not_kept_in_clear(browser: Client) -> None:
    where = browser.post("/toolboxes/add/own_server/", {"name": "Attic"})["Location"]
    token = command_of(text_of(browser, where))
    assert token not in str(dict(browser.session.items()))


def test_strangers_find_nothing(pending: Toolbox, stranger: User) -> None:
    client = Client()
    client.force_login(stranger)
    for name in ("setup", "command", "retry", "remove"):
        url = reverse(f"toolboxes:{name}", args=(pending.pk,))
        answer = client.get(url) if name == "setup" else client.post(url)
        assert answer.status_code == 404, name
    assert newest(pending).kind == "create"


def test_a_failure_is_shown_with_a_way_on(browser: Client, pending: Toolbox) -> None:
    Job.objects.update(status="failed", detail="The command was never run.")
    url = reverse("toolboxes:setup", args=(pending.pk,))
    page = text_of(browser, url)
    assert "The command was never run." in page
    assert "Try again" in page
    assert browser.post(reverse("toolboxes:retry", args=(pending.pk,)), headers={"HX-Request": "true"}).status_code == 204
    assert newest(pending).is_active


def test_the_page_of_a_removed_toolbox_stays(browser: Client, pending: Toolbox) -> None:
    browser.post(reverse("toolboxes:remove", args=(pending.pk,)))
    work(pending)
    assert "It was removed" in text_of(browser, reverse("toolboxes:setup", args=(pending.pk,)))


async def opened(toolbox: Toolbox, user: User) -> ApplicationCommunicator:
    scope = {"type": "websocket", "path": f"/ws/toolboxes/{toolbox.pk}/setup/", "query_string": b"", "headers": [], "user": user}
    page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await page.send_input({"type": "websocket.connect"})
    assert (await page.receive_output(timeout=5))["type"] == "websocket.accept"
    return page


@pytest.mark.django_db(transaction=True)
async def test_steps_arrive_as_they_happen(pending: Toolbox) -> None:
    page = await opened(pending, pending.owner)
    first = (await page.receive_output(timeout=5))["text"]
    assert 'id="steps"' in first
    assert 'id="command"' not in first, "the command is the browser's own"
    await sync_to_async(enrol_and_report)(pending)
    await sync_to_async(work)(pending)
    arrived = ""
    while "It is ready" not in arrived or '<div id="command"></div>' not in arrived:
        arrived += (await page.receive_output(timeout=5))["text"]
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(timeout=5)


@pytest.mark.django_db(transaction=True)
async def test_a_strangers_page_hears_nothing(pending: Toolbox) -> None:
    stranger = await sync_to_async(User.objects.create_user)("eve@example.org", "another long password")
    page = await opened(pending, stranger)
    assert await page.receive_output(timeout=5) | {"reason": None} == {"type": "websocket.close", "code": GONE, "reason": None}


def test_the_double_pages_as_the_reference_says(double: DigitalOceanDouble, account: CloudAccount, order: Callable[..., Toolbox]) -> None:
    """More than a page of firewalls: the one that is there is found on the second."""
    toolbox = order()
    work(toolbox)
    (mine,) = double.cloud.firewalls.values()
    others = {str(number): {**mine, "id": str(number), "name": f"other-{number}"} for number in range(250)}
    double.cloud.firewalls = {**others, mine["id"]: mine}
    toolbox.jobs.all().delete()
    double.requests.clear()
    request_job(toolbox=toolbox, kind=Job.Kind.CREATE)
    work(toolbox)
    assert len(double.cloud.firewalls) == 251
    assert len(double.asked("GET", "/v2/firewalls")) == 2
