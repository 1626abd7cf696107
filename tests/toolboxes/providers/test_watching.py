"""Droplets that are destroyed behind our back are noticed."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.doubles.digitalocean.server import TOKEN, DigitalOceanDouble
from tests.toolboxes.providers.conftest import at, enrol_and_report, finished, work_until
from toolboxes.models import CloudAccount, Machine, Toolbox
from toolboxes.services.jobs import remove_toolbox
from toolboxes.tasks import look_after_machines

pytestmark = pytest.mark.django_db


@pytest.fixture
def ready(order: Callable[..., Toolbox]) -> Toolbox:
    toolbox = order()
    work_until(toolbox, at("enrolled"))
    enrol_and_report(toolbox)
    work_until(toolbox, finished)
    return toolbox


def test_a_droplet_that_is_there_is_not_remarked_on(ready: Toolbox, double: DigitalOceanDouble) -> None:
    double.requests.clear()
    look_after_machines()
    assert Machine.objects.get().missing_since is None
    assert [path for _, path, _ in double.requests] == ["/v2/droplets"], "one request for all droplets of an account"


def test_a_missing_one_is_said_once_and_its_removal_offered(ready: Toolbox, double: DigitalOceanDouble, browser: Client) -> None:
    double.cloud.destroy_behind_our_back()
    look_after_machines()
    look_after_machines()
    event = ready.events.get(kind="droplet_gone")
    assert (event.severity, "Remove the toolbox." in event.text) == ("error", True)
    assert Machine.objects.get().missing_since is not None
    page = browser.get(reverse("toolboxes:detail", args=(ready.pk,))).content.decode()
    assert "destroyed at the provider" in page
    remove_toolbox(owner=ready.owner, toolbox_id=ready.pk)
    assert work_until(ready, finished).status == "succeeded"


def test_a_list_that_lags_hides_nothing(ready: Toolbox, double: DigitalOceanDouble) -> None:
    next(iter(double.cloud.droplets.values()))["_listed_at"] += 3600
    look_after_machines()
    assert Machine.objects.get().missing_since is None


def test_one_account_that_does_not_answer_hides_nothing_of_the_others(
    ready: Toolbox, double: DigitalOceanDouble, account: CloudAccount, stranger: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    other = CloudAccount.objects.create(
        owner=stranger, provider="digital_ocean", label="a", identity="x", token="gone", tested_at=account.tested_at
    )
    theirs = Toolbox.objects.create(owner=stranger, name="theirs", provider="digital_ocean")
    Machine.objects.create(
        toolbox=theirs,
        account=other,
        tag="agentopia-theirs",
        region="fra1",
        size="s",
        image="i",
        price_monthly=1,
        price_hourly=1,
        reference="1",
    )
    double.cloud.destroy_behind_our_back()
    look_after_machines()
    assert Machine.objects.get(pk=ready.pk).missing_since is not None
    assert Machine.objects.get(pk=theirs.pk).missing_since is None
    assert "could not be looked after: DigitalOcean does not accept the token" in caplog.text
    assert TOKEN not in caplog.text
