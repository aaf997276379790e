"""One debate to everybody who watches it: server-sent events that are rendered once and written to all.

Elsewhere events carry ids and never content, so that each page asks for what its own viewer may see. Here a thousand
pages would ask for the same post at the same moment, which is a thousand renderings. So this is the one exception: a
``Ticker`` renders what changed a single time, as anybody may see it who is not signed in, and sends the same bytes to
every open page. Nothing that only some may see ever passes here; what is a member's own (a vote, a like) stays as the
page has it, and what a member may do is asked when they do it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import HttpVersion11, web
from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from community import debates, questions, swing
from community.db import Tx
from community.models import Post, Topic
from community.policy import ANYONE, refusal
from federation.site import Site
from web import debate_view, live_debate, topic_view
from web.auth import NOBODY, client_address
from web.live_debate import Item
from web.render import language_of, piece
from web.site_key import SITE

log = logging.getLogger("folkmoot.ticker")
routes = web.RouteTableDef()

GATHER_SECONDS = 0.05  # what changes within this time goes out together
CALM_SECONDS = 2.0  # counts of likes and votes, and the queue, are told at most so often,
URGENT_SECONDS = 0.5  # and what the host or the clock has changed
WATCHING_SECONDS = 5
PING_SECONDS = 15
LONGEST_SECONDS = 1800  # then the browser connects anew, so that nothing is open for ever
RETRY_SECONDS = (2.0, 8.0)  # the browsers of a whole hall do not come back at the same moment
KEEP_SECONDS = 60  # a ticker that nobody listens to waits so long for somebody to come back
BUFFER_MAX = 256 * 1024  # what a reader who does not read may leave waiting, in bytes
HELD_MAX = 200  # so many things are kept for those who come back after a break
AT_ONCE = 100  # posts of one look, and streams that are written to before others have their turn
STREAMS_MAX = 10_000  # in one process
ADDRESS_MAX = 1_500  # by one address, behind which there may be a whole town hall


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of an event, bare and as a chunk of HTTP/1.1: made once, written to all."""

    raw: bytes
    chunk: bytes

    @classmethod
    def of(cls, words: str) -> Frame:
        raw = words.encode()
        return cls(raw, b"%x\r\n%s\r\n" % (len(raw), raw))

    @classmethod
    def joined(cls, frames: Iterable[Frame]) -> Frame:
        parts = list(frames)
        return cls(b"".join(part.raw for part in parts), b"".join(part.chunk for part in parts))


PING = Frame.of(": still here\n\n")


class Stream:
    """One open page. What it has not read yet waits in its connection, up to a limit; then it is let go, and comes back
    for what it missed. So nobody waits for it."""

    def __init__(self, transport: asyncio.Transport, address: str, *, is_chunked: bool) -> None:
        self.address = address
        self._transport = transport
        self._is_chunked = is_chunked
        self.ended = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return not self.ended.is_set() and not self._transport.is_closing()

    def write(self, frame: Frame) -> None:
        """Hand over the bytes without waiting. aiohttp's own ``write`` waits for slow readers, and frames each anew."""
        if not self.is_open:
            self.ended.set()
            return
        self._transport.write(frame.chunk if self._is_chunked else frame.raw)
        if self._transport.get_write_buffer_size() > BUFFER_MAX:
            self._transport.abort()
            self.ended.set()


@dataclass(frozen=True, slots=True)
class Told:
    """What was told last about a thing: a post by its number, or a part of the page. ``at`` in milliseconds."""

    at: int
    number: int
    frame: Frame


