"""Take the pictures of the README: `make screenshots`."""

import asyncio

from playwright.async_api import expect

from tests.browser.pages import log_in_anew
from tests.support.browser import chromium
from tests.support.server import ROOT, running

IMAGES = ROOT / "docs" / "images"
WIDE = {"width": 1180, "height": 740}
PHONE = {"width": 390, "height": 740}


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with running(["-m", "examples.chat", "--port", "{port}"]) as base_url, chromium() as browser:
        alice = await log_in_anew(browser, base_url, "alice", viewport=WIDE)
        dark = await log_in_anew(browser, base_url, "alice", viewport=WIDE, color_scheme="dark")
        bob = await log_in_anew(browser, base_url, "bob", viewport=PHONE, has_touch=True)
        carol = await log_in_anew(
            browser, base_url, "carol", viewport=PHONE, has_touch=True, color_scheme="dark"
        )
        for page, other in ((alice, "bob"), (dark, "bob"), (bob, "alice"), (carol, "alice")):
            await page.open(other)
        await bob.say("Is the door open on the new server?")
        await alice.say("It opens for whoever the token names, and for nobody before that.")
        await bob.say("And on my phone?")
        await dark.say("Same login, same door, on every device you open.")
        await carol.say("Can I join in?")
        await alice.announce("Lunch is served in the kitchen")
        for page in (alice, dark, bob):
            await expect(page.texts).to_have_count(4)
            await expect(page.page.locator("#banner")).to_be_visible()
        await expect(carol.messages).to_contain_text("insufficient_scope")

        for page, name in ((alice, "chat"), (dark, "chat-dark"), (bob, "chat-phone"), (carol, "chat-denied")):
            await page.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    asyncio.run(main())
