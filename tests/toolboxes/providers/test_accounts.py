"""Cloud accounts: tokens are tested before they are kept, and are never shown."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound, Unavailable
from tests.doubles.digitalocean.server import ALL_SCOPES, TOKEN, DigitalOceanDouble
from tests.toolboxes.providers.conftest import at, work_until
from toolboxes.models import CloudAccount, Toolbox
from toolboxes.providers.digital_ocean.account import SCOPES
from toolboxes.services.accounts import add_account, remove_account, replace_token

pytestmark = pytest.mark.django_db


def test_an_account_is_called_as_its_team(account: CloudAccount) -> None:
    assert (account.label, account.email, account.team) == ("Sharks", "sammy@example.org", "Sharks")


def test_the_test_changes_nothing_at_the_cloud(user: User, double: DigitalOceanDouble) -> None:
    add_account(owner=user, provider="digital_ocean", token=TOKEN)
    cloud = double.cloud
    assert (cloud.ever_created, cloud.firewalls, cloud.tags) == (0, {}, set())


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "actions:read"])
def test_each_missing_scope_is_named(user: User, double: DigitalOceanDouble, scope: str) -> None:
    double.tokens["limited"] = set(SCOPES) - {scope}
    with pytest.raises(InvalidInput) as problem:
        add_account(owner=user, provider="digital_ocean", token="limited")
    lacking = problem.value.fields["token"].partition(". Make")[0].partition(". It needs")[0]
    assert scope in lacking
    assert not CloudAccount.objects.exists()


def test_no_scope_is_asked_for_that_the_work_does_not_need(user: User, double: DigitalOceanDouble) -> None:
    assert set(SCOPES) <= ALL_SCOPES
    double.tokens["exact"] = set(SCOPES)
    add_account(owner=user, provider="digital_ocean", token="exact")


def test_a_token_that_is_none(user: User, double: DigitalOceanDouble) -> None:
    for token in ("nonsense", "two words", "", "näh"):
        with pytest.raises(InvalidInput):
            add_account(owner=user, provider="digital_ocean", token=token)


def test_the_cloud_does_not_answer(user: User, double: DigitalOceanDouble) -> None:
    double.misbehave("GET", "/v2/account", lost=True)
    with pytest.raises(Unavailable, match="DigitalOcean does not answer"):
        add_account(owner=user, provider="digital_ocean", token=TOKEN)


def test_an_account_is_there_once(user: User, account: CloudAccount) -> None:
    with pytest.raises(Conflict, match="already"):
        add_account(owner=user, provider="digital_ocean", token=TOKEN)


def test_a_token_is_replaced_by_one_of_the_same_account(
    user: User, account: CloudAccount, double: DigitalOceanDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.tokens["newer"] = set(SCOPES)
    assert replace_token(owner=user, account_id=account.pk, token="newer").token == "newer"
    monkeypatch.setattr(double.cloud, "account", lambda scopes: {"uuid": "other", "email": "eve@example.org", "status": "active"})
    with pytest.raises(InvalidInput, match="belongs to another account"):
        replace_token(owner=user, account_id=account.pk, token="newer")


def test_a_strangers_account_is_not_found(account: CloudAccount, stranger: User) -> None:
    with pytest.raises(NotFound):
        remove_account(owner=stranger, account_id=account.pk)
    client = Client()
    client.force_login(stranger)
    assert client.get(reverse("toolboxes:account-token", args=(account.pk,))).status_code == 404
    assert account.label not in client.get(reverse("toolboxes:accounts")).content.decode()


def test_another_users_account_cannot_be_ordered_with(order: Callable[..., Toolbox], stranger: User, account: CloudAccount) -> None:
    toolbox = order()
    CloudAccount.objects.filter(pk=account.pk).update(owner=stranger)
    with pytest.raises(Conflict):  # the user has no account any more
        order(name="other")
    assert toolbox.owner != stranger


def test_the_token_is_nowhere_to_be_seen(
    user: User,
    browser: Client,
    order: Callable[..., Toolbox],
    account: CloudAccount,
    double: DigitalOceanDouble,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    toolbox = order()
    double.misbehave("GET", "/v2/droplets", status=500)
    work_until(toolbox, at("enrolled"))
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    pages = [
        reverse("toolboxes:accounts"),
        reverse("toolboxes:account-token", args=(account.pk,)),
        reverse("toolboxes:add-with", args=("digital_ocean",)),
        reverse("toolboxes:setup", args=(toolbox.pk,)),
        reverse("admin:toolboxes_cloudaccount_change", args=(account.pk,)),
        reverse("admin:toolboxes_machine_change", args=(toolbox.pk,)),
        "/api/v1/toolboxes/",
    ]
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code == 200, page
        assert TOKEN not in answer.content.decode(), page
    refused = browser.post(reverse("toolboxes:account-add", args=("digital_ocean",)), {"token": TOKEN})
    assert refused.status_code == 422
    assert TOKEN not in refused.content.decode()
    assert TOKEN not in caplog.text


def test_it_is_encrypted_at_rest(account: CloudAccount) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM toolboxes_cloudaccount")
        assert TOKEN not in cursor.fetchone()[0]
