"""Keeping order across servers: reports both ways, moderators at home elsewhere, and what ours do, told to forums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest_asyncio

from .browser import Browser
from .members import ANY, Member, Record, announces, id_of
from .server import Folkmoot

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
AS2 = "https://www.w3.org/ns/activitystreams"


@pytest_asyncio.fixture(scope="module")
async def market(folkmoot: Folkmoot, clara: Browser, forum: Member) -> str:
    """A theme that fred on a forum follows."""
    theme = await clara.add_theme("market", "Market")
    await forum.follow("fred", theme)
    await forum.expect_accepted("fred", theme)
    await clara.see(f"/staff/hosts?q={forum.host}", forum.software)
    return theme


@pytest_asyncio.fixture(scope="module")
async def moderator(folkmoot: Folkmoot, market: str, clara: Browser, bobs: Member, forum: Member) -> str:
    """The URI of bob, who is made a moderator of the theme on its page."""
    bob = bobs.uri("bob")
    await clara.send("/g/market/people", page="/g/market/people", action="appoint", handle=bobs.handle("bob"))
    told = await forum.expect("the appointment", announces(bob, wrapped="Add"), contains=bob)
    inner = told["activity"]["object"]
    assert (inner["actor"], inner["target"]) == (folkmoot.person("clara"), f"{market}/moderators")
    assert bob in [id_of(item) for item in await folkmoot.items(f"{market}/moderators")]
    return bob


def passes_on(activity: str) -> Callable[[Record], bool]:
    """Matches the theme's Announce of the activity with this id."""
    return lambda r: r["type"] == "Announce" and id_of(r["activity"]["object"]) == activity


def tells(kind: str, about: str) -> Callable[[Record], bool]:
    """Matches ``Announce{kind{about}}``, or ``Announce{Undo{kind{about}}}`` where the kind begins with Undo."""

    def matches(record: Record) -> bool:
        inner = record["activity"].get("object")
        if record["type"] != "Announce" or not isinstance(inner, dict):
            return False
        outer, _, wanted = kind.rpartition(" ")
        if outer:
            if inner.get("type") != outer or not isinstance(inner["object"], dict):
                return False
            inner = inner["object"]
        return bool(inner.get("type") == wanted and id_of(inner.get("object")) == about)

    return matches


class Hand:
    """Somebody who moderates a theme with the tools of their own server."""

    def __init__(self, member: Member, name: str, folkmoot: Folkmoot, theme: str) -> None:
        self.member, self.name, self.theme = member, name, theme
        self.inbox = f"{folkmoot.origin}/inbox"
        self.count = 0

    async def do(self, kind: str, about: Any, **fields: Any) -> dict[str, Any]:
        """Send an activity addressed as Lemmy does; the activity."""
        self.count += 1
        by = self.member.uri(self.name)
        activity = {
            "@context": AS2, "id": f"{by}/moderation/{self.theme.rsplit('/', 1)[-1]}-{kind}-{self.count}", "type": kind,
            "actor": by, "object": about, "to": [PUBLIC], "cc": [self.theme], "audience": self.theme, **fields,
        }  # fmt: skip
        await self.member.raw(self.name, activity=activity, inbox=self.inbox, answers=ANY)
        return activity

    async def undo(self, earlier: dict[str, Any]) -> dict[str, Any]:
        return await self.do("Undo", {key: value for key, value in earlier.items() if key != "@context"})


def tools_of(path: str) -> str:
    """Where the forms of moderators lead, of the topic with this page."""
    return "/".join(path.split("/")[:3])


async def featured(folkmoot: Folkmoot, theme: str) -> list[str | None]:
    return [id_of(item) for item in await folkmoot.items(f"{theme}/featured")]


