"""The browser of the tests."""

from tests.support.browser import chromium


async def test_it_runs_a_script() -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.set_content("<title>Hello</title>")

        assert await page.evaluate("document.title + navigator.userAgent.includes('Chrome')") == "Hellotrue"
