"""The staff's pages of other servers and of what could not be delivered."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import select

from community import jobs
from community.models import Actor, Host, Job
from federation.site import Site
from tests.conftest import MakeMember, MakeTheme, SignIn

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
Client = TestClient[Any, Any]


async def see(client: Client, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    text = await answer.text()
    assert answer.status == status, text
    return text


async def post(client: Client, path: str, status: int = 303, **form: str) -> str:
    page = await see(client, "/staff")
    token = re.search(r'name="csrf" content="([^"]+)"', page)
    assert token is not None
    origin = str(client.make_url("/")).rstrip("/")
    answer = await client.post(path, data={"csrf": token[1], **form}, headers={"Origin": origin}, allow_redirects=False)
    text = await answer.text()
    assert answer.status == status, text
    return text


@pytest.fixture
async def world(site: Site, member: MakeMember, theme: MakeTheme) -> None:
    await member("clara", site_role="moderator")
    await member()
    place = await theme()
    async with site.database.write() as tx:
        tx.add(Host(name="fine.example", software="mastodon", reached_at=tx.now))
        tx.add(Host(name="down.example:8443", software="lemmy", failures=7, failing_since=tx.now, last_error="timeout"))
        tx.add(Host(name="lost.example", failures=99, given_up_at=tx.now, failing_since=tx.now))
        tx.add(Host(name="fresh.example"))
        for number in range(60):
            tx.add(Host(name=f"n{number:02}.example", reached_at=tx.now))
        tx.add(Actor(uri="https://down.example:8443/u", kind="group", handle="u", host="down.example:8443",
                     created_at=tx.now))  # fmt: skip
        for number in range(3):
            argument = {"activity": f"https://x/{number}", "inbox": "https://lost.example/inbox", "signer": 1}
            await jobs.add(tx, "deliver", argument, lane="lost.example")
        await jobs.add(tx, "deliver", {"activity": "y", "inbox": "z", "signer": 1}, lane="down.example:8443")
        await jobs.add(tx, "fetch-actor", {"uri": "https://gone.example/u/<b>"}, key="f")
        assert place.actor_id
    async with site.database.write() as tx:
        for job in (await tx.execute(select(Job))).scalars():
            if not job.lane.startswith("down"):
                job.failed_at, job.error, job.attempts = tx.now, "410 <i>gone</i>", 3


async def test_servers_in_trouble_come_first(site: Site, client: Client, world: None, sign_in: SignIn) -> None:
    async with site.database.read() as tx:
        clara = (await tx.execute(select(Actor).where(Actor.handle == "clara"))).scalar_one()
        anna = (await tx.execute(select(Actor).where(Actor.handle == "anna"))).scalar_one()
    from community.models import Account

    async with site.database.read() as tx:
        accounts = {row.actor_id: row for row in (await tx.execute(select(Account))).scalars()}
    for path in ("/staff/hosts", "/staff/hosts/fine.example", "/staff/jobs"):
        answer = await client.get(path, allow_redirects=False)
        assert answer.status in (302, 303), "nobody is signed in"
    await sign_in(client, accounts[anna.id])
    for path in ("/staff/hosts", "/staff/hosts/fine.example", "/staff/jobs"):
        await see(client, path, 403)
    client.session.cookie_jar.clear()
    await sign_in(client, accounts[clara.id])
    front = await see(client, "/staff")
    assert "2 servers do not answer." in front
    assert "4 things could not be done" in front
    page = await see(client, "/staff/hosts")
    names = re.findall(r'href="/staff/hosts/([^"]+)"', page)
    assert names[:3] == ["lost.example", "down.example%3A8443", "fine.example"]
    assert len(names) == 50
    assert "1 delivery waits" in page
    more = re.findall(r'href="/staff/hosts/([^"]+)"', await see(client, "/staff/hosts?page=2"))
    assert len(more) == 14
    assert not set(more) & set(names)
    assert re.findall(r'href="/staff/hosts/([^"]+)"', await see(client, "/staff/hosts?q=FINE")) == ["fine.example"]
    unknown = await see(client, "/staff/hosts?q=@somebody@new.example")
    assert 'href="/staff/hosts/new.example"' in unknown
    for odd in ("?page=0", "?page=-1", "?page=99999", "?page=x", "?q=%00%25_'"):
        await see(client, f"/staff/hosts{odd}")
    one = await see(client, "/staff/hosts/down.example:8443")
    assert "timeout" in one
    assert "lemmy" in one
    await see(client, "/staff/hosts/nothing", 404)
    await see(client, "/staff/hosts/a%00.example", 404)
    await see(client, "/staff/jobs?kind=%00&host=%00")
    await see(client, "/staff/hosts/new.example")
    await post(client, "/staff/hosts/nothing", 404, action="judge", state="blocked", reason="x")
    # Staff decides, with a reason, in public.
    wrong = await post(client, "/staff/hosts/fine.example", 422, action="judge", state="blocked", reason=" ")
    assert "Say why" in wrong
    await post(client, "/staff/hosts/fine.example", 422, action="judge", state="exploded", reason="x")
    await post(client, "/staff/hosts/new.example", action="judge", state="blocked", reason="A <flood> of spam")
    await post(client, "/staff/hosts/fine.example", action="judge", state="limited", reason="Loud")
    log = await see(client, "/log")
    assert "blocked a server" in log
    assert "new.example (A &lt;flood&gt; of spam)" in log
    assert "blocked" in await see(client, "/staff/hosts/new.example")
    await post(client, "/staff/hosts/fine.example", action="judge", state="open", reason="")
    # What could not be delivered.
    page = await see(client, "/staff/jobs")
    assert "410 &lt;i&gt;gone" in page
    assert "https://gone.example/u/&lt;b&gt;" in page
    assert "lost.example" not in await see(client, "/staff/jobs?kind=fetch-actor")
    async with site.database.read() as tx:
        dead = list((await tx.execute(select(Job.id).where(Job.lane == "lost.example"))).scalars())
        fetch = await tx.scalar(select(Job.id).where(Job.kind == "fetch-actor"))

    async def failed() -> int:
        async with site.database.read() as tx:
            return len((await tx.execute(select(Job.id).where(Job.failed_at.is_not(None)))).all())

    await post(client, "/staff/jobs", action="retry", job=str(dead[0]))
    assert await failed() == 3
    await post(client, "/staff/jobs", action="drop", job=str(fetch))
    assert await failed() == 2
    await post(client, "/staff/jobs", 400, action="drop")
    await post(client, "/staff/jobs", 400, action="explode", job="1")
    await post(client, "/staff/jobs", action="drop", job="9" * 18)
    await post(client, "/staff/hosts/lost.example", action="try-again")
    assert await failed() == 0
    async with site.database.read() as tx:
        lost = await tx.get_one(Host, "lost.example")
    assert (lost.given_up_at, lost.failures) == (None, 0)
    await post(client, "/staff/jobs", action="drop", host="lost.example")
    async with site.database.read() as tx:
        assert len((await tx.execute(select(Job.id).where(Job.lane == "lost.example"))).all()) == 3, "none is dead"