# ---------------------------------------------------------------- reports
async def test_a_report_from_elsewhere_waits_for_our_staff(
    folkmoot: Folkmoot, topic: str, clara: Browser, alices: Member, bobs: Member, word: str
) -> None:
    reply = (await bobs.post("bob", f"Buy {word} now", inReplyTo=topic))["object"]
    await clara.see(await folkmoot.topic_page(topic), f"Buy {word} now")
    # As Mastodon and NodeBB do: the person first, then the posts.
    inbox, accused = f"{folkmoot.origin}/inbox", [bobs.uri("bob"), reply]
    await alices.command("flag", as_="alice", target=accused, text=f"Advertising {word}", inbox=inbox)
    page = await clara.see("/staff/reports", f"Advertising {word}")
    assert f"Buy {word} now" in page.text
    # Nobody else hears of it.
    assert await bobs.received(kind="Flag") == []


async def test_a_report_of_ours_is_sent_on_without_a_name(
    folkmoot: Folkmoot, topic: str, clara: Browser, alices: Member, word: str
) -> None:
    reply = (await alices.post("alice", f"Buy {word} now", inReplyTo=topic))["object"]
    path = await folkmoot.topic_page(topic)
    entry = (await clara.see(path, f"Buy {word} now")).entry(f"Buy {word} now")
    await clara.send(
        f"/p/{entry.post}/report", page=f"/p/{entry.post}/report", reason=f"Advertising {word}", sent_on="on"
    )
    record = await alices.expect("the report", lambda r: r["type"] == "Flag", contains=word)
    flag = record["activity"]
    assert flag["actor"] == record["verify"]["http"]["owner"] == f"{folkmoot.origin}/"
    assert flag["object"] == [alices.uri("alice"), reply]
    assert (flag["to"], flag["content"], flag["summary"]) == ([alices.uri("alice")], *[f"Advertising {word}"] * 2)
    assert "clara" not in record["raw"]


# ---------------------------------------------------------------- a moderator at home elsewhere
async def test_a_moderator_elsewhere_keeps_order_with_their_own_tools(
    folkmoot: Folkmoot, market: str, moderator: str, clara: Browser, visitor: Browser, alices: Member, bobs: Member,
    forum: Member, word: str,
) -> None:  # fmt: skip
    bob = Hand(bobs, "bob", folkmoot, market)
    topic = await clara.open_topic("market", f"Stalls for {word}", "How many?")
    path = await folkmoot.topic_page(topic)

    async def passed_on(activity: dict[str, Any]) -> None:
        record = await forum.expect(activity["type"], passes_on(activity["id"]), contains=activity["id"])
        assert (record["activity"]["actor"], record["activity"]["object"]) == (market, activity)

    pin = await bob.do("Add", topic, target=f"{market}/featured")
    await passed_on(pin)
    assert topic in await featured(folkmoot, market)
    await passed_on(await bob.do("Remove", topic, target=f"{market}/featured"))
    assert topic not in await featured(folkmoot, market)

    lock = await bob.do("Lock", topic)
    await passed_on(lock)
    assert (await clara.get(path)).form(f"{tools_of(path)}/open")
    await alices.post("alice", f"Too late, {word}", inReplyTo=topic)
    await passed_on(await bob.undo(lock))
    assert (await clara.get(path)).form(f"{tools_of(path)}/close")

    anna = alices.uri("anna")
    rude = (await alices.post("anna", f"Rude {word}", inReplyTo=topic))["object"]
    await visitor.see(path, f"Rude {word}")
    ban = await bob.do("Block", anna, target=market, summary="Rudeness")
    await passed_on(ban)
    await alices.post("anna", f"Still rude {word}", inReplyTo=topic)
    removal = await bob.do("Delete", rude, summary="Rudeness")
    await passed_on(removal)
    page = await visitor.miss(path, f"Rude {word}")
    assert "Rudeness" in page.text
    await passed_on(await bob.undo(ban))
    await alices.post("anna", f"Sorry, {word}", inReplyTo=topic)
    page = await visitor.see(path, f"Sorry, {word}")
    assert not [said for said in (f"Too late, {word}", f"Still rude {word}") if said in page.text]
    # Taken back, the text comes anew from where it was written.
    await bob.undo(removal)
    await visitor.see(path, f"Rude {word}")


