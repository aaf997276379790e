"""Polls across servers: votes of ours in a member's poll, and votes of every kind in ours."""

from __future__ import annotations

import re

from .browser import Browser
from .members import ANY, Member, Record, announces
from .server import Document, Folkmoot

AS2 = "https://www.w3.org/ns/activitystreams"


async def vote(browser: Browser, path: str, choice: str) -> None:
    """Vote on the page at ``path``, which shows one poll."""
    page = await browser.get(path)
    [form] = [form for form in page.forms if form.action.endswith("/vote")]
    found = re.search(rf'value="(\d+)"> <span dir="auto">{choice}<', page.html)
    assert found, f"{choice} cannot be chosen: {page.text}"
    await browser.send(form.action.removeprefix(browser.origin), page=path, choice=found[1])


def tally(question: Document) -> tuple[dict[str, int], int]:
    """Votes by option, and how many voted."""
    options = question.get("oneOf") or question["anyOf"]
    return {option["name"]: option["replies"]["totalItems"] for option in options}, question["votersCount"]


async def test_we_vote_in_a_members_poll_and_show_its_tallies(
    folkmoot: Folkmoot, mobility: str, alices: Member, bobs: Member, clara: Browser, word: str
) -> None:
    asked = await alices.post("alice", f"What takes you to {word}?", mention=mobility, options=["Tram", "Bus", "Feet"])
    question = asked["object"]
    await clara.see("/g/mobility", word)
    path = (await clara.get(f"/find?q={question}")).path
    await vote(clara, path, "Bus")
    ballot = await alices.expect(
        "the vote", lambda r: r["type"] == "Create" and r["activity"]["object"].get("name") == "Bus", contains=question
    )
    note = ballot["activity"]["object"]
    assert (note["inReplyTo"], note["to"], ballot["recipient"]) == (question, [alices.uri("alice")], "alice")
    assert "content" not in note
    assert "published" not in note
    await bobs.command("vote", as_="bob", target=question, choices=["Tram"])
    assert (await alices.state())["objects"][question]["votes"] == {"Bus": 1, "Tram": 1}

    assert (await clara.get(path)).form(f"/p/{(await clara.get(path)).entries[0].post}/vote") is None
    await alices.update("alice", question, f"What takes you to {word}?")
    page = await clara.see(path, f"2 people, as {alices.host} tells it")
    assert [text for text in ("Bus", "Tram", "Feet") if text in page.text] == ["Bus", "Tram", "Feet"]


async def test_votes_of_every_kind_count_once_and_are_told(
    folkmoot: Folkmoot, mobility: str, alices: Member, bobs: Member, clara: Browser, word: str
) -> None:
    shown = await clara.send(
        "/g/mobility/new", page="/g/mobility/new", title=f"More trams for {word}?", text="Say so.",
        poll_options="Yes\nNo", poll_days="7",
    )  # fmt: skip
    question = f"{folkmoot.origin}/p/{shown.entries[0].post}"
    for member in (alices, bobs):
        await member.expect("the poll", announces(question, wrapped=None), contains=question)
    assert (await folkmoot.document(question))["type"] == "Question"

    inbox, bob, anna = f"{folkmoot.origin}/inbox", bobs.uri("bob"), alices.uri("anna")
    await alices.command("vote", as_="alice", target=question, choices=["Yes"])
    snac = {
        "id": f"{bob}/votes/{word}", "type": "Note", "attributedTo": bob, "inReplyTo": question, "name": "No",
        "content": "<br>", "published": "2026-11-20T10:00:00Z", "to": [folkmoot.person("clara")], "cc": [],
    }  # fmt: skip
    cast = {"@context": AS2, "id": f"{bob}/votes/{word}#c", "type": "Create", "actor": bob, "object": snac}
    await bobs.raw("bob", activity=cast | {"to": snac["to"]}, inbox=inbox)
    piefed = {
        "@context": AS2, "id": f"{anna}/poll-votes/{word}", "type": "PollVote", "actor": anna, "object": question,
        "choice_text": "Yes", "audience": mobility, "to": [folkmoot.person("clara")],
    }  # fmt: skip
    await alices.raw("anna", activity=piefed, inbox=inbox)
    counted = ({"Yes": 2, "No": 1}, 3)
    await folkmoot.until("counted", lambda d: tally(d) == counted, question)
    # Once each, whatever they try.
    await alices.command("vote", as_="alice", target=question, choices=["No"], answers=ANY)
    await alices.raw("anna", activity=piefed | {"id": f"{anna}/poll-votes/{word}2"}, inbox=inbox, answers=ANY)

    def is_told(is_over: bool) -> object:
        def matches(record: Record) -> bool:
            about = record["activity"]["object"]
            return record["type"] == "Update" and about["id"] == question and ("closed" in about) is is_over

        return matches

    await folkmoot.hasten("tell-tally")
    for member in (alices, bobs):
        told = await member.expect("the tally", is_told(False), contains=question)  # type: ignore[arg-type]
        assert tally(told["activity"]["object"]) == counted
        assert told["verify"]["http"]["owner"] == folkmoot.person("clara")
    await folkmoot.hasten("close-poll")
    for member in (alices, bobs):
        told = await member.expect("the last tally", is_told(True), contains=question)  # type: ignore[arg-type]
        assert tally(told["activity"]["object"]) == counted
    await bobs.command("vote", as_="ben", target=question, choices=["No"], answers=ANY)
    answer = (await bobs.post("ben", f"Too late, {word}?", inReplyTo=question))["object"]
    await alices.expect("a later answer", announces(answer, wrapped="Create"), contains=answer)
    assert tally(await folkmoot.document(question)) == counted
    # A vote is never a contribution.
    assert len(await folkmoot.items((await folkmoot.document(question))["context"])) == 2
