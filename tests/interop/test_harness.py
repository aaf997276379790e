"""The harness by itself, without Folkmoot: when this fails, no other result here means anything."""

from __future__ import annotations

import uuid

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from .browser import Browser, Unexpected
from .members import Member, NotReceived, Refused, sends


@pytest.mark.parametrize("sign", ["cavage", "rfc9421"])
async def test_members_follow_post_and_answer(alices: Member, bobs: Member, sign: str) -> None:
    alice = alices.uri("alice")
    await bobs.follow("bob", alices.handle("alice"), sign=sign)
    await bobs.expect_accepted("bob", alice)

    text = f"A tram for the hill {uuid.uuid4().hex}"
    topic = await alices.post("alice", text, sign=sign)
    heard = await bobs.expect("the post", sends("Create", topic["object"]), contains=text)
    assert heard["verify"]["http"] == {
        "present": True,
        "ok": True,
        "scheme": sign,
        "keyId": f"{alice}#main-key",
        "owner": alice,
        "ownerMatchesActor": True,
    }

    answer = await bobs.post("bob", "Or a cable car", inReplyTo=topic["object"], sign=sign)
    await alices.expect("the answer", sends("Create", answer["object"]))
    assert (await alices.state())["objects"][topic["object"]]["replies"] == [answer["object"]]

    seen = await bobs.lookup("bob", topic["object"])
    assert (seen["parsedAs"], text in seen["json"]["content"]) == ("Note", True)


@pytest.mark.parametrize("fault", ["none", "cavage+wrongkey", "cavage+tamper", "rfc9421+nodigest", "cavage+stale"])
async def test_a_member_tells_a_wrong_signature(alices: Member, bobs: Member, fault: str) -> None:
    with pytest.raises(Refused):
        await alices.post("alice", "unsigned", mention=bobs.handle("bob"), sign=fault)
    report = await alices.post("alice", "unsigned", mention=bobs.handle("bob"), sign=fault, answers=401)
    [record] = await bobs.received(contains=report["id"])
    assert not record["verified"]


async def test_waiting_ends_and_says_what_came(alices: Member) -> None:
    with pytest.raises(NotReceived, match="for a letter"):
        await alices.expect("a letter", lambda _: False, wait=0.1)


async def test_a_fault_is_served_and_recorded(alices: Member, bobs: Member) -> None:
    text = f"Once more {uuid.uuid4().hex}"
    await bobs.fault(status=503, count=1, contains=text)
    report = await alices.post("alice", text, mention=bobs.handle("bob"), answers=503)
    await alices.resend(report["id"])
    assert [r["fault"] for r in await bobs.received(contains=text, fault=True)] == [503]
    await bobs.expect("the second attempt", sends("Create", report["object"]), contains=text)


async def test_a_browser_reads_forms_articles_and_events() -> None:
    sent: dict[str, str] = {}

    async def show(request: web.Request) -> web.Response:
        html = """<title>x</title><script>no()</script><form method=post action=/p/7/edit>
            <input type=hidden name=csrf value="a&amp;b"><textarea name=text>old</textarea>
            <select name=kind><option value=1>One<option value=2 selected>Two</select>
            <input type=checkbox name=on><button name=liked value=1>Like</button></form>
            <article><a href="/p/7">#7</a> Said <em>so</em></article><article><a href=/p/8>#8</a> Said more</article>"""
        return web.Response(text=html, content_type="text/html")

    async def edit(request: web.Request) -> web.Response:
        sent.update({key: str(value) for key, value in (await request.post()).items()})
        raise web.HTTPSeeOther("/")

    async def live(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b': hello\n\nevent: other\ndata: 1\n\nid: 5\nevent: post\ndata: {"post":\ndata: 7}\n\n')
        return stream

    app = web.Application()
    app.add_routes([web.get("/", show), web.post("/p/7/edit", edit), web.get("/live", live)])
    async with TestServer(app) as server:
        browser = Browser(str(server.make_url("/")).rstrip("/"))
        try:
            page = await browser.see("/", "Said so")
            assert ("no()" in page.text, page.entry("Said so").post, len(page.entries)) == (False, "7", 2)
            await browser.send("/p/7/edit", page="/", text="new")
            assert sent == {"csrf": "a&b", "text": "new", "kind": "2"}
            with pytest.raises(Unexpected, match="no form posts to /p/8/edit"):
                await browser.send("/p/8/edit", page="/")
            with pytest.raises(Unexpected, match="does not show"):
                await browser.see("/", "unsaid", wait=0.2)
            async with browser.listening("/live") as stream:
                assert await stream.next("post") == {"post": 7}
        finally:
            await browser.close()
