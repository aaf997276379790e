"""Every page in both colour schemes and on a small screen: accessible, quiet, at home, and light to load."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, expect

from tests.interop import browser as forms
from tests.interop.members import Member
from tests.interop.server import Folkmoot

from .conftest import OpenPage
from .people import answer, post, shoot
from .place import PASSWORD, Place

STATIC = Path(__file__).parents[2] / "web" / "static"
LIMIT = 30_000
COLOUR_RULES = ("color-contrast", "link-in-text-block")
NARROW_RULES = ("scrollable-region-focusable", "region", "heading-order", "aria-hidden-focus", "label", "link-name")

# Name, path and who looks; {…} are the addresses that ``lively`` found.
PAGES = {
    "home": ("/", ""),
    "home-of-a-member": ("/", "planner"),
    "themes": ("/themes", ""),
    "blog": ("/blog", ""),
    "blog-of-an-editor": ("/g/mobility/blog", "gazette"),
    "article": ("{article}", ""),
    "article-of-a-member": ("{article}", "planner"),
    "articles-desk": ("/staff/articles", "gazette"),
    "article-written": ("/staff/articles/1", "gazette"),
    "agenda": ("{agenda}", ""),
    "agenda-item": ("{agenda}/1", ""),
    "agenda-item-of-a-member": ("{agenda}/2", "planner"),
    "agenda-item-of-staff": ("{agenda}/3", "gazette"),
    "agenda-merged": ("{agenda}/5", ""),
    "agenda-why-not": ("{agenda}/declined", ""),
    "agenda-whole": ("{agenda}/whole", ""),
    "agendas": ("/agenda?all=1", "planner"),
    "agenda-put": ("{post}/agenda", "planner"),
    "agenda-propose": ("{agenda}/propose", "planner"),
    "agenda-curate": ("{agenda}/4/curate?part=split", "gazette"),
    "agenda-edit": ("{agenda}/edit", "gazette"),
    "agenda-sessions": ("{agenda}/sessions", "gazette"),
    "agendas-of-staff": ("/staff/agendas", "gazette"),
    "agenda-new": ("/staff/agendas/new", "gazette"),
    "citations": ("/citations", "neighbour"),
    "theme": ("/g/mobility", ""),
    "theme-of-a-member": ("/g/mobility?sort=top", "planner"),
    "topic": ("{topic}", ""),
    "topic-of-a-member": ("{topic}", "planner"),
    "topic-of-staff": ("{topic}", "warden"),
    "new-topic": ("/g/mobility/new", "planner"),
    "edit": ("{post}/edit", "planner"),
    "history": ("{post}/history", ""),
    "delete": ("{post}/delete", "planner"),
    "profile-here": ("/u/planner", ""),
    "profile-elsewhere": ("{alice}", ""),
    "notifications": ("/notifications", "planner"),
    "notifications-none": ("/notifications", "warden"),
    "sign-in": ("/sign-in", ""),
    "sign-up": ("/sign-up", ""),
    "settings": ("/settings", "planner"),
    "look": ("/settings/look", "planner"),
    "password": ("/settings/password", "planner"),
    "devices": ("/settings/devices", "planner"),
    "moving": ("/settings/moving", "planner"),
    "following": ("/following", "planner"),
    "find": ("/find?q=nobody", "planner"),
    "report": ("/p/1/report", "planner"),
    "staff": ("/staff", "warden"),
    "staff-sign-ups": ("/staff/sign-ups", "warden"),
    "staff-themes": ("/staff/themes", "warden"),
    "staff-new-theme": ("/staff/themes/new", "warden"),
    "staff-theme": ("/staff/themes/mobility", "warden"),
    "staff-links": ("/staff/links", "warden"),
    "staff-hosts": ("/staff/hosts", "warden"),
    "staff-host": ("/staff/hosts/new.example", "warden"),
    "staff-jobs": ("/staff/jobs", "warden"),
    "staff-house": ("/staff/house", "warden"),
    "staff-reports": ("/staff/reports", "warden"),
    "staff-suspended": ("/staff/suspended", "warden"),
    "staff-debates": ("/staff/debates", "warden"),
    "debate-new": ("/g/mobility/debates/new", "warden"),
    "debate-seats": ("{debate}/seats", "warden"),
    "debate-edit": ("{debate}/edit", "warden"),
    "debate-move": ("{debate}/move", "warden"),
    "debate-cancel": ("{debate}/cancel", "warden"),
    "invitation": ("{invitation}", ""),
    "people": ("/g/mobility/people", "warden"),
    "cities": ("/cities", ""),
    "debates-list": ("/debates", ""),
    "theme-with-debates": ("/g/water", "warden"),
    "debate-announced": ("{announced}", "planner"),
    "debate-call": ("{call}", ""),
    "debate-live": ("{live}", "resident"),
    "debate-live-of-host": ("{live}?order=new&side=for", "chair"),
    "debate-hour-ahead": ("{call}/live", "resident"),
    "debate-hour": ("{live}/live", ""),
    "debate-hour-of-a-member": ("{live}/live", "resident"),
    "debate-hour-over": ("{closed}/live", ""),
    "debate-closed": ("{closed}", ""),
    "debate-everything": ("{floor}", "resident"),
    "debate-questions": ("{live}/questions", ""),
    "debate-questions-of-a-member": ("{call}/questions", "resident"),
    "debate-questions-over": ("{closed}/questions", "resident"),
    "debate-desk": ("{live}/desk", "planner"),
    "debate-results": ("{live}/results", "resident"),
    "debate-results-over": ("{closed}/results", ""),
    "debate-conclusion": ("{closed}/conclusion", "planner"),
    "debate-digest": ("{closed}/digest", "warden"),
    "debate-whole": ("{closed}/whole", ""),
    "log": ("/log", ""),
    "about": ("/about", ""),
    "privacy": ("/about/privacy", ""),
    "away": ("/away?uri=https%3A%2F%2Fcity.example%2Fp%2F1", ""),
    "error-404": ("/g/nowhere", ""),
    "gone-410": ("{gone}", ""),
}


@pytest_asyncio.fixture(scope="session")
async def lively(
    folkmoot: Folkmoot, place: Place, neighbour: forms.Browser, elsewhere: Member, admin: str
) -> dict[str, str]:
    """Addresses in a topic with everything in it: answers from elsewhere, an edit, a removal, quotes, long words."""
    planner = await folkmoot.browser("planner", PASSWORD)
    try:
        opener = await planner.open_topic(
            "mobility",
            "Should the night bus wait for the last ferry?",
            "It *leaves* at 0:40, the ferry lands at 0:45.\n\n- wait\n- run\n\n> Quoted.\n\n"
            "`code` and [a link](https://city.example/"
            + "long" * 30
            + ")\n\n```\n"
            + "a line of code that is wider than a small screen " * 3
            + "\n```\n\n"
            + "Unbreakable" * 12,
        )
        topic = await folkmoot.topic_page(opener)
        await elsewhere.post("alice", "Ours waits.", inReplyTo=opener)
        page = await planner.see(topic, "Ours waits.")
        await answer(neighbour, topic, "Then I would take it.", reply_to=page.entry("Ours waits.").post)
        await answer(neighbour, topic, "Never mind.")
        page = await planner.get(topic)
        gone = f"/p/{page.entry('Never mind.').post}"
        await neighbour.send(f"{gone}/delete", page=f"{gone}/delete")
        edited = opener.removeprefix(folkmoot.origin)
        shown = await planner.get(f"{edited}/edit")
        form = shown.form(f"{edited}/edit")
        assert form is not None
        text = form.fields["text"].replace("0:40", "0:50")
        await planner.send(f"{edited}/edit", page=f"{edited}/edit", text=text)
        await planner.send(f"/p/{page.entry('Ours waits.').post}/like", page=topic)
        floor = re.search(r'href="(/t/\d+/[^"]+)"', (await planner.get(place.debates["live"])).html)
        assert floor is not None
    finally:
        await planner.close()
    debate, invitation = await _debate(folkmoot, neighbour, admin)
    return {
        "debate": debate,
        "invitation": invitation,
        "topic": topic,
        "article": place.article,
        "agenda": place.agenda,
        "post": edited,
        "gone": gone,
        "alice": f"/u/alice@{elsewhere.host}",
        "floor": floor[1],
        **place.debates,
    }


async def _debate(folkmoot: Folkmoot, neighbour: forms.Browser, admin: str) -> tuple[str, str]:
    """The paths of a debate to come and of the neighbour's invitation to host it."""
    warden = await folkmoot.browser(admin, PASSWORD)
    try:
        new = "/g/mobility/debates/new"
        day = datetime.now(UTC) + timedelta(days=40)
        made = await warden.send(
            new, page=new, motion="Buses should be free for everybody", text="Tried in *many* places.",
            date=f"{day:%Y-%m-%d}", time="14:00", zone="Europe/Paris", hosts="@neighbour",
        )  # fmt: skip
    finally:
        await warden.close()
    told = await neighbour.get("/notifications")
    leads = next(url for url, words in told.links if words == "Read the invitation")
    return made.path.removesuffix("/seats"), (await neighbour.get(leads)).path