async def test_strangers_keep_no_order(
    folkmoot: Folkmoot, market: str, moderator: str, clara: Browser, visitor: Browser, alices: Member, bobs: Member,
    forum: Member, word: str,
) -> None:  # fmt: skip
    ben = Hand(bobs, "ben", folkmoot, market)
    topic = await clara.open_topic("market", f"Prices of {word}", "How high?")
    path = await folkmoot.topic_page(topic)
    reply = (await alices.post("alice", f"Very {word}", inReplyTo=topic))["object"]
    await visitor.see(path, f"Very {word}")
    tried = [
        await ben.do("Add", topic, target=f"{market}/featured"),
        await ben.do("Add", ben.member.uri("ben"), target=f"{market}/moderators"),
        await ben.do("Remove", moderator, target=f"{market}/moderators"),
        await ben.do("Lock", topic),
        await ben.do("Block", alices.uri("alice"), target=market),
        await ben.do("Delete", reply, summary="No reason"),
    ]
    later = (await alices.post("alice", f"Even so, {word}", inReplyTo=topic))["object"]
    await visitor.see(path, f"Even so, {word}")
    await forum.expect("the later reply", announces(later, wrapped="Create"), contains=later)
    page = await visitor.get(path)
    assert f"Very {word}" in page.text
    assert (await clara.get(path)).form(f"{tools_of(path)}/close")
    assert topic not in await featured(folkmoot, market)
    people = [id_of(item) for item in await folkmoot.items(f"{market}/moderators")]
    assert (moderator in people, ben.member.uri("ben") in people) == (True, False)
    heard = {id_of(record["activity"]["object"]) for record in await forum.received(contains=market)}
    assert heard.isdisjoint(activity["id"] for activity in tried)


# ---------------------------------------------------------------- moderators at home here
async def test_what_our_moderators_do_is_told_to_forums(
    folkmoot: Folkmoot, market: str, clara: Browser, visitor: Browser, alices: Member, forum: Member, word: str
) -> None:
    topic = await clara.open_topic("market", f"Hours for {word}", "From when?")
    path = await folkmoot.topic_page(topic)
    tools = tools_of(path)
    await forum.expect("the topic", announces(topic, wrapped="Create"), contains=topic)

    async def told(kind: str, about: str = topic) -> Record:
        record = await forum.expect(f"{kind} of it", tells(kind, about), contains=about)
        inner = record["activity"]["object"]
        assert (record["activity"]["actor"], inner["actor"]) == (market, folkmoot.person("clara"))
        assert (inner["audience"], market in inner["to"], PUBLIC in inner["to"]) == (market, True, True)
        return inner  # type: ignore[no-any-return]

    for action, kind in (("pin", "Add"), ("unpin", "Remove"), ("close", "Lock"), ("open", "Undo Lock")):
        await clara.send(f"{tools}/{action}", page=path)
        inner = await told(kind)
        assert inner.get("target") == (f"{market}/featured" if kind in ("Add", "Remove") else None)

    anna = await alices.add_actor(word)
    await alices.follow(word, market)
    await alices.expect_accepted(word, market)
    reply = (await alices.post(word, f"Whenever {word}", inReplyTo=topic))["object"]
    entry = (await clara.see(path, f"Whenever {word}")).entry(f"Whenever {word}")
    await clara.send(f"/p/{entry.post}/delete", page=path, reason="Off topic")
    assert (await told("Delete", reply))["summary"] == "Off topic"
    people = "/g/market/people"
    await clara.send(people, page=people, action="ban", banned=alices.handle(word), days="7", reason="Off topic")
    ban = await told("Block", anna)
    assert (ban["target"], ban["summary"], ban["removeData"]) == (market, "Off topic", False)
    assert ban["endTime"]
    await alices.expect("the end of the follow", lambda r: r["type"] == "Reject" and r["recipient"] == word)
    assert (await alices.state())["actors"][word]["following"] == {}
    await clara.send(people, page=people, action="unban", handle=alices.handle(word))
    await told("Undo Block", anna)
    # A microblog would take a Block for one between two people: it hears of none.
    assert [r for r in await alices.received(contains=anna) if r["type"] == "Block"] == []
