"""Forms in a browser: what is missing or does not fit is said at its field, and nothing that was typed is lost."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import Page, expect

from tests.e2e.browser import chromium, deploy, expect_status, open_tool, page, signed_in
from tests.e2e.conftest import Rest

__all__ = ["chromium", "page", "signed_in"]

CANARY = "canary-4711"


def test_a_required_setting_left_out_is_asked_for_at_its_field(page: Page, rest: Rest, image: str) -> None:
    package = {
        "registryType": "oci",
        "identifier": image,
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "python"}, {"type": "positional", "value": "/srv/workshop.py"}],
        "environmentVariables": [
            {"name": "CITY", "description": "Where to look.", "isRequired": True},
            {"name": "API_KEY", "description": "From your account.", "isRequired": True, "isSecret": True},
        ],
    }
    name = f"org.example/needy-{uuid4().hex[:8]}"
    status, entry = rest.ask("POST", "catalog/", {"name": name, "description": "For a test.", "version": "1.0.0", "packages": [package]})
    assert status == 201, entry

    page.goto("/catalog/?search=" + name.rsplit("/", maxsplit=1)[1])
    page.get_by_role("link", name="Set up").click()
    page.get_by_label("City").fill("Kyiv")
    page.get_by_role("button", name="Deploy", exact=True).click()
    key = page.get_by_label("Api key")
    expect(key).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field", has=key).locator(".field-error")).to_have_text("This field is required.")
    expect(page.get_by_label("City")).to_have_value("Kyiv")
    assert not [server for server in rest.get("servers/?limit=500")["results"] if server["name"].startswith("needy")]

    key.fill(CANARY)
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.locator(".field", has=page.get_by_label("Name")).locator(".field-error")).to_be_visible()
    assert CANARY not in page.content()  # a secret is never sent back

    key.fill(CANARY)
    page.get_by_label("Name").fill(f"needy-{uuid4().hex[:8]}")
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/servers/*-*/")
    expect_status(page, "running")
    expect(page.locator("#facts")).to_contain_text("Kyiv")
    expect(page.locator("#facts")).to_contain_text("API_KEY")
    for view in ("Overview", "Log", "History"):
        page.get_by_role("link", name=view, exact=True).click()
        expect(page.locator("html")).to_have_attribute("data-live", "open")
        assert CANARY not in page.content()


def test_arguments_against_the_schema_are_refused_at_their_fields(page: Page, rest: Rest) -> None:
    server_id = deploy(page, "Everything")
    open_tool(page, "Get Sum Tool")
    page.get_by_label("a", exact=True).fill("1.5")
    page.get_by_role("button", name="Run").click()
    second = page.get_by_label("b", exact=True)
    expect(second).to_be_focused()
    expect(page.locator(".field", has=second).locator(".field-error")).to_have_text("This field is required.")
    expect(page.get_by_label("a", exact=True)).to_have_value("1.5")

    second.fill("2")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".result pre").first).to_have_text("The sum of 1.5 and 2 is 3.5.")

    open_tool(page, "Get Resource Links Tool")
    page.get_by_label("count").fill("99")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".field", has=page.get_by_label("count")).locator(".field-error")).to_contain_text("maximum of 10")
    expect(page.locator(".result")).to_contain_text("refused")
    calls = page.locator("#tool-panel > details")
    expect(calls).to_contain_text("refused")
    assert rest.get(f"servers/{server_id}/")["status"] == "running"


def test_an_image_and_structured_content_are_shown(page: Page) -> None:
    deploy(page, "Everything")
    open_tool(page, "Get Tiny Image Tool")
    page.get_by_role("button", name="Run").click()
    picture = page.get_by_role("img", name="The image that the tool returned")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")

    open_tool(page, "Get Structured Content Tool")
    page.get_by_label("location").select_option("Chicago")
    page.get_by_role("button", name="Run").click()
    page.locator(".result summary").click()
    expect(page.locator("#structured")).to_contain_text('"temperature"')
