"""Pictures in a post: picked, pasted, dropped and described by one member, seen by another; by keyboard, too."""

from __future__ import annotations

import base64
from pathlib import Path

from playwright.async_api import Page, expect

from tests import images

from .conftest import OpenPage
from .people import post, shoot, tab_to

DESCRIBE = "Describe the picture for those who do not see it"

# A browser builds such events only for people; these are the same events with the same content.
_GIVE = """([kind, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, { type }));
  const area = document.querySelector("#composer textarea, [data-cover]");
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: given, bubbles: true, cancelable: true });
  return !area.dispatchEvent(event);
}"""


async def give(page: Page, kind: str, name: str, content: bytes, media_type: str = "image/png") -> None:
    taken = await page.evaluate(_GIVE, [kind, name, media_type, base64.b64encode(content).decode()])
    assert taken, f"the page leaves {kind} to the browser"


async def test_pictures_are_put_into_a_reply_and_seen_by_another(
    open_page: OpenPage, topic: str, word: str, tmp_path: Path
) -> None:
    page = await open_page(topic, as_="planner")
    text = page.get_by_label("Your reply")
    await text.fill(f"Look at {word}.")
    photo = tmp_path / "yard.jpg"
    photo.write_bytes(images.photograph())
    async with page.expect_file_chooser() as chosen:
        await page.get_by_role("button", name="Add a picture").click()
    await (await chosen.value).set_files([photo])
    yard = page.get_by_role("listitem").filter(has_text="yard.jpg")
    await expect(yard.get_by_label(DESCRIBE)).to_be_visible()

    await give(page, "paste", "halves.png", images.picture())
    halves = page.get_by_role("listitem").filter(has_text="halves.png")
    await expect(halves.get_by_label(DESCRIBE)).to_be_visible()
    await give(page, "dragover", "plan.webp", b"", "image/webp")
    await give(page, "drop", "plan.webp", images.picture("WEBP", size=(900, 300)), "image/webp")
    plan = page.get_by_role("listitem").filter(has_text="plan.webp")
    await expect(plan.get_by_label(DESCRIBE)).to_be_visible()
    await shoot(page, "pictures-adding")

    # What is not in the text yet is not lost without a word.
    await page.get_by_role("main").get_by_role("button", name="Reply", exact=True).click()
    await expect(page.get_by_text("A picture is not in your text yet").first).to_be_visible()
    await yard.get_by_label(DESCRIBE).fill("A yard [with] trees")
    await yard.get_by_role("button", name="Put into the text").click()
    await halves.get_by_role("button", name="Put into the text").click()
    await expect(halves.get_by_text("Without a description")).to_be_visible()
    await halves.get_by_label(DESCRIBE).fill("Red and blue")
    await halves.get_by_label(DESCRIBE).press("Enter")
    await plan.get_by_role("button", name="Leave out").click()
    await expect(page.locator("[data-uploads] li")).to_have_count(0)
    assert (await text.input_value()).startswith(f"Look at {word}.\n\n![A yard \\[with\\] trees](/media/")

    await page.get_by_role("button", name="Preview").click()
    await expect(page.get_by_role("region", name="Preview").get_by_role("img")).to_have_count(2)
    await page.get_by_role("main").get_by_role("button", name="Reply", exact=True).click()
    await expect(post(page, word).get_by_role("img", name="A yard [with] trees")).to_be_visible()
    await shoot(page, "pictures-shown")

    other = await open_page(topic, as_="resident", viewport={"width": 390, "height": 800})
    for name, size in (("A yard [with] trees", [400, 800]), ("Red and blue", [640, 320])):
        shown = post(other, word).get_by_role("img", name=name)
        await shown.scroll_into_view_if_needed()
        await expect(shown).to_have_js_property("complete", True)
        assert await shown.evaluate("each => each.naturalWidth > 0")
        box = await shown.bounding_box()
        assert box is not None
        assert box["width"] <= 390
        assert abs(box["width"] / box["height"] - size[0] / size[1]) < 0.02
    await shoot(other, "pictures-phone")


async def test_progress_is_shown_and_an_upload_can_be_cancelled(open_page: OpenPage, topic: str) -> None:
    page = await open_page(topic, as_="planner")
    await page.route("**/media", lambda route: None)  # it never answers
    await page.get_by_label("Your reply").fill("Wait for it")
    await give(page, "paste", "slow.png", images.picture())
    slow = page.get_by_role("listitem").filter(has_text="slow.png")
    await expect(slow.get_by_role("progressbar")).to_be_visible()
    await shoot(page, "pictures-progress")
    await slow.get_by_role("button", name="Cancel").click()
    await expect(slow).to_have_count(0)
    await page.unroute("**/media")
    await give(page, "drop", "drawing.svg", b"<svg/>", "image/svg+xml")
    await expect(page.get_by_text("drawing.svg is no picture that can be shown").first).to_be_visible()
    await give(page, "drop", "huge.png", bytes(10_100_000))
    await expect(page.get_by_text("huge.png is too large").first).to_be_visible()
    await give(page, "drop", "false.png", b"no picture at all")
    await expect(page.get_by_text("false.png: This is no picture").first).to_be_visible()
    await expect(page.get_by_label("Your reply")).to_have_value("Wait for it")
    await shoot(page, "pictures-refused")


async def test_a_picture_is_added_by_keyboard(open_page: OpenPage, topic: str, word: str, tmp_path: Path) -> None:
    page = await open_page(topic, as_="resident")
    photo = tmp_path / "keys.png"
    photo.write_bytes(images.picture())
    # Listening from the start: the browser takes a moment to hand its dialogs over.
    page.on("filechooser", lambda chooser: chooser.set_files([photo]))
    await page.get_by_label("Your reply").focus()
    await page.keyboard.type(f"By keyboard {word}")
    await tab_to(page, page.get_by_role("button", name="Add a picture"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_label(DESCRIBE)).to_be_focused()
    await page.keyboard.type("Keys")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Your reply")).to_be_focused()
    await page.keyboard.press("Control+Enter")
    await expect(post(page, word).get_by_role("img", name="Keys")).to_be_visible()


async def test_the_picture_of_an_article_is_picked_pasted_or_dropped(open_page: OpenPage, tmp_path: Path) -> None:
    page = await open_page("/staff/articles/new", as_="gazette")
    await page.get_by_role("button", name="Begin the draft").click()
    cover, alt = page.locator("[data-cover]"), page.get_by_label(DESCRIBE)
    photo = tmp_path / "yard.jpg"
    photo.write_bytes(images.photograph())
    async with page.expect_file_chooser() as chosen:
        await cover.get_by_role("button", name="Upload a picture").click()
    await (await chosen.value).set_files([photo])
    await expect(cover.get_by_role("status")).to_contain_text("yard.jpg has arrived and is chosen")
    first = await cover.locator("input:checked").get_attribute("value")
    await give(page, "paste", "halves.png", images.picture())
    await expect(cover.get_by_role("status")).to_contain_text("halves.png has arrived")
    await give(page, "dragover", "plan.webp", b"", "image/webp")
    await give(page, "drop", "plan.webp", images.picture("WEBP", size=(900, 300)), "image/webp")
    await expect(cover.get_by_role("status")).to_contain_text("plan.webp has arrived")
    assert await cover.locator("input:checked").get_attribute("value") != first
    await expect(page.get_by_role("listitem").filter(has_text="plan.webp")).to_have_count(0)
    await alt.fill("A plan of the yard")
    await page.get_by_label("Title", exact=True).fill("The yard")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.reload()
    await expect(alt).to_have_value("A plan of the yard")