class Ticker:
    """What is told of one debate in one language, to all who watch it through this process."""

    def __init__(self, site: Site, slug: str, language: str) -> None:
        self.streams: set[Stream] = set()
        self.is_closed = False
        self._site, self._slug, self._language = site, slug, language
        self._debate_id = self._topic_id = 0
        self._roles: dict[int, str] = {}
        self._changed: set[int] = set()
        self._is_all = True  # look at everything, not only at the posts that were named
        self._stale = {"poll", "questions"}
        self._is_urgent = False
        self._news = asyncio.Event()
        self._hearing = ExitStack()
        self._last = 0  # the highest number that was told
        self._complete_from = 0  # every item with a higher number is held, or was told to whoever was there
        self._told: dict[int | str, Told] = {}
        self._known: dict[int, Item] = {}
        self._parts: dict[str, object] = {}
        self._counted: dict[int, Item] = {}
        self._speaker = 0
        self._watching = 0
        now = asyncio.get_running_loop().time()
        self._full_at = self._calm_at = self._urgent_at = self._watching_at = self._sent_at = self._left_at = now

    # --- who listens

    def watching(self) -> int:
        return sum(stream.is_open for stream in self.streams)

    @contextmanager
    def joined(self, stream: Stream, seen: tuple[int, int] | None) -> Iterator[None]:
        """Tell a stream what it has missed since its mark, and everything from now on."""
        first = Frame.of(f"retry: {int(random.uniform(*RETRY_SECONDS) * 1000)}\n\n")  # noqa: S311
        stream.write(Frame.joined([first, *self._missed(*seen)] if seen is not None else [first]))
        self.streams.add(stream)
        try:
            yield
        finally:
            self.streams.discard(stream)
            self._left_at = asyncio.get_running_loop().time()

    def _missed(self, number: int, at: int) -> list[Frame]:
        missed = [told for told in self._told.values() if told.number > number or told.at > at]
        # Posts in the order of their numbers: a page takes a new one only if it comes after all that it has.
        frames = [told.frame for told in sorted(missed, key=lambda told: (told.number == 0, told.number, told.at))]
        if number < self._complete_from:
            frames.append(self._frame("gap", {"from": self._complete_from}))
        return frames

    def close(self) -> None:
        self.is_closed = True
        self._news.set()
        for stream in self.streams:
            stream.ended.set()

    # --- what happens

    def _hear_post(self, post_id: int) -> None:
        if post_id:
            self._changed.add(post_id)
        else:
            self._is_all = True
        self._news.set()

    def _hear_debate(self, _reference: int) -> None:
        self._is_all = self._is_urgent = True
        self._news.set()

    async def begin(self) -> None:
        """Listen from now on, and read what is there. Raises NotThere."""
        hub = self._site.database.hub
        try:
            async with self._site.database.read() as tx:
                debate, _, _ = await debate_view.find(tx, self._slug, NOBODY)
                self._debate_id, self._topic_id = debate.actor_id, (await live_debate.floor_of(tx, debate)).id
                self._hearing.enter_context(hub.hear(f"topic:{self._topic_id}", self._hear_post, lambda: 0))
                self._hearing.enter_context(hub.hear(f"debate:{self._debate_id}", self._hear_debate, self.watching))
            async with self._site.database.read() as tx:
                topic = await tx.get_one(Topic, self._topic_id)
                self._roles = await debates.roles(tx, self._debate_id)
                feeds = [await live_debate.newest(tx, topic, self._roles, feed) for feed in live_debate.FEEDS]
            self._last = topic.last_number
            full = [feed[-1].post.number for feed in feeds if len(feed) == live_debate.ITEMS]
            self._complete_from = max(full, default=1) - 1
            for item in sorted((item for feed in feeds for item in feed), key=lambda item: item.post.number):
                self._known[item.post.number] = item
                await self._tell_item("post", item, at=0)
            if speaker := live_debate.speaker(feeds[0], self._site.database.clock()):
                self._speaker = speaker.post.number
        except BaseException:
            self._hearing.close()
            raise

    async def run(self) -> None:
        """Until it is closed, or nobody has listened for a while."""
        loop = asyncio.get_running_loop()
        try:
            while not self.is_closed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), CALM_SECONDS)
                self._news.clear()
                try:
                    await self._send(await self._look())
                except Exception:
                    log.exception("debate %s could not be told; trying again", self._debate_id)
                    self._is_all = True
                    await asyncio.sleep(1)
                if not self.streams and loop.time() > self._left_at + KEEP_SECONDS:
                    break
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._hearing.close()
            self.close()

    async def _look(self) -> list[Frame]:
        """What is to be told now."""
        now = asyncio.get_running_loop().time()
        frames: list[Frame] = []
        # A signal may get lost between processes and a job be late, so that it is looked from time to time without one.
        if self._is_all or now >= self._full_at:
            self._is_all, self._full_at = True, now + PING_SECONDS
        if self._changed or self._is_all:
            changed, self._changed = self._changed, set()
            is_all, self._is_all = self._is_all, False
            frames += await self._look_at_posts(changed, is_all)
        if self.is_closed:
            return []
        if now >= (self._urgent_at if self._is_urgent else self._calm_at):
            self._calm_at, self._urgent_at, self._is_urgent = now + CALM_SECONDS, now + URGENT_SECONDS, False
            frames += await self._look_at_parts()
            frames += await self._count_likes()
        if now >= self._watching_at:
            self._watching_at = now + WATCHING_SECONDS
            frames += await self._count_watching()
        return frames or ([PING] if now >= self._sent_at + PING_SECONDS else [])

    async def _send(self, frames: list[Frame]) -> None:
        if not frames:
            return
        self._sent_at = asyncio.get_running_loop().time()
        frame = Frame.joined(frames)
        for number, stream in enumerate(list(self.streams), 1):
            stream.write(frame)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    # --- posts

    async def _look_at_posts(self, changed: set[int], is_all: bool) -> list[Frame]:
        async with self._site.database.read() as tx:
            if is_all:
                self._roles = await debates.roles(tx, self._debate_id)
                self._stale |= {"state", "poll", "questions"}
            found = await self._posts(tx, changed)
            topic = found[0].topic if found else await tx.get_one(Topic, self._topic_id)
            now = tx.now
        if refusal("read", ANYONE, topic) is not None:
            self.close()
            return []
        if len(found) == AT_ONCE:
            self._changed |= changed
            self._news.set()
        items = {item.post.id: item for item in live_debate.items_of(found, topic, self._roles, now)}
        frames = []
        for post in found:
            self._doubt_parts(post)
            frames += await self._tell_post(post, items.get(post.id))
        return frames

    async def _posts(self, tx: Tx, changed: set[int]) -> list[Post]:
        """The posts that are new, and those that are said to have changed, in order. One query, for what is urgent."""
        query = (
            select(Post)
            .options(
                joinedload(Post.author, innerjoin=True),
                joinedload(Post.reply_to).joinedload(Post.author),
                joinedload(Post.topic, innerjoin=True),
            )
            .where(Post.topic_id == self._topic_id, or_(Post.number > self._last, Post.id.in_(changed)))
            .order_by(Post.number)
            .limit(AT_ONCE)
        )
        return list((await tx.execute(query)).scalars())

    def _doubt_parts(self, post: Post) -> None:
        if post.part in (swing.OPENING, swing.CLOSING):
            self._stale.add("poll")
            self._is_urgent |= post.number > self._last
        if post.position == "question" or post.part == "card":
            self._stale.add("questions")

    async def _tell_post(self, post: Post, item: Item | None) -> list[Frame]:
        """The frames about a post that is new or may have changed: none where readers see no difference."""
        is_new, known = post.number > self._last, self._known.get(post.number)
        self._last = max(self._last, post.number)
        if item is None:
            is_gone = known is not None or post.deleted_at is not None or topic_view.is_folded(post)
            self._known.pop(post.number, None)
            self._counted.pop(post.number, None)
            return [] if is_new or not is_gone else [await self._tell_gone(post.number)]
        self._known[post.number] = item
        while len(self._known) > 2 * HELD_MAX:
            del self._known[next(iter(self._known))]
        if is_new:
            return [await self._tell_item("post", item)]
        if known is None or known.content != item.content:
            return [await self._tell_item("change", item)]
        if known.likes != item.likes:
            self._counted[post.number] = item
        return []

    async def _tell_item(self, event: str, item: Item, at: int | None = None) -> Frame:
        number = item.post.number
        data = {"number": number, "feed": item.feed, "name": item.post.author.name or item.post.author.handle}
        data["html"] = await self._piece("live_item.html", item=item)
        if item.role and number >= self._speaker and not item.is_over:
            self._speaker = number
            data["now"] = await self._piece("live_now.html", now_speaking=item)
        return self._tell(number, event, data, at)

    async def _tell_gone(self, number: int) -> Frame:
        return self._tell(number, "change", {"number": number, "html": ""})

    async def _count_likes(self) -> list[Frame]:
        """How the posts are liked now, all in one event."""
        if not self._counted:
            return []
        counted, self._counted = self._counted, {}
        words = {number: await self._piece("live_likes.html", post=item.post) for number, item in counted.items()}
        for number, item in counted.items():
            # Whoever comes back gets the whole post, as it is liked now.
            self._known[number] = item
            await self._tell_item("change", item)
        return [self._frame("likes", words)]

    # --- the other parts of the page

    async def _look_at_parts(self) -> list[Frame]:
        if not self._stale:
            return []
        stale, self._stale = self._stale, set()
        frames = []
        async with self._site.database.read() as tx:
            debate, theme, place = await debate_view.find(tx, self._slug, NOBODY)
            topic = await tx.get_one(Topic, self._topic_id)
            head = await debate_view.head(tx, self._site, debate, theme, place, "live")
            ballots = await live_debate.ballots(tx, topic, None) if "poll" in stale else []
            queue = await questions.queue(tx, debate, None) if "questions" in stale else []
        if "state" in stale and self._is_other("state", state_of(head)):
            data = {"state": head.state, "head": await self._piece("head.html", head=head)}
            data["html"] = await self._piece("live_status.html", head=head)
            frames.append(self._tell("state", "state", data))
        if "poll" in stale:
            data = {"html": await self._piece("live_poll.html", head=head, ballots=ballots)}
            for name, refused in (("member", None), ("voted", "voted-already")):
                given = [ballot.as_refused(refused) for ballot in ballots]
                data[name] = await self._piece("live_poll.html", head=head, ballots=given, viewer=True)
            if self._is_other("poll", data):
                frames.append(self._tell("poll", "poll", data))
        if "questions" in stale:
            asked = [replace(each, vote_refusal=None if each.is_open else each.vote_refusal) for each in queue]
            data = {"html": await self._piece("live_questions.html", queue=queue, head=head)}
            data["member"] = await self._piece("live_questions.html", queue=asked, head=head, viewer=True)
            if self._is_other("questions", data):
                frames.append(self._tell("questions", "questions", data))
        return frames

    def _is_other(self, name: str, now: object) -> bool:
        had = self._parts.get(name)
        self._parts[name] = now
        return had != now

    async def _count_watching(self) -> list[Frame]:
        count = live_debate.watching(self._site, self._debate_id, self._topic_id)
        if count == self._watching:
            return []
        self._watching = count
        return [
            self._frame("watching", {"count": count, "words": await self._piece("live_watching.html", count=count)})
        ]

    # --- events

    async def _piece(self, template: str, **context: Any) -> str:
        return await piece(self._site, self._language, f"debates/{template}", **context)

    def _tell(self, key: int | str, event: str, data: dict[str, Any], at: int | None = None) -> Frame:
        """An event, kept for whoever comes back later."""
        at = int(time.time() * 1000) if at is None else at
        number = key if isinstance(key, int) else 0
        frame = self._frame(event, data, f"{max(self._last, number)}.{at}")
        self._told.pop(key, None)
        self._told[key] = Told(at, number, frame)
        if len(self._told) > HELD_MAX:
            dropped = self._told.pop(next(iter(self._told)))
            self._complete_from = max(self._complete_from, dropped.number)
        return frame

    def _frame(self, event: str, data: dict[Any, Any], mark: str = "") -> Frame:
        id_ = f"id: {mark}\n" if mark else ""
        return Frame.of(f"{id_}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n")


