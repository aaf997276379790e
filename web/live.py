"""Open pages hear that something changed: server-sent events that carry numbers, never content.

The page then asks for the fragment, which is rendered for its own viewer; a missed event costs nothing.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web
from sqlalchemy import select

from community.models import Post
from federation.site import Site
from web import topic_view
from web.auth import viewer
from web.pages_read import ID
from web.site_key import SITE

routes = web.RouteTableDef()

PING_SECONDS = 15
LONGEST_SECONDS = 1800  # then the browser connects anew, so that nothing is open for ever
_CLOSING = -1


class Streams:
    """The streams that are open in this process."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[int]] = set()
        self._numbers: dict[int, int] = {}
        self._lock = asyncio.Lock()

    async def number_of(self, site: Site, post_id: int) -> int:
        """The number of a post, which never changes: asked once for all who listen. 0 for no post at all."""
        if post_id not in self._numbers:
            async with self._lock:
                if post_id not in self._numbers:
                    async with site.database.read() as tx:
                        number = await tx.scalar(select(Post.number).where(Post.id == post_id))
                    if len(self._numbers) > 5000:
                        self._numbers.clear()
                    self._numbers[post_id] = number or 0
        return self._numbers.get(post_id, 0)

    def close(self) -> None:
        for queue in self.queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(_CLOSING)


STREAMS = web.AppKey("streams", Streams)


async def _close_streams(app: web.Application) -> None:
    app[STREAMS].close()


def set_up(app: web.Application) -> None:
    """Keep track of open streams, and end them when the server stops."""
    app[STREAMS] = Streams()
    app.on_shutdown.append(_close_streams)


@routes.get(f"/t/{ID}/live")
async def live(request: web.Request) -> web.StreamResponse:
    site, streams = request.app[SITE], request.app[STREAMS]
    topic_id = int(request.match_info["id"])
    async with site.database.read() as tx:
        await topic_view.find(tx, topic_id, viewer(request))
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"

    def is_open() -> bool:
        return request.transport is not None and not request.transport.is_closing()

    with site.database.hub.listen(f"topic:{topic_id}", is_open) as queue:
        streams.queues.add(queue)
        try:
            await response.prepare(request)
            # What was written between the making of the page and this moment is told first.
            async with site.database.read() as tx:
                topic, _, _ = await topic_view.find(tx, topic_id, viewer(request))
            number = json.dumps({"number": topic.last_number})
            await response.write(f"retry: 3000\nevent: last\ndata: {number}\n\n".encode())
            await _tell(site, streams, response, topic_id, queue)
        except (ConnectionError, TimeoutError):
            pass  # The reader has gone, or has stopped reading.
        finally:
            streams.queues.discard(queue)
    return response


async def _tell(
    site: Site, streams: Streams, response: web.StreamResponse, topic_id: int, queue: asyncio.Queue[int]
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_SECONDS
    while loop.time() < end:
        try:
            reference = await asyncio.wait_for(queue.get(), PING_SECONDS)
        except TimeoutError:
            line = ": still here\n\n"
        else:
            if reference == _CLOSING:
                return
            number = await streams.number_of(site, reference) if reference else 0
            kind = "post" if number else "topic"
            data = json.dumps({"topic": topic_id, "post": reference, "number": number})
            line = f"event: {kind}\ndata: {data}\n\n"
        async with asyncio.timeout(PING_SECONDS):
            await response.write(line.encode())
