"""The example, used by people in a real browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import log_in, log_in_anew
from tests.support.server import running


@pytest.fixture
async def chat_url() -> AsyncIterator[str]:
    async with running(["-m", "examples.chat", "--port", "{port}"]) as base_url:
        yield base_url


async def test_a_message_reaches_every_device_of_its_addressee_and_nobody_else(
    browser: Browser, chat_url: str
) -> None:
    alice = await log_in_anew(browser, chat_url, "alice")
    phone = await log_in_anew(browser, chat_url, "alice", viewport={"width": 390, "height": 844})
    bob = await log_in_anew(browser, chat_url, "bob")
    carol = await log_in_anew(browser, chat_url, "carol")
    for page, other in ((alice, "bob"), (phone, "bob"), (bob, "alice"), (carol, "bob")):
        await page.open(other)

    await bob.say("<b>hello</b> alice")

    await expect(alice.texts).to_have_text(["<b>hello</b> alice"])
    await expect(phone.texts).to_have_text(["<b>hello</b> alice"])
    await expect(bob.messages).to_contain_text("on 2 devices")
    # What carol hears after it proves that nothing else was on its way to her.
    await alice.announce("That is all")
    await expect(carol.page.locator("#banner")).to_contain_text("alice: That is all")
    await expect(carol.texts).to_have_count(0)


async def test_what_is_said_on_one_device_shows_on_the_other(browser: Browser, chat_url: str) -> None:
    alice = await log_in_anew(browser, chat_url, "alice")
    bob = await log_in_anew(browser, chat_url, "bob")
    await alice.open("bob")
    await bob.open("alice")
    await alice.say("first")
    await expect(bob.texts).to_have_text(["first"])

    late = await log_in_anew(browser, chat_url, "alice")
    await late.open("bob")
    await expect(late.texts).to_have_text(["first"])
    await late.say("second")

    for page in (alice, bob, late):
        await expect(page.texts).to_have_text(["first", "second"])


async def test_a_missing_scope_and_a_missing_role_are_told_on_screen(browser: Browser, chat_url: str) -> None:
    bob = await log_in_anew(browser, chat_url, "bob")
    carol = await log_in_anew(browser, chat_url, "carol")
    await bob.open("carol")
    await carol.open("bob")

    await carol.say("may I?")
    await carol.announce("listen to me")

    await expect(carol.messages).to_contain_text("insufficient_scope")
    await expect(carol.page.get_by_role("alert")).to_contain_text("insufficient_role")
    await bob.say("only one of us may write")
    await expect(carol.messages).to_have_count(2)
    await expect(bob.messages).to_have_count(1)


async def test_ones_own_devices_come_and_go(browser: Browser, chat_url: str) -> None:
    alice = await log_in_anew(browser, chat_url, "alice")
    bob = await log_in_anew(browser, chat_url, "bob")
    await expect(alice.page.locator("#devices li")).to_have_count(1)

    second = await log_in_anew(browser, chat_url, "alice")
    await expect(alice.page.locator("#devices li")).to_have_count(2)
    await expect(alice.page.locator("#devices li", has_text="this one")).to_have_count(1)

    await second.page.get_by_role("button", name="Log out").click()
    await expect(second.page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    await expect(alice.page.locator("#devices li")).to_have_count(1)
    await expect(bob.page.locator("#people [data-user=alice] .avatar")).to_have_attribute(
        "data-online", "true"
    )

    await alice.page.get_by_role("button", name="Log out").click()
    await expect(bob.page.locator("#people [data-user=alice] .avatar")).to_have_attribute(
        "data-online", "false"
    )


async def test_without_a_login_the_page_asks_for_one(browser: Browser, chat_url: str) -> None:
    page = await browser.new_page()
    await page.goto(chat_url)
    await expect(page).to_have_url(f"{chat_url}/login")

    await page.get_by_label("Name").fill("alice")
    await page.get_by_label("Password").fill("guess")
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("do not belong together")


async def test_the_page_loads_nothing_from_elsewhere_and_reports_no_error(
    browser: Browser, chat_url: str
) -> None:
    context = await browser.new_context()
    requests: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "console", lambda message: complaints.append(message.text) if message.type == "error" else None
    )

    alice = await log_in(context, chat_url, "alice")
    await alice.open("bob")

    assert [url for url in requests if not url.startswith(chat_url)] == []
    assert complaints == []
