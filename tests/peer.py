"""Another server in the test process, with real keys: it serves actors and notes, signs, verifies and records."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp
from aiohttp import web

from federation import signatures
from federation.vocabulary import ACTIVITY_JSON, AS2, PUBLIC, format_time

_keys: list[Any] = []


def key(number: int) -> Any:
    """Private keys shared by the whole run."""
    while len(_keys) <= number:
        _keys.append(signatures.new_private_key())
    return _keys[number]


@dataclass
class Received:
    path: str
    activity: dict[str, Any]
    is_verified: bool
    headers: dict[str, str]


@dataclass
class Peer:
    """``await peer.send(inbox, activity)`` signs and posts; ``peer.received`` holds what came; ``peer.served`` maps
    paths to documents. ``peer.answer`` is the status that its inboxes give."""

    port: int = 0
    software: str = "peerware"
    answer: int = 202
    answer_headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    served: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    doors: list[dict[str, str]] = field(default_factory=list)  # further links of its WebFinger answers

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        tcp = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await tcp.start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.origin = f"http://{self.host}"
        self.session = aiohttp.ClientSession()
        self.actor("tess")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self._runner.cleanup()

    # --- What it serves -----------------------------------------------------------------------------------------------

    def uri(self, name: str = "tess") -> str:
        return f"{self.origin}/users/{name}"

    def actor(self, name: str, **fields: Any) -> dict[str, Any]:
        """Serve an actor with a key of its own."""
        uri = self.uri(name)
        number = self.keys.setdefault(name, len(self.keys) % 6)
        document = {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": uri,
            "type": "Person",
            "preferredUsername": name,
            "name": name.title(),
            "inbox": f"{uri}/inbox",
            "outbox": f"{uri}/outbox",
            "followers": f"{uri}/followers",
            "endpoints": {"sharedInbox": f"{self.origin}/inbox"},
            "publicKey": {
                "id": f"{uri}#main-key",
                "owner": uri,
                "publicKeyPem": signatures.public_pem(key(number)),
            },
            **fields,
        }
        self.served[f"/users/{name}"] = document
        return document

    def note(self, content: str, *, by: str = "tess", **fields: Any) -> dict[str, Any]:
        """Serve a public Note and return it."""
        path = f"/notes/{secrets.token_hex(6)}"
        document = {
            "@context": AS2,
            "id": self.origin + path,
            "type": "Note",
            "attributedTo": self.uri(by),
            "to": [PUBLIC],
            "cc": [f"{self.uri(by)}/followers"],
            "content": content,
            "published": format_time(datetime.now(UTC)),
            **fields,
        }
        self.served[path] = document
        return document

    def activity(self, kind: str, about: Any, *, by: str = "tess", **fields: Any) -> dict[str, Any]:
        return {
            "@context": AS2,
            "id": f"{self.origin}/activities/{secrets.token_hex(8)}",
            "type": kind,
            "actor": self.uri(by),
            "object": about,
            **({key: about[key] for key in ("to", "cc")} if isinstance(about, dict) and "to" in about else {}),
            **fields,
        }

    async def _serve(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            body = await request.read()
            self.received.append(
                Received(request.path, json.loads(body), await self._verify(request, body), dict(request.headers))
            )
            return web.Response(status=self.answer, headers=self.answer_headers)
        self.asked.append(request.path)
        if request.path == "/.well-known/nodeinfo":
            rel = "http://nodeinfo.diaspora.software/ns/schema/2.0"
            return web.json_response({"links": [{"rel": rel, "href": f"{self.origin}/nodeinfo/2.0"}]})
        if request.path == "/nodeinfo/2.0":
            return web.json_response({"version": "2.0", "software": {"name": self.software, "version": "1"}})
        if request.path == "/.well-known/webfinger":
            name = request.query["resource"].removeprefix("acct:").partition("@")[0]
            link = {"rel": "self", "type": ACTIVITY_JSON, "href": self.uri(name)}
            return web.json_response({"subject": request.query["resource"], "links": [link, *self.doors]})
        document = self.served.get(request.path)
        if document is None:
            return web.Response(status=404)
        status = 410 if document.get("type") == "Tombstone" else 200
        return web.Response(body=json.dumps(document), status=status, headers={"Content-Type": ACTIVITY_JSON})

    async def _verify(self, request: web.Request, body: bytes) -> bool:
        """Fetch the signer's key as a stranger would and check the signature with it."""
        try:
            claim = signatures.read(
                "POST",
                request.raw_path,
                request.headers,
                body,
                authority=self.host,
                scheme_of_origin="http",
                now=datetime.now(UTC),
            )
        except signatures.BadSignature:
            return False
        async with self.session.get(claim.key_id.partition("#")[0], headers={"Accept": ACTIVITY_JSON}) as answer:
            if answer.status != 200:
                return False
            actor = json.loads(await answer.read())
        public = signatures.load_public_key(actor["publicKey"]["publicKeyPem"])
        return actor["publicKey"]["id"] == claim.key_id and signatures.verify(claim, public)

    # --- What it sends ------------------------------------------------------------------------------------------------

    async def send(
        self,
        inbox: str,
        activity: dict[str, Any] | bytes,
        *,
        by: str = "tess",
        scheme: str = "cavage",
        age: timedelta = timedelta(0),
        key_number: int | None = None,
        key_id: str | None = None,
        change: dict[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Sign and post. ``change`` overrides headers after signing (None drops one); ``body`` replaces the body."""
        raw = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
        headers: dict[str, str] = signatures.sign(
            "POST",
            inbox,
            raw,
            key(self.keys[by] if key_number is None else key_number),
            key_id or f"{self.uri(by)}#main-key",
            scheme=scheme,  # type: ignore[arg-type]
            now=datetime.now(UTC) - age,
        )
        headers["Content-Type"] = ACTIVITY_JSON
        for name, value in (change or {}).items():
            if value is None:
                headers = {k: v for k, v in headers.items() if k.lower() != name.lower()}
            else:
                headers[name] = value
        async with self.session.post(inbox, data=raw if body is None else body, headers=headers) as answer:
            text = await answer.text()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, {"text": text}

    def got(self, kind: str, inner: str | None = None) -> list[dict[str, Any]]:
        """Verified activities of a type; ``inner`` is the type of the embedded object, 'str' for a bare id."""
        found = [each.activity for each in self.received if each.is_verified and each.activity["type"] == kind]
        if inner is None:
            return found
        return [a for a in found if (a["object"].get("type") if isinstance(a["object"], dict) else "str") == inner]
