"""Two forms of signatures: draft-cavage first, RFC 9421 where it is not believed, and what worked is remembered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from community import hosts, jobs, posts, topics
from community.models import Account, Actor, Host, Job, Membership, Theme
from federation.client import Budget, Refused
from federation.dereference import bring_in
from federation.site import Site
from federation.vocabulary import id_of
from outbox.delivery import deliver
from tests.conftest import MakeMember, MakeTheme
from tests.peer import Peer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


class Choosy(Peer):
    """Takes the signatures in ``takes`` only; ``refusal`` is what it says to others, to GETs as well."""

    takes: frozenset[str] = frozenset({"cavage", "rfc9421"})
    refusal = 401
    guards_gets = False

    async def _serve(self, request: web.Request) -> web.Response:
        form = "rfc9421" if "Signature-Input" in request.headers else "cavage"
        response = await super()._serve(request)
        if form not in self.takes and (request.method == "POST" or self.guards_gets):
            return web.Response(status=self.refusal)
        return response

    def forms(self) -> list[str]:
        """The forms of what came, taken or not; every signature has to be right."""
        assert all(each.is_verified for each in self.received)
        found = ["rfc9421" if "Signature-Input" in each.headers else "cavage" for each in self.received]
        self.received.clear()
        return found


@pytest.fixture
async def choosy(peer_ports: list[int]) -> Any:
    async with Choosy(peer_ports[0]) as running:
        yield running


@pytest.fixture
async def written(
    site: Site, client: Any, choosy: Choosy, member: MakeMember, theme: MakeTheme
) -> tuple[Account, Theme]:
    await bring_in(site, choosy.uri(), Budget())
    account, place = await member(), await theme()
    async with site.database.write() as tx:
        tess = await tx.by_uri(Actor, choosy.uri())
        assert tess is not None
        tx.add(Membership(actor_id=tess.id, group_id=place.actor_id, created_at=tx.now))
    return account, place


async def _deliver_one(site: Site, account: Account, theme: Theme) -> jobs.Result:
    """Have anna open a topic, and try one delivery of it, once."""
    async with site.database.write() as tx:
        group = await tx.get_one(Actor, theme.actor_id)
        await topics.open(tx, account.actor, group, await posts.compose(tx, "Benches.", title="More benches"))
    async with site.database.write() as tx:
        row = (await tx.execute(select(Job).where(Job.kind == "deliver").limit(1))).scalar_one()
        claimed = jobs.Claimed(row.id, row.kind, row.lane, row.line, row.argument, 1)
        for other in (await tx.execute(select(Job))).scalars():
            await tx.delete(other)
    return (await deliver(site, [claimed]))[0]


async def _style(site: Site, host: str) -> str:
    async with site.database.read() as tx:
        return (await tx.get_one(Host, host)).signature_style


@pytest.mark.parametrize("refusal", [400, 401])
async def test_the_other_form_is_tried_at_once_and_remembered(
    site: Site, choosy: Choosy, written: tuple[Account, Theme], refusal: int
) -> None:
    choosy.takes, choosy.refusal = frozenset({"rfc9421"}), refusal
    assert isinstance(await _deliver_one(site, *written), jobs.Done)
    assert choosy.forms() == ["cavage", "rfc9421"]
    assert await _style(site, choosy.host) == "rfc9421"
    assert isinstance(await _deliver_one(site, *written), jobs.Done)
    assert choosy.forms() == ["rfc9421"], "the next time at once"
    site.client.schemes.clear()
    site._hosts_at = float("-inf")
    assert isinstance(await _deliver_one(site, *written), jobs.Done)
    assert choosy.forms() == ["rfc9421"], "after a new start as well"
    # The server changes its software.
    choosy.takes = frozenset({"cavage"})
    assert isinstance(await _deliver_one(site, *written), jobs.Done)
    assert choosy.forms() == ["rfc9421", "cavage"]
    assert await _style(site, choosy.host) == "cavage"


async def test_who_believes_neither_is_not_asked_a_third_time(
    site: Site, choosy: Choosy, written: tuple[Account, Theme]
) -> None:
    choosy.takes = frozenset()
    for refusal, is_final in ((401, False), (400, True)):
        choosy.refusal = refusal
        result = await _deliver_one(site, *written)
        assert isinstance(result, jobs.Failed)
        assert result.error.startswith(str(refusal))
        assert result.is_final is is_final
        assert choosy.forms() == ["cavage", "rfc9421"]
    assert await _style(site, choosy.host) == "cavage"


@pytest.mark.parametrize("status", [202, 403, 404, 410, 503])
async def test_nothing_else_is_knocked_at_twice(
    site: Site, choosy: Choosy, written: tuple[Account, Theme], status: int
) -> None:
    choosy.answer = status
    await _deliver_one(site, *written)
    assert choosy.forms() == ["cavage"]


@pytest.mark.parametrize("refusal", [401, 403])
async def test_signed_fetches_knock_twice_too(site: Site, choosy: Choosy, refusal: int) -> None:
    note = choosy.note("Guarded")
    choosy.guards_gets, choosy.refusal, choosy.takes = True, refusal, frozenset({"rfc9421"})
    signer = await site.instance_signer()
    path = note["id"].removeprefix(choosy.origin)
    assert id_of(await site.client.get_document(note["id"], signer=signer)) == note["id"]
    assert choosy.asked.count(path) == 2
    await site.client.get_document(note["id"], signer=signer)
    assert choosy.asked.count(path) == 3
    with pytest.raises(Refused):
        await site.client.get_document(choosy.note("Unsigned")["id"])
    choosy.takes = frozenset()
    other = choosy.note("Closed")
    with pytest.raises(Refused):
        await site.client.get_document(other["id"], signer=signer)
    assert choosy.asked.count(other["id"].removeprefix(choosy.origin)) == 2


async def test_a_failure_is_an_answer_for_a_while(site: Site, peer: Peer) -> None:
    """However many activities name one dead address, it is asked once; who looks again by intention asks again."""
    missing = f"{peer.origin}/notes/missing"

    async def ask(**options: bool) -> str:
        try:
            await site.client.get_document(missing, **options)
        except Exception as error:
            return type(error).__name__
        return "found"

    assert [await ask() for _ in range(5)] == ["Gone"] * 5
    assert peer.asked.count("/notes/missing") == 1
    peer.served["/notes/missing"] = {**peer.note("Here after all"), "id": missing}
    assert await ask() == "Gone"
    assert await ask(fresh=True) == "found"
    assert await ask() == "found", "and what was found counts for all"


async def test_few_fetches_at_a_time_go_to_one_host(
    site: Site, choosy: Choosy, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = most = 0
    served = Peer._serve

    async def slowly(self: Peer, request: web.Request) -> web.Response:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        busy -= 1
        return await served(self, request)

    monkeypatch.setattr(Peer, "_serve", slowly)
    notes = [choosy.note(f"Number {number}") for number in range(12)]
    await asyncio.gather(*(site.client.get_document(note["id"]) for note in notes))
    assert most == site.settings.fetches_per_host == 4


async def test_hosts_know_their_style(site: Site, peer: Peer) -> None:
    async with site.database.write() as tx:
        tx.add(Host(name="a.example", signature_style="rfc9421"))
        tx.add(Host(name="b.example"))
    async with site.database.read() as tx:
        assert await hosts.with_style(tx, "rfc9421") == ["a.example"]
    assert (await site.scheme_for("a.example"), await site.scheme_for("b.example")) == ("rfc9421", "cavage")