def state_of(head: debate_view.Head) -> object:
    """What makes the head of the page another one."""
    debate = head.debate
    seats = [(seat.actor_id, seat.role) for seat in head.seats]
    times = (debate.opens_at, debate.closes_at)
    return (head.state, head.has_results, head.is_floor_open, debate.motion, debate.reason, times, seats)


class Tickers:
    """The tickers of this process, by debate and language."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._held: dict[tuple[str, str], tuple[Ticker, asyncio.Task[None]]] = {}
        self._lock = asyncio.Lock()

    async def one(self, slug: str, language: str) -> Ticker:
        """The ticker of a debate, which begins where there is none. Raises NotThere."""
        slug = slug.lower()  # every spelling of an address is the same debate
        key = (slug, language)
        async with self._lock:
            held = self._held.get(key)
            if held is None or held[0].is_closed:
                ticker = Ticker(self._site, slug, language)
                await ticker.begin()
                task = asyncio.create_task(ticker.run())
                held = self._held[key] = (ticker, task)
                task.add_done_callback(lambda _: self._forget(key, ticker))
        return held[0]

    def _forget(self, key: tuple[str, str], ticker: Ticker) -> None:
        if key in self._held and self._held[key][0] is ticker:
            del self._held[key]

    def is_full(self, address: str) -> bool:
        """Whether there is no room for one more page, or for one more from this address."""
        streams = [stream for ticker, _ in self._held.values() for stream in ticker.streams]
        return len(streams) >= STREAMS_MAX or sum(stream.address == address for stream in streams) >= ADDRESS_MAX

    async def close(self) -> None:
        """End all streams."""
        held = list(self._held.values())
        for ticker, _ in held:
            ticker.close()
        await asyncio.gather(*(task for _, task in held), return_exceptions=True)


TICKERS = web.AppKey("tickers", Tickers)


async def _close(app: web.Application) -> None:
    await app[TICKERS].close()


def set_up(app: web.Application) -> None:
    """Have tickers, and end them when the server stops."""
    app[TICKERS] = Tickers(app[SITE])
    app.on_shutdown.append(_close)


@routes.get("/g/{slug}/live/events", allow_head=False)
async def events(request: web.Request) -> web.StreamResponse:
    """What happens from a mark on; the browser sends the last one that it has seen when it comes back."""
    tickers = request.app[TICKERS]
    address = client_address(request)
    if tickers.is_full(address):
        raise web.HTTPServiceUnavailable(
            text="Too many are watching through this server.", headers={"Retry-After": "30"}
        )
    ticker = await tickers.one(request.match_info["slug"], await language_of(request))
    seen = live_debate.read_mark(request.headers.get("Last-Event-ID", "") or request.query.get("after", ""))
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
    if request.transport is None:
        return response
    stream = Stream(request.transport, address, is_chunked=request.version >= HttpVersion11)
    with ticker.joined(stream, seen), contextlib.suppress(TimeoutError):
        if not ticker.is_closed:
            # Those who came at the same moment do not leave at the same moment.
            await asyncio.wait_for(stream.ended.wait(), LONGEST_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
    return response
