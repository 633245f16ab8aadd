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

    await second.page.get_by_role("button", name="Log out this device").click()
    await expect(second.page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    await expect(alice.page.locator("#devices li")).to_have_count(1)
    await expect(bob.page.locator("#people [data-user=alice] .avatar")).to_have_attribute(
        "data-online", "true"
    )

    await alice.page.get_by_role("button", name="Log out this device").click()
    await expect(bob.page.locator("#people [data-user=alice] .avatar")).to_have_attribute(
        "data-online", "false"
    )


async def test_logging_out_on_one_device_leaves_the_other_signed_in(browser: Browser, chat_url: str) -> None:
    phone = await log_in_anew(browser, chat_url, "alice")
    laptop = await log_in_anew(browser, chat_url, "alice")

    await phone.page.get_by_role("button", name="Log out this device").click()

    await expect(phone.page).to_have_url(f"{chat_url}/login")
    await expect(phone.page.get_by_role("status")).to_have_count(0)
    await expect(laptop.page.locator("#devices li")).to_have_count(1)
    await expect(laptop.page.locator("#state")).to_have_text("Connected")
    await laptop.open("bob")
    await laptop.say("still here")
    await expect(laptop.messages).to_contain_text("not connected now")


async def test_logging_out_everywhere_shows_on_every_device(browser: Browser, chat_url: str) -> None:
    phone = await log_in_anew(browser, chat_url, "alice")
    laptop = await log_in_anew(browser, chat_url, "alice")
    bob = await log_in_anew(browser, chat_url, "bob")

    await phone.page.get_by_role("button", name="Log out everywhere").click()

    await expect(phone.page).to_have_url(f"{chat_url}/login")
    await expect(laptop.page).to_have_url(f"{chat_url}/login?because=token_revoked")
    await expect(laptop.page.get_by_role("status")).to_have_text(
        "You were logged out. Log in again to go on."
    )
    await expect(bob.page.locator("#people [data-user=alice] .avatar")).to_have_attribute(
        "data-online", "false"
    )
    await expect(bob.page.locator("#state")).to_have_text("Connected")
    # The cookies that the laptop still has are worth nothing.
    await laptop.page.goto(chat_url)
    await expect(laptop.page).to_have_url(f"{chat_url}/login?because=token_revoked")


async def test_a_page_that_stays_open_stays_logged_in(browser: Browser) -> None:
    """The page renews its cookie and its connection, and nobody notices."""
    # Another process, as always: the example's socket would be this one's for good.
    with_short_tokens = """
import sys
from datetime import timedelta
import uvicorn
from examples.chat.app import app, auth
auth.config.JWT_ACCESS_TOKEN_EXPIRES = timedelta(seconds=3)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""
    async with running(["-c", with_short_tokens, "{port}"]) as base_url:
        alice = await log_in_anew(browser, base_url, "alice")
        for _ in range(2):
            async with alice.page.expect_response("**/ws/refresh") as answering:
                pass
            answer = await answering.value
            assert answer.status == 200
        await expect(alice.page.locator("#state")).to_have_text("Connected")
        await expect(alice.page.locator("#devices li")).to_have_count(1)
        await alice.page.close()


async def test_a_reason_that_nobody_wrote_down_is_not_shown(browser: Browser, chat_url: str) -> None:
    page = await browser.new_page()
    for because in ("constructor", "<b>you won</b>"):
        await page.goto(f"{chat_url}/login?because={because}")
        await expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
        await expect(page.get_by_role("status")).to_have_count(0)


async def test_without_a_login_the_page_asks_for_one(browser: Browser, chat_url: str) -> None:
    page = await browser.new_page()
    await page.goto(chat_url)
    await expect(page).to_have_url(f"{chat_url}/login?because=missing_token")
    await expect(page.get_by_role("status")).to_have_count(0)

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
