"""A city makes the house its own: name, colour and logo, in a real browser, and visitors see it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.async_api import expect

from .conftest import OpenPage


async def test_the_house_gets_a_name_a_colour_and_a_logo(open_page: OpenPage, admin: str, tmp_path: Path) -> None:
    Image.new("RGBA", (300, 120), "#a8325a").save(tmp_path / "logo.png")
    page = await open_page("/staff", as_=admin)
    await page.get_by_role("link", name="This house").click()
    before = await page.get_by_label("Name", exact=True).input_value()
    await page.get_by_label("Name", exact=True).fill("Harbour City")
    await page.get_by_label("Colour", exact=True).fill("#a8325a")
    await page.get_by_role("button", name="Look at the colour chosen above").click()
    await expect(page.get_by_text("On light paper #a8325a")).to_be_visible()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Harbour City")
    await page.get_by_label("Logo").set_input_files(tmp_path / "logo.png")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("link", name="Harbour City", exact=True)).to_be_visible()

    visitor = await open_page("/cities")
    logo = visitor.locator(".wordmark img")
    await expect(logo).to_be_visible()
    assert await logo.evaluate("image => image.naturalWidth") == 256
    await expect(visitor.get_by_text("No theme here is linked with another city yet.")).to_be_visible()
    house = await visitor.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--house')")
    assert "#a8325a" in house

    await page.get_by_role("button", name="Remove the logo").click()
    await page.get_by_label("Name", exact=True).fill(before)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("link", name=before, exact=True)).to_be_visible()
    await expect(page.locator(".wordmark img")).to_have_count(0)
