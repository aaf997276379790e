"""Setting up a city's own instance: what is asked, the settings file, the first themes and the first admin."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from community import house, keys, members, settings, starter
from community.settings import COLOUR, LANGUAGES, BadSettings, Settings
from federation.site import Site
from web.sentences import sentence_of as sentence

THEMES = ("mobility:Mobility", "water:Water", "energy:Energy")
_SLUG = re.compile(r"[a-z0-9_]{2,20}")


@dataclass(frozen=True)
class Admin:
    name: str
    email: str
    password: str


@dataclass(frozen=True)
class Plan:
    """What is going to be set up. ``values`` go into folkmoot.toml; None: the file that is there stays."""

    folder: Path
    values: Mapping[str, object] | None
    themes: tuple[tuple[str, str], ...] = ()
    language: str = "en"
    logo: bytes | None = None
    admin: Admin | None = None


@dataclass(frozen=True)
class Founded:
    themes: list[str] = field(default_factory=list)  # the new ones
    admin: str = ""
    admin_link: str = ""


# --- what is typed


def _origin(typed: str) -> str:
    origin = typed.strip().rstrip("/").lower()
    if origin and "://" not in origin:
        origin = f"https://{origin}"
    try:
        return settings.check(Settings(origin=origin)).origin
    except BadSettings as error:
        raise click.BadParameter(str(error)) from None


def _name(typed: str) -> str:
    name = " ".join(typed.split())
    if not 1 <= len(name) <= house.MAX_NAME:
        raise click.BadParameter(sentence("house-name-length"))
    return name


def _about(typed: str) -> str:
    about = " ".join(typed.split())
    if len(about) > house.MAX_ABOUT:
        raise click.BadParameter(sentence("text-too-long"))
    return about


def _colour(typed: str) -> str:
    colour = typed.strip().lower()
    if not COLOUR.fullmatch(colour):
        raise click.BadParameter(sentence("colour-form"))
    return colour


def _languages(typed: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(code.strip().lower() for code in typed.split(",") if code.strip()))
    if not chosen or not set(chosen) <= set(LANGUAGES):
        raise click.BadParameter(f"Choose of {', '.join(LANGUAGES)}.")
    return chosen


def _theme(typed: str) -> tuple[str, str]:
    slug, _, name = (part.strip() for part in typed.partition(":"))
    slug = slug.removeprefix("@").lower()
    name = " ".join(name.split()) or slug.capitalize()
    if not _SLUG.fullmatch(slug) or slug in members.RESERVED:
        raise click.BadParameter(f"{slug!r}: {sentence('name-reserved' if slug in members.RESERVED else 'name-form')}")
    if len(name) > 80:
        raise click.BadParameter(f"{name[:20]!r}…: {sentence('theme-name-length')}")
    return slug, name


def _themes(typed: str) -> tuple[tuple[str, str], ...]:
    found = tuple(_theme(each) for each in typed.split(",") if each.strip())
    if len({slug for slug, _ in found}) < len(found):
        raise click.BadParameter("Each theme needs a short name of its own.")
    return found


def _member_name(typed: str) -> str:
    name = typed.strip().removeprefix("@").lower()
    if not _SLUG.fullmatch(name) or name in members.RESERVED:
        raise click.BadParameter(sentence("name-reserved" if name in members.RESERVED else "name-form"))
    return name


def _email(typed: str) -> str:
    reason = members.check_email(typed.strip())
    if reason:
        raise click.BadParameter(sentence(reason))
    return typed.strip()


def _password(typed: str) -> str:
    reason = members.check_password(typed)
    if reason:
        raise click.BadParameter(sentence(reason))
    return typed


# --- asking


class _Asker:
    """Takes what was given, else the default where nothing may be asked, else what somebody types until it fits."""

    def __init__(self, given: Mapping[str, Any], is_quiet: bool) -> None:
        self._given = given
        self._is_quiet = is_quiet

    def __call__(self, option: str, question: str, default: str, read: Callable[[str], Any]) -> Any:
        given = self._given.get(option)
        if given is not None or self._is_quiet:
            try:
                return read(default if given is None else given)
            except click.BadParameter as error:
                raise click.ClickException(f"--{option.replace('_', '-')}: {error.message}") from None
        return click.prompt(question, default=default or None, value_proc=read)


def ask(folder: str, themes: tuple[str, ...], *, is_quiet: bool, **given: Any) -> Plan:
    """Find out what is wanted. A settings file that is there is only replaced after a yes."""
    path = Path(folder, "folkmoot.toml")
    try:
        held = settings.load(folder)
    except BadSettings as error:
        raise click.ClickException(str(error)) from None
    take = _Asker(given, is_quiet)
    values: dict[str, object] | None = None
    is_kept = path.exists()
    if is_kept:
        click.echo(f"{path} is there already.")
        if is_quiet or not click.confirm("Write it anew? What else stands in it is lost.", default=False):
            click.echo("It stays as it is.")
        else:
            is_kept = False
    language = held.language
    if not is_kept:
        values = {
            "origin": take("origin", "Public address (never to be changed)", held.origin, _origin),
            "name": take("name", "Name of the city or community", held.name, _name),
            "about": take("about", "What it is, in one sentence", held.about, _about),
            "colour": take("colour", "Colour", held.colour, _colour),
        }
        language = take("language", f"Main language ({', '.join(LANGUAGES)})", held.language, _languages)[0]
        offered = take("languages", "Languages offered", ",".join(held.languages), _languages)
        values |= {"language": language, "languages": [language, *(code for code in offered if code != language)]}
    default = "" if is_kept else ", ".join(THEMES)
    wanted = take("themes", "Themes, as short:Name", default, _themes) if not themes and not is_kept else ()
    if themes:
        wanted = _Asker({"theme": ",".join(each.replace(",", " ") for each in themes)}, True)("theme", "", "", _themes)
    logo = Path(given["logo"]).read_bytes() if given.get("logo") else None
    return Plan(Path(folder), values, wanted, language, logo, _ask_admin(take, given, is_quiet, is_kept))


def _ask_admin(take: _Asker, given: Mapping[str, Any], is_quiet: bool, is_kept: bool) -> Admin | None:
    is_given = given.get("admin_name") or given.get("admin_email") or given.get("password_stdin")
    if not is_given and (is_quiet or is_kept or not click.confirm("Make the first admin now?", default=True)):
        return None
    name = take("admin_name", "Admin's name, to sign in with", "", _member_name)
    email = take("admin_email", "Admin's e-mail address", "", _email)
    if given.get("password_stdin"):
        typed = sys.stdin.readline().rstrip("\r\n")
        try:
            return Admin(name, email, _password(typed))
        except click.BadParameter as error:
            raise click.ClickException(f"Password: {error.message}") from None
    if is_quiet:
        raise click.ClickException("The admin needs a password: give it with --password-stdin.")
    asked = click.prompt("Password", hide_input=True, confirmation_prompt=True, value_proc=_password)
    return Admin(name, email, asked)


# --- doing


def write_settings(plan: Plan) -> None:
    """Write folkmoot.toml, whole or not at all."""
    if plan.values is None:
        return
    plan.folder.mkdir(parents=True, exist_ok=True)
    # What JSON writes for strings, lists of strings and numbers is TOML too.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plan.values.items()]
    text = "# Settings of this instance; `folkmoot doctor --settings` lists all there are.\n" + "\n".join(lines) + "\n"
    new = plan.folder / "folkmoot.toml.new"
    new.write_text(text, encoding="utf-8")
    os.replace(new, plan.folder / "folkmoot.toml")


async def carry_out(site: Site, plan: Plan) -> Founded:
    """Found what is not there yet. The instance itself is founded, without content."""
    secret = site.settings.secret()
    pairs = [await keys.make(secret) for _ in plan.themes]
    picture = await house.draw_logo(plan.logo) if plan.logo is not None else None
    hashed = await members.hash_password(plan.admin.password) if plan.admin is not None else ""
    admin_pair = await keys.make(secret) if plan.admin is not None else None
    async with site.database.write() as tx:
        added = await starter.write_own(tx, plan.themes, pairs, plan.language)
        if picture is not None:
            await house.set_logo(tx, None, picture)
        await house.settle(tx)
        made = ""
        if plan.admin is not None and admin_pair is not None and await members.find_local(tx, plan.admin.name) is None:
            account = await members.add_member(
                tx, plan.admin.name, plan.admin.email, hashed, admin_pair, site_role="admin"
            )
            made = account.actor.handle
        token = await members.make_admin_link(tx)
    return Founded(added, made, f"{site.settings.origin}/welcome/{token}" if token else "")


def next_steps(plan: Plan, founded: Founded) -> str:
    held = settings.load(plan.folder)
    lines = ["", f"{held.name} is set up in {plan.folder.resolve()}."]
    if founded.themes:
        lines.append("Themes: " + ", ".join(f"@{slug}@{held.host}" for slug in founded.themes))
    if founded.admin:
        lines.append(f"Admin: {founded.admin}")
    elif founded.admin_link:
        lines.append(f"Whoever opens this link once becomes the admin: {founded.admin_link}")
    host, port = held.listen
    inside = "" if plan.folder == Path(".") else f"cd {plan.folder} && "
    lines += ["", "Next:", f"  1. Start it:  {inside}folkmoot run"]
    if held.is_secure:
        lines.append(
            f"  2. Have a web server (Caddy, nginx) pass everything for {held.host} on to {host}:{port}, with its "
            "X-Forwarded-For, and set trusted_proxies to its address. Caddy needs one line: "
            f"caddy reverse-proxy --from {held.host} --to {host}:{port}"
        )
        lines.append(f"     Then `{inside}folkmoot doctor` says whether others can reach it.")
    else:
        lines.append(f"  2. Open it:   {held.origin}  (for this machine only; other servers need an https origin)")
    lines.append(
        "  3. Link a theme with another city's or the hub's: sign in as admin, Staff > Linked cities, propose it by "
        "its handle, such as @mobility@hub.example. Their staff is asked; then each shows the other's topics."
    )
    return "\n".join(lines)
