"""The chat as somebody at a browser uses it."""

from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from examples.chat.people import PASSWORDS


class Chat:
    """One logged-in page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def messages(self) -> Locator:
        """The conversation, with the line under each message."""
        return self.page.locator(".message")

    @property
    def texts(self) -> Locator:
        """What was said."""
        return self.page.locator(".message .bubble")

    async def open(self, user: str) -> None:
        await self.page.locator(f"#people [data-user={user}]").click()

    async def say(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.get_by_role("button", name="Send").click()

    async def announce(self, text: str) -> None:
        await self.page.get_by_label("Announce to everybody").fill(text)
        await self.page.get_by_role("button", name="Announce").click()


async def log_in(context: BrowserContext, base_url: str, user: str) -> Chat:
    """Log in by the form and wait until the socket is connected and the people are there."""
    page = await context.new_page()
    await page.goto(f"{base_url}/login")
    await page.get_by_label("Name").fill(user)
    await page.get_by_label("Password").fill(PASSWORDS[user])
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.locator("#my-name")).to_have_text(user)
    await expect(page.locator("#people li")).to_have_count(2)
    return Chat(page)


async def log_in_anew(browser: Browser, base_url: str, user: str, **options: Any) -> Chat:
    """Log in with a browser profile of its own: another device."""
    return await log_in(await browser.new_context(**options), base_url, user)