async def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds on the page as it stands, by all its rules or by those named, one line for each place."""
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = await page.evaluate("(options) => axe.run(options).then((result) => result.violations)", options)
    return [
        f"{rule['id']}: {node['html'][:160]} {' '.join(node.get('failureSummary', '').split())[:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_accessible_quiet_and_at_home(open_page: OpenPage, lively: dict[str, str], name: str) -> None:
    """What ``open_page`` watches for counts here: nothing thrown, nothing missing, no other origin asked."""
    path, who = PAGES[name]
    page = await open_page(path.format_map(lively), as_=who, reduced_motion="reduce")
    await expect(page).to_have_title(re.compile(r"\w"))
    await page.evaluate(AXE_SCRIPT)
    wrong: list[str] = []
    for look, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        await page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        await page.set_viewport_size({"width": width, "height": 900})
        await shoot(page, f"{name}-{look}-{width}")
        # The page is the same in the dark, but for its colours, and on a small screen, but for what is where.
        rules = COLOUR_RULES if look == "dark" else NARROW_RULES if width < 1000 else ()
        wrong += [f"{look} at {width}: {line}" for line in await violations(page, *rules)]
        too_wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if too_wide > 0:
            wrong.append(f"{look} at {width}: scrolls sideways by {too_wide} px: {await culprits(page)}")
    assert wrong == []


async def culprits(page: Page) -> list[str]:
    """What stands out beyond the right edge."""
    found: list[str] = await page.evaluate(
        """[...document.querySelectorAll("main *, header *")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 120))"""
    )
    return found[:5]


async def test_open_menus_and_the_composer_are_accessible(open_page: OpenPage, lively: dict[str, str]) -> None:
    page = await open_page(lively["topic"], as_="warden", viewport={"width": 390, "height": 900})
    await page.evaluate(AXE_SCRIPT)
    steps = {
        "you": page.get_by_label("Your menu"),
        "moderate": page.get_by_text("Moderate", exact=True),
        "more": post(page, "Ours waits.").get_by_text("More", exact=True),
        "composer": page.get_by_label("Your reply"),
    }
    wrong: list[str] = []
    for name, target in steps.items():
        await target.click()
        await shoot(page, f"open-{name}")
        wrong += [f"{name}: {line}" for line in await violations(page)]
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{name}: scrolls sideways: {await culprits(page)}")
        await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert wrong + await violations(page) == []


async def test_on_a_small_screen_no_face_covers_words(open_page: OpenPage, lively: dict[str, str]) -> None:
    page = await open_page(lively["topic"], viewport={"width": 390, "height": 900})
    answered = post(page, "Then I would take it.")
    face = await answered.locator(".face").bounding_box()
    words = await answered.get_by_text("in reply to alice").bounding_box()
    assert face is not None
    assert words is not None
    assert face["y"] + face["height"] <= words["y"]


async def test_an_empty_page_says_so_in_one_line(open_page: OpenPage, admin: str) -> None:
    page = await open_page("/notifications", as_=admin)
    box = await page.get_by_text("Nothing yet. You are told here").bounding_box()
    assert box is not None
    assert box["width"] > 400


async def test_a_member_chooses_dark_and_it_stays(open_page: OpenPage) -> None:
    page = await open_page("/settings/look", as_="resident", color_scheme="light")
    ink = "getComputedStyle(document.body).color"
    light = await page.evaluate(ink)
    await page.get_by_label("Dark").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    await page.goto("/")
    dark = await page.evaluate(ink)
    assert dark != light
    await page.evaluate(AXE_SCRIPT)
    assert await violations(page) == []
    await page.goto("/settings/look")
    await page.get_by_label("As the device").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    assert await page.evaluate(ink) == light


async def test_paper_shows_the_text_and_nothing_to_press(open_page: OpenPage, lively: dict[str, str]) -> None:
    page = await open_page(lively["topic"], as_="planner", reduced_motion="reduce")
    await page.emulate_media(media="print")
    await expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    await expect(page.get_by_label("Your reply")).to_be_hidden()
    await expect(post(page, "Ours waits.").get_by_text("More", exact=True)).to_be_hidden()
    await expect(post(page, "Ours waits.")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await shoot(page, "print")


async def test_with_reduced_motion_nothing_moves(open_page: OpenPage, neighbour: forms.Browser, topic: str) -> None:
    page = await open_page(topic, reduced_motion="reduce")
    await answer(neighbour, topic, "Suddenly there.")
    await expect(post(page, "Suddenly there.")).to_be_visible()
    assert await page.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("kind", ["js", "css"])
def test_all_scripts_and_all_styles_are_small(kind: str) -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in STATIC.glob(f"*.{kind}")}
    assert sizes
    assert sum(sizes.values()) < LIMIT, sizes
