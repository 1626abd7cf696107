"""DigitalOcean's HTTP API, through its official client `pydo`: what toolboxes need of it.

Its errors are those of `toolboxes.providers.digital_ocean.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import policies
from django.conf import settings

from agentopia.lib.errors import Unavailable
from toolboxes.providers.digital_ocean.errors import Refused, error_of

CONNECT_SECONDS, READ_SECONDS = 5, 20
PER_PAGE = 200


class DigitalOcean:
    """One account's part of the API, as a context manager. Every call is made once: jobs try again, and know what they did before."""

    def __init__(self, token: str) -> None:
        import pydo  # noqa: PLC0415 (20 MB of generated code, which every process would load at its start)

        self._api = pydo.Client(
            token,
            endpoint=settings.DIGITALOCEAN_API_URL,
            # pydo would repeat a POST that failed with 5xx, and so could make a second droplet.
            retry_policy=policies.RetryPolicy.no_retries(),
            authentication_policy=policies.AzureKeyCredentialPolicy(AzureKeyCredential(token), "Authorization", prefix="Bearer"),
            http_logging_policy=policies.SansIOHTTPPolicy(),  # one line per request and its headers is too much for a log
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )

    def __enter__(self) -> DigitalOcean:
        return self

    def __exit__(self, *error: object) -> None:
        self._api.close()

    def account(self) -> dict[str, Any]:
        """Who the token belongs to. Scope ``account:read``."""
        return dict(self._ask("account:read", self._api.account.get)["account"])

    def regions(self) -> list[dict[str, Any]]:
        """Scope ``regions:read``."""
        return list(self._all("regions:read", "regions", self._api.regions.list))

    def sizes(self) -> list[dict[str, Any]]:
        """Scope ``sizes:read``."""
        return list(self._all("sizes:read", "sizes", self._api.sizes.list))

    def distributions(self) -> list[dict[str, Any]]:
        """The images of operating systems. Scope ``image:read``."""
        return list(self._all("image:read", "images", self._api.images.list, type="distribution"))

    def droplets(self, tag: str) -> list[dict[str, Any]]:
        """Those that carry the tag, oldest first. Scope ``droplet:read``."""
        return sorted(self._all("droplet:read", "droplets", self._api.droplets.list, tag_name=tag), key=lambda droplet: int(droplet["id"]))

    def droplet(self, droplet_id: str) -> dict[str, Any] | None:
        """None where there is none of this id. Scope ``droplet:read``."""
        answer = self._ask("droplet:read", self._api.droplets.get, int(droplet_id), none_for=404)
        return answer and dict(answer["droplet"])

    def create_droplet(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Scope ``droplet:create``, and ``tag:create`` for its tags. After `Unavailable` it may exist all the same."""
        return dict(self._ask("droplet:create", self._api.droplets.create, body=dict(order))["droplet"])

    def destroy_droplet(self, droplet_id: str) -> None:
        """Also where it is gone already; it disappears some seconds later. Scope ``droplet:delete``."""
        self._ask("droplet:delete", self._api.droplets.destroy, int(droplet_id), none_for=404)

    def create_tag(self, name: str) -> None:
        """Also where it exists already. Scope ``tag:create``."""
        try:
            self._ask("tag:create", self._api.tags.create, body={"name": name})
        except Refused:
            if not name or not self.has_tag(name):
                raise

    def has_tag(self, name: str) -> bool:
        """Scope ``tag:read``."""
        return self._ask("tag:read", self._api.tags.get, name, none_for=404) is not None

    def delete_tag(self, name: str) -> None:
        """Also where it is gone already. Scope ``tag:delete``."""
        self._ask("tag:delete", self._api.tags.delete, name, none_for=404)

    def firewall_named(self, name: str) -> dict[str, Any] | None:
        """Scope ``firewall:read``."""
        found = (firewall for firewall in self._all("firewall:read", "firewalls", self._api.firewalls.list) if firewall["name"] == name)
        return next(found, None)

    def create_firewall(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `Refused` with status 409 where the name is taken. Scope ``firewall:create``."""
        return dict(self._ask("firewall:create", self._api.firewalls.create, body=dict(rules))["firewall"])

    def delete_firewall(self, firewall_id: str) -> None:
        """Also where it is gone already. Scope ``firewall:delete``."""
        self._ask("firewall:delete", self._api.firewalls.delete, firewall_id, none_for=404)

    def _all(self, scope: str, key: str, ask: Callable[..., Any], **query: Any) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            answer = self._ask(scope, ask, per_page=PER_PAGE, page=page, **query)
            yield from answer[key]
            if "next" not in ((answer.get("links") or {}).get("pages") or {}):
                return
            page += 1

    def _ask(self, scope: str, ask: Callable[..., Any], *arguments: Any, none_for: int = 0, **options: Any) -> Any:
        """The JSON of the answer. pydo hands some errors back as if they were answers, so the status is looked at here."""
        try:
            response, body = ask(*arguments, cls=lambda pipeline, deserialized, headers: (pipeline.http_response, deserialized), **options)
        except HttpResponseError as error:
            if error.response is None:
                raise Unavailable("DigitalOcean's answer could not be read. Try again.") from error
            response, body = error.response, _json_of(error.response)
        except (AzureError, OSError, ValueError) as error:  # ValueError: an answer that is no JSON
            raise Unavailable("DigitalOcean does not answer.", code="cloud_unreachable") from error
        if response.status_code < 400:
            return body
        if response.status_code == none_for:
            return None
        raise error_of(response.status_code, response.headers, body if isinstance(body, dict) else {}, scope)


def _json_of(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return {}
