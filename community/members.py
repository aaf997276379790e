"""People and their accounts: sign up, in and out, profiles, devices, and the first admin."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from datetime import timedelta
from zoneinfo import available_timezones

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import joinedload

from community import text
from community.db import Tx
from community.events import AccountAsked, ActorChanged, emit
from community.keys import PROOF_KEY, KeyPair
from community.models import Account, Actor, Fact, Host, Keypair, LogEntry, Notification, Session
from community.policy import Refused, require, standing
from community.settings import LANGUAGES as LANGUAGES

PROFESSIONS = (
    "urban planner",
    "architect",
    "consultant",
    "utility",
    "transport planner",
    "data specialist",
    "researcher",
    "investor",
    "start-up founder",
    "city official",
    "citizen",
)
LOOKS = ("", "light", "dark")  # the first follows the system
RESERVED = frozenset(
    [
        "admin",
        "administrator",
        "api",
        "app",
        "clerk",
        "feed",
        "help",
        "host",
        "hub",
        "inbox",
        "instance",
        "me",
        "moderator",
        "new",
        "news",
        "outbox",
        "owner",
        "root",
        "security",
        "staff",
        "support",
        "system",
        "theme",
        "themes",
        "webmaster",
        "www",
    ]
)
_NAME = re.compile(r"[a-z0-9_]{2,20}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SESSION_DAYS = 60
ROLES = ("member", "editor", "moderator", "admin")  # in the whole house
# The same cost on every machine: 19 MiB, two passes, as OWASP's cheat sheet has it.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_NOBODY = _hasher.hash(secrets.token_hex(16))


class Invalid(ValueError):
    """What somebody typed cannot be used; ``fields`` maps each field to the key of a sentence."""

    def __init__(self, **fields: str) -> None:
        super().__init__(", ".join(f"{k}: {v}" for k, v in fields.items()))
        self.fields = fields


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(_hasher.hash, password)


async def password_is_right(password_hash: str | None, password: str) -> bool:
    """Takes as long for an account that does not exist (None) as for one that does."""

    def check() -> bool:
        try:
            return _hasher.verify(password_hash or _NOBODY, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False

    return await asyncio.to_thread(check)


def check_password(password: str) -> str | None:
    if len(password) < 10:
        return "password-too-short"
    if len(password) > 500:
        return "password-too-long"
    return None


def check_email(email: str) -> str | None:
    return None if _EMAIL.fullmatch(email) and len(email) <= 250 else "email-form"


async def find_local(tx: Tx, handle: str) -> Actor | None:
    return (
        await tx.execute(select(Actor).where(Actor.handle == handle.lower(), Actor.host == ""))
    ).scalar_one_or_none()


async def find(tx: Tx, handle: str, host: str = "") -> Actor | None:
    """An actor by handle; our own host may be written out or left away."""
    host = "" if host == tx.settings.host else host
    return (
        await tx.execute(
            select(Actor)
            .where(Actor.handle == handle.lower(), Actor.host == host.lower())
            .order_by(Actor.kind != "person", Actor.id)
            .limit(1)
        )
    ).scalar_one_or_none()


async def find_by_uri(tx: Tx, uri: str) -> Actor | None:
    return await tx.by_uri(Actor, uri)


async def check_handle(tx: Tx, handle: str) -> str | None:
    """Why a handle cannot be taken: people and themes share one space of names."""
    if not _NAME.fullmatch(handle):
        return "name-form"
    if handle in RESERVED:
        return "name-reserved"
    if await find_local(tx, handle) is not None:
        return "name-taken"
    return None


def new_local_actor(tx: Tx, kind: str, handle: str, name: str, keys: KeyPair, path: str) -> Actor:
    """Add a row for an actor of ours at ``path``, with all its addresses."""
    origin = tx.settings.origin
    uri = origin + path
    base = uri.rstrip("/")
    actor = Actor(
        uri=uri,
        url=uri,
        kind=kind,
        handle=handle,
        host="",
        name=name,
        inbox=f"{base}/inbox" if path != "/" else f"{origin}/inbox",
        shared_inbox=f"{origin}/inbox",
        outbox=f"{base}/outbox",
        followers_uri=f"{base}/followers",
        key_id=f"{uri}#main-key",
        public_key=keys.public_pem,
        proof_key_id=uri + PROOF_KEY,
        proof_key=keys.proof_key,
        created_at=tx.now,
    )
    tx.add(actor)
    return actor


async def keep_key(tx: Tx, actor: Actor, keys: KeyPair) -> None:
    await tx.flush()
    pair = Keypair(actor_id=actor.id, private_key=keys.sealed_private, proof_private_key=keys.sealed_proof_private)
    tx.add(pair)
    await tx.flush()


async def add_member(
    tx: Tx,
    handle: str,
    email: str,
    password_hash: str,
    keys: KeyPair,
    *,
    name: str = "",
    site_role: str = "member",
    state: str = "active",
    application: str = "",
    language: str = "",
) -> Account:
    """A new account; Invalid names each field that cannot be used."""
    handle, email = handle.strip().lower(), email.strip().lower()
    wrong: dict[str, str] = {}
    reason = await check_handle(tx, handle)
    if reason:
        wrong["name"] = reason
    reason = check_email(email)
    if reason:
        wrong["email"] = reason
    elif (await tx.execute(select(Account.actor_id).where(Account.email == email))).first() is not None:
        wrong["email"] = "email-taken"
    if wrong:
        raise Invalid(**wrong)
    actor = new_local_actor(tx, "person", handle, text.cut(name.strip(), 80), keys, f"/u/{handle}")
    if state == "pending":
        # Nobody elsewhere sees a name that staff has not looked at.
        actor.state = "pending"
    await keep_key(tx, actor, keys)
    account = Account(
        actor_id=actor.id,
        email=email,
        password_hash=password_hash,
        state=state,
        site_role=site_role,
        application=application[:1000],
        language=language,
        created_at=tx.now,
    )
    account.actor = actor
    tx.add(account)
    await tx.flush()
    if state == "pending":
        await emit(tx, AccountAsked(actor))
    return account


async def registration_mode(tx: Tx) -> str:
    """open, approval or closed, as things stand now.

    On a public server whose staff has not come for a week, open becomes approval: the spam wave of February 2024
    lived on servers whose doors stood open with nobody at home.
    """
    mode = tx.settings.registration_mode
    if mode == "open" and not tx.settings.is_loopback:
        recent = tx.now - timedelta(days=7)
        present = await tx.scalar(
            select(Account.actor_id)
            .where(
                Account.site_role.in_(("moderator", "admin")),
                Account.state == "active",
                func.coalesce(Account.seen_at, Account.created_at) > recent,
            )
            .limit(1)
        )
        if present is None:
            return "approval"
    return mode


async def sign_up(
    tx: Tx,
    handle: str,
    email: str,
    password_hash: str,
    keys: KeyPair,
    *,
    name: str = "",
    application: str = "",
    language: str = "",
) -> Account:
    """Somebody joins by themselves, as the setting ``registration`` allows."""
    mode = await registration_mode(tx)
    if mode == "closed":
        raise Refused("registration-closed")
    return await add_member(
        tx,
        handle,
        email,
        password_hash,
        keys,
        name=name,
        state="active" if mode == "open" else "pending",
        application=application,
        language=language,
    )


async def pending(tx: Tx) -> list[Account]:
    return list(
        (await tx.execute(select(Account).where(Account.state == "pending").order_by(Account.created_at))).scalars()
    )


async def decide_sign_up(tx: Tx, staff: Actor, account: Account, *, is_welcome: bool) -> None:
    """Staff lets somebody in, or not. The public log names only those who were let in."""
    require("moderate", await standing(tx, staff))
    if account.state != "pending":
        return
    if is_welcome:
        account.state = account.actor.state = "active"
        tx.add(Notification(account_id=account.actor_id, kind="approved", actor_id=staff.id, created_at=tx.now))
        tx.signal(f"account:{account.actor_id}")
    else:
        account.state = account.actor.state = "suspended"
        await end_sessions(tx, account)
    tx.add(
        LogEntry(
            at=tx.now,
            actor_id=staff.id,
            action="approve-sign-up" if is_welcome else "decline-sign-up",
            about_id=account.actor_id if is_welcome else None,
        )
    )
    await tx.flush()


async def account_for_sign_in(tx: Tx, name_or_email: str) -> Account | None:
    wanted = name_or_email.strip().lower().removeprefix("@")
    condition = Account.email == wanted if "@" in wanted else Actor.handle == wanted
    return (await tx.execute(select(Account).join(Actor).where(condition, Actor.host == ""))).scalar_one_or_none()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def open_session(tx: Tx, account: Account, device: str) -> str:
    """Sign a device in. Answers the token for its cookie; only a hash of it is kept."""
    token = secrets.token_urlsafe(32)
    tx.add(
        Session(
            token_hash=_hash(token),
            account_id=account.actor_id,
            device=device[:200],
            created_at=tx.now,
            seen_at=tx.now,
        )
    )
    await tx.flush()
    return token


async def find_session(tx: Tx, token: str) -> tuple[Session, Account] | None:
    """The session and account behind a cookie, unless it has ended."""
    row = (
        await tx.execute(
            select(Session, Account)
            .join(Account, Account.actor_id == Session.account_id)
            .options(joinedload(Account.actor))
            .where(Session.token_hash == _hash(token), Session.seen_at > tx.now - timedelta(days=SESSION_DAYS))
        )
    ).first()
    if row is None or row[1].state == "suspended" or row[1].actor.state not in ("active", "pending"):
        return None
    return row[0], row[1]


async def touch_session(tx: Tx, session_id: int) -> None:
    account_id = await tx.scalar(
        update(Session).where(Session.id == session_id).values(seen_at=tx.now).returning(Session.account_id)
    )
    if account_id is not None:
        await tx.execute(update(Account).where(Account.actor_id == account_id).values(seen_at=tx.now))


async def sessions_of(tx: Tx, account: Account) -> list[Session]:
    return list(
        (
            await tx.execute(
                select(Session).where(Session.account_id == account.actor_id).order_by(Session.seen_at.desc())
            )
        ).scalars()
    )


async def end_session(tx: Tx, account: Account, session_id: int) -> None:
    await tx.execute(delete(Session).where(Session.id == session_id, Session.account_id == account.actor_id))


async def end_sessions(tx: Tx, account: Account, *, but: int | None = None) -> None:
    """Sign every device out, except the one that asks."""
    condition = [Session.account_id == account.actor_id]
    if but is not None:
        condition.append(Session.id != but)
    await tx.execute(delete(Session).where(*condition))


async def change_password(tx: Tx, account: Account, password_hash: str, *, keep_session: int | None) -> None:
    """A new password ends every other session."""
    account.password_hash = password_hash
    await end_sessions(tx, account, but=keep_session)


async def edit_profile(
    tx: Tx, account: Account, *, name: str, biography: str, profession: str, organisation: str, city: str
) -> None:
    if account.state == "pending":  # a profile is public, and this person has not been let in yet
        raise Refused("wait-for-approval")
    if profession and profession not in PROFESSIONS:
        raise Invalid(profession="profession-unknown")
    if len(biography) > 5000:
        raise Invalid(biography="text-too-long")
    actor = account.actor
    actor.name = text.cut(" ".join(name.split()), 80)
    actor.summary_source = biography
    actor.summary_html = text.render(biography)
    actor.profession = profession
    actor.organisation = text.cut(" ".join(organisation.split()), 120)
    actor.city = text.cut(" ".join(city.split()), 80)
    await tx.flush()
    tx.signal("anything")
    await emit(tx, ActorChanged(actor))


async def set_vip(tx: Tx, by: Actor, actor: Actor, is_on: bool) -> bool:
    """Give somebody, here or elsewhere, the seal of a VIP, or take it. False when nothing changed. Raises Refused."""
    by, actor = await tx.own(by), await tx.own(actor)
    require("seal", await standing(tx, by), actor)
    if actor.kind != "person":
        raise Refused("not-a-person")
    if actor.is_vip is is_on:
        return False
    if is_on and actor.state != "active":
        raise Refused("person-is-suspended" if actor.state == "suspended" else "person-is-gone")
    actor.is_vip = is_on
    tx.add(LogEntry(at=tx.now, actor_id=by.id, action="give-seal" if is_on else "take-seal", about_id=actor.id))
    await tx.flush()
    tx.signal("anything")
    return True


async def choose_look(tx: Tx, account: Account, *, look: str, language: str, timezone: str) -> None:
    """How the pages look to this person: colours, language ('' as the browser asks) and time zone."""
    wrong = {}
    if look not in LOOKS:
        wrong["look"] = "look-unknown"
    if language not in ("", *LANGUAGES):
        wrong["language"] = "language-unknown"
    if timezone != "UTC" and timezone not in available_timezones():
        wrong["timezone"] = "timezone-unknown"
    if wrong:
        raise Invalid(**wrong)
    account.look, account.language, account.timezone = look, language, timezone
    await tx.flush()


async def admins(tx: Tx) -> list[Account]:
    """Who runs this place."""
    query = select(Account).where(Account.site_role == "admin", Account.state == "active")
    return list((await tx.execute(query.order_by(Account.created_at))).scalars())


async def count_members(tx: Tx) -> int:
    return (await tx.execute(select(func.count()).select_from(Account).where(Account.state == "active"))).scalar_one()


ADMIN_LINK = "first-admin-link"


async def make_admin_link(tx: Tx) -> str | None:
    """A one-time token that makes whoever opens its link the admin; None once there is an admin.

    A new one replaces the last, so that a link lost with the terminal's scrollback is no loss.
    """
    has_admin = await tx.scalar(select(Account.actor_id).where(Account.site_role == "admin").limit(1))
    await tx.execute(delete(Fact).where(Fact.name == ADMIN_LINK))
    if has_admin is not None:
        return None
    token = secrets.token_urlsafe(24)
    tx.add(Fact(name=ADMIN_LINK, value=_hash(token)))
    await tx.flush()
    return token


async def admin_link_is_good(tx: Tx, token: str) -> bool:
    fact = await tx.get(Fact, ADMIN_LINK)
    return fact is not None and secrets.compare_digest(fact.value, _hash(token))


async def become_admin(tx: Tx, account: Account, token: str) -> None:
    """Use the one-time link up."""
    used = await tx.execute(
        delete(Fact).where(Fact.name == ADMIN_LINK, Fact.value == _hash(token)).returning(Fact.name)
    )
    if used.first() is None:
        raise Refused("link-is-used")
    account.site_role = "admin"
    account.state = account.actor.state = "active"
    await end_sessions(tx, account)


async def give_role(tx: Tx, by: Actor | None, account: Account, role: str) -> None:
    """Make a member one of ``ROLES`` in the whole house. ``by`` is None for whoever runs the server. Nobody takes their
    own role, so that there is always an admin. Raises Invalid, Refused."""
    if by is not None:
        require("administer", await standing(tx, by))
        if by.id == account.actor_id:
            raise Refused("own-role")
    if role not in ROLES:
        raise Invalid(role="choose-one")
    account = await tx.get_one(Account, account.actor_id)
    if account.site_role == role:
        return
    account.site_role = role
    if by is not None:
        tx.add(LogEntry(at=tx.now, actor_id=by.id, action=f"role-{role}", about_id=account.actor_id))
    await tx.flush()
    tx.signal("anything")


async def ensure_host(tx: Tx, name: str) -> Host:
    """The row of another server, made at first contact."""
    host = await tx.find(Host, name)
    if host is None:
        host = Host(name=name)
        tx.add(host)
        await tx.flush()
        tx.remember(host)
    return host
