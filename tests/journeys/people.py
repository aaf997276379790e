"""What people do at a browser, in words that the stories share."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.interop import browser as forms


async def sign_in(page: Page, name: str, password: str) -> None:
    """Fill in and send the form on the sign-in page."""
    main = page.get_by_role("main")
    await main.get_by_label("Name or e-mail").fill(name)
    await main.get_by_label("Password", exact=True).fill(password)
    await main.get_by_role("button", name="Sign in").click()


async def answer(someone: forms.Browser, topic: str, text: str, **more: str) -> None:
    """Answer a topic as somebody without a window."""
    await someone.send(f"/t/{topic.split('/')[2]}/reply", page=topic, text=text, **more)


def post(page: Page, text: str) -> Locator:
    """The post that contains ``text``."""
    return page.locator("article.post").filter(has_text=text)


async def write(page: Page, text: str) -> None:
    """Answer a topic through the reply box at its end."""
    await page.get_by_label("Your reply").fill(text)
    await page.get_by_role("main").get_by_role("button", name="Reply", exact=True).click()
    await expect(post(page, text)).to_be_visible()


async def menu(page: Page, text: str, item: str) -> None:
    """Choose ``item`` in the menu of the post that contains ``text``."""
    await post(page, text).get_by_text("More", exact=True).click()
    await post(page, text).get_by_role("link", name=item, exact=True).click()


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until ``target`` has the focus, as somebody without a mouse does."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{target} cannot be reached with Tab on {page.url}")


async def shoot(page: Page, name: str) -> None:
    """Keep a picture where FOLKMOOT_SHOTS names a folder, for whoever wants to look."""
    if folder := os.environ.get("FOLKMOOT_SHOTS"):
        await page.screenshot(path=Path(folder, f"j-{name}.png"))
