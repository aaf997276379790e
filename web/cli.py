"""The command line: ``folkmoot --help`` lists what it can do."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
from sqlalchemy import select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

import inbox as _inbox
import outbox as _outbox
from community import groups, hosts, jobs, keys, members, posts, settings, tables, topics
from community.events import ActorChanged, emit
from community.members import Invalid
from community.models import Account, Activity, Job, Post, Topic
from community.policy import Refused
from federation import lookup
from federation import site as sites
from federation.client import Budget, FetchError
from federation.site import Site
from web import demo as demo_
from web import init as init_
from web import running
from web.sentences import sentence_of as sentence

T = TypeVar("T")
_ = (_inbox, _outbox)


def _site(folder: str = ".") -> Site:
    try:
        return sites.make(settings.load(folder))
    except settings.BadSettings as error:
        raise click.ClickException(str(error)) from None


def _do(
    action: Callable[[Site], Awaitable[T]],
    *,
    folder: str = ".",
    prepare: Callable[[Site], Awaitable[None]] = running.prepare_quietly,
) -> T:
    """Run one action on an instance whose tables are up to date, turning refusals into sentences."""
    site = _site(folder)

    async def wrapped() -> T:
        try:
            site.database.hub.is_alone = False
            await prepare(site)
            return await action(site)
        finally:
            await site.close()

    try:
        return asyncio.run(wrapped())
    except Refused as refused:
        raise click.ClickException(sentence(refused.reason)) from None
    except Invalid as invalid:
        lines = [f"{field}: {sentence(reason)}" for field, reason in invalid.fields.items()]
        raise click.ClickException("\n".join(lines)) from None
    except (OperationalError, OSError) as error:
        raise click.ClickException(f"The database cannot be reached: {error}") from None


@click.group()
@click.version_option(package_name="folkmoot")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what happens.")
def main(verbose: bool) -> None:
    """A federated community server for cities."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


@main.command()
@click.option("--folder", default=".", type=click.Path(file_okay=False), help="Where folkmoot.toml and the data go.")
@click.option("--origin", help="The public address, as in https://moot.example. It can never be changed.")
@click.option("--name", help="What the city or community is called.")
@click.option("--about", help="What it is, in one sentence.")
@click.option("--colour", help="Its colour, as in #0b5a52.")
@click.option("--logo", type=click.Path(exists=True, dir_okay=False), help="A PNG, JPEG or WebP file.")
@click.option("--language", help="Language of the pages where a reader's own is not offered: en, fr or es.")
@click.option("--languages", help="Languages that are offered, as in en,fr.")
@click.option("--theme", "themes", multiple=True, metavar="SLUG:NAME", help="A theme to begin with; repeatable.")
@click.option("--admin-name", help="The name by which the first admin signs in.")
@click.option("--admin-email", help="The first admin's e-mail address.")
@click.option("--password-stdin", is_flag=True, help="Read the admin's password from standard input.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given takes its default.")
def init(folder: str, themes: tuple[str, ...], yes: bool, **given: Any) -> None:
    """Set up a city's own instance: asks for what is not given. Running it again is safe."""
    plan = init_.ask(folder, themes, is_quiet=yes, **given)

    async def action(site: Site) -> init_.Founded:
        return await init_.carry_out(site, plan)

    init_.write_settings(plan)
    founded = _do(action, folder=folder, prepare=running.prepare_empty)
    click.echo(init_.next_steps(plan, founded))


@main.command()
@click.option("--port", default=8100, show_default=True, help="The first of three ports on 127.0.0.1.")
@click.option("--folder", type=click.Path(file_okay=False), help="Keep the three instances here. Default: thrown away.")
def demo(port: int, folder: str | None) -> None:
    """Three linked instances on this machine, filled with samples, until Ctrl-C."""
    sys.exit(asyncio.run(demo_.run(port, folder)))


def _serve(**options: bool) -> None:
    site = _site()
    try:
        asyncio.run(running.run(site, **options))
    except OSError as error:
        host, port = site.settings.listen
        raise click.ClickException(f"{host}:{port} cannot be used ({error}). Set FOLKMOOT_BIND to another.") from None
    except SQLAlchemyError as error:
        raise click.ClickException(f"The database cannot be used: {error}") from None


@main.command()
@click.option("--empty", is_flag=True, help="Without the starter themes and topics.")
def run(empty: bool) -> None:
    """Everything in one process: pages, inboxes and jobs."""
    _serve(empty=empty)


@main.command()
def web() -> None:
    """Pages and inboxes only; jobs are done by `folkmoot worker`. For PostgreSQL."""
    _needs_postgresql()
    _serve(with_jobs=False)


@main.command()
def worker() -> None:
    """Jobs only. For PostgreSQL; start as many as wanted."""
    _needs_postgresql()
    _serve(with_pages=False)


def _needs_postgresql() -> None:
    site = _site()
    if site.database.is_sqlite:
        raise click.ClickException("On SQLite one process does everything: use `folkmoot run`.")


@main.command()
@click.option("--revise", help="For developers: write the next migration, for what the models have more; say what.")
def migrate(revise: str | None) -> None:
    """Bring the database's tables up to date."""

    async def action(site: Site) -> str | None:
        await tables.migrate(site.database)
        if revise:
            await tables.revise(site.database, revise)
        return (await tables.version(site.database))[0]

    click.echo(f"The tables are at version {_do(action)}.")


@main.command("admin-link")
def admin_link() -> None:
    """Print a new one-time link that makes whoever opens it the admin."""

    async def action(site: Site) -> str | None:
        async with site.database.write() as tx:
            token = await members.make_admin_link(tx)
        return token and f"{site.settings.origin}/welcome/{token}"

    link = _do(action)
    if link is None:
        raise click.ClickException("There is an admin already: `folkmoot member add NAME --admin` makes another.")
    click.echo(link)


@main.group()
def member() -> None:
    """People with an account here."""


@member.command("add")
@click.argument("name")
@click.option("--email", required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--admin", is_flag=True, help="Make this member an admin.")
@click.option("--display-name", default="", help="The name that people read.")
def member_add(name: str, email: str, password_stdin: bool, admin: bool, display_name: str) -> None:
    """Add a member."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    reason = members.check_password(password)
    if reason:
        raise click.ClickException(sentence(reason))

    async def action(site: Site) -> str:
        hashed = await members.hash_password(password)
        made = await keys.make(site.settings.secret())
        async with site.database.write() as tx:
            account = await members.add_member(
                tx, name, email, hashed, made, name=display_name, site_role="admin" if admin else "member"
            )
            return account.actor.uri

    click.echo(_do(action))


@member.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(members.ROLES))
def member_role(name: str, role: str) -> None:
    """Make a member an editor (of blog and agendas), a moderator or an admin, or a plain member again."""

    async def action(site: Site) -> str:
        async with site.database.write() as tx:
            actor = await members.find_local(tx, name)
            account = await tx.get(Account, actor.id) if actor is not None else None
            if account is None:
                raise click.ClickException(f"There is no member {name!r} here.")
            await members.give_role(tx, None, account, role)
            return f"{name} is {role}."

    click.echo(_do(action))


@main.command("rotate-key")
@click.argument("name")
def rotate_key(name: str) -> None:
    """Give a member or theme new keys, as after a leak; their followers' servers are told."""

    async def action(site: Site) -> str:
        made = await keys.make(site.settings.secret())
        async with site.database.write() as tx:
            actor = await members.find_local(tx, name)
            if actor is None:
                raise click.ClickException(f"There is nobody called {name!r} here.")
            await keys.rotate(tx, actor, made)
            await emit(tx, ActorChanged(actor))
            return actor.key_id

    click.echo(_do(action))


@main.group()
def theme() -> None:
    """Forum themes, which are groups that the fediverse can follow."""


@theme.command("add")
@click.argument("slug")
@click.option("--name", required=True)
@click.option("--about", default="", help="What it is about, in Markdown.")
@click.option("--colour", default="", help="Six hexadecimal digits, as in #1f5fa8.")
def theme_add(slug: str, name: str, about: str, colour: str) -> None:
    """Add a theme."""

    async def action(site: Site) -> str:
        made = await keys.make(site.settings.secret())
        async with site.database.write() as tx:
            added = await groups.add_theme(tx, None, slug, made, name=name, about=about, colour=colour)
            return added.actor.uri

    click.echo(_do(action))


@main.command()
@click.option("--as", "author", required=True, help="Who writes: the name of a member.")
@click.option("--theme", "slug", help="Open a topic in this theme.")
@click.option("--title", help="The topic's title.")
@click.option("--reply-to", "reply_to", help="Answer the post with this URI.")
def post(author: str, slug: str | None, title: str | None, reply_to: str | None) -> None:
    """Write a topic or a reply, in Markdown from standard input; prints the new post's URI."""
    if bool(slug) == bool(reply_to):
        raise click.UsageError("Say either --theme SLUG --title T, or --reply-to URI.")
    if slug and not title:
        raise click.UsageError("A topic needs a --title.")
    source = sys.stdin.read()

    async def action(site: Site) -> str:
        await lookup.look_up_mentions(site, source)
        async with site.database.write() as tx:
            actor = await members.find_local(tx, author)
            if actor is None:
                raise click.ClickException(f"There is no member {author!r}: folkmoot member add {author} --email …")
            if slug:
                group = await groups.group_by_handle(tx, slug)
                if group is None:
                    raise click.ClickException(f"There is no theme {slug!r}: folkmoot theme add {slug} --name …")
                written = await posts.compose(tx, source, title=topics.check_title(title or ""))
                return (await topics.open(tx, actor, group, written)).uri
            parent = await posts.find_by_uri(tx, reply_to or "")
            if parent is None:
                raise click.ClickException(f"No post with the URI {reply_to} is held here.")
            topic = await tx.get_one(Topic, parent.topic_id)
            written = await posts.compose(tx, source)
            return (await posts.reply(tx, actor, topic, written, reply_to=parent)).uri

    click.echo(_do(action))


@main.command()
@click.option("--settings", "show_settings", is_flag=True, help="List every setting, its value and its meaning.")
def doctor(show_settings: bool) -> None:
    """Look for what is wrong, and say how to mend it."""
    try:
        loaded = settings.load()
    except settings.BadSettings as error:
        raise click.ClickException(str(error)) from None
    if show_settings:
        click.echo(settings.describe(loaded))
        return
    problems = asyncio.run(_examine(_site()))
    for is_fine, says in problems:
        click.echo(f"{'ok  ' if is_fine else 'WRONG'} {says}")
    if not all(is_fine for is_fine, _ in problems):
        sys.exit(1)


async def _examine(site: Site) -> list[tuple[bool, str]]:
    found: list[tuple[bool, str]] = [(True, f"settings: {site.settings.origin}, data in {site.settings.data_path}")]
    try:
        at, newest = await tables.version(site.database)
        if at != newest:
            found.append((False, f"tables: at {at or 'nothing'}, the newest is {newest}. Run: folkmoot migrate"))
            return found
        found.append((True, f"tables: at {at}"))
        async with site.database.read() as tx:
            if not await groups.is_founded(tx):
                found.append((False, "instance: not founded yet. Run: folkmoot run"))
                return found
            counts = await jobs.counts(tx)
            health = await hosts.counts(tx)
        is_slow = counts["oldest_seconds"] > 600
        says = f"queue: {counts['waiting']} waiting, oldest due {counts['oldest_seconds']} s ago"
        found.append((not is_slow, says + (". Is `folkmoot run` or a worker running?" if is_slow else "")))
        found.append((True, f"dead letters: {counts['failed']} jobs (/staff/jobs)"))
        found.append(
            (True, f"other servers: {health['failing']} do not answer, {health['given_up']} given up on (/staff/hosts)")
        )
        answer = f"{site.settings.origin}/.well-known/webfinger?resource={site.settings.origin}/"
        try:
            await site.client.get_json(answer, budget=Budget(fetches=1, seconds=5))
            found.append((True, "webfinger: answers from outside"))
        except FetchError as error:
            if site.settings.is_loopback:
                found.append((True, "webfinger: not asked, since the origin is on loopback"))
            else:
                mend = "Is the server running, and does the proxy pass /.well-known on?"
                found.append((False, f"webfinger: {error.reason} at {answer}. {mend}"))
    except (SQLAlchemyError, OSError) as error:
        found.append((False, f"database: {error}. Check database_url, or that the data directory can be written"))
    finally:
        await site.close()
    return found


@main.command()
@click.argument("uri")
def explain(uri: str) -> None:
    """Tell what is held of an activity or a post: received when, outcome, effects, deliveries."""

    async def action(site: Site) -> list[str]:
        async with site.database.read() as tx:
            lines: list[str] = []
            for row in (
                await tx.execute(
                    select(Activity).where((Activity.uri == uri) | (Activity.object_uri == uri)).order_by(Activity.id)
                )
            ).scalars():
                arrow = "received" if row.direction == "in" else "sent"
                lines.append(f"{row.at:%Y-%m-%d %H:%M:%S} {arrow} {row.type} {row.uri}")
                lines.append(f"    by {row.actor_uri}, about {row.object_uri or '-'}")
                lines.append(f"    outcome: {row.outcome or 'not processed yet'}")
                if row.direction == "out":
                    waiting = (
                        await tx.execute(
                            select(Job.argument, Job.attempts, Job.run_at, Job.error, Job.failed_at).where(
                                Job.kind == "deliver", Job.argument["activity"].as_string() == row.uri
                            )
                        )
                    ).all()
                    lines.append(
                        f"    delivered to {row.sent_count} inboxes, given up for {row.failed_count}, "
                        f"waiting for {sum(1 for job in waiting if job.failed_at is None)}"
                    )
                    for job in waiting:
                        state = "given up" if job.failed_at else f"next at {job.run_at:%Y-%m-%d %H:%M:%S}"
                        lines.append(f"        {job.argument['inbox']}: {job.attempts} attempts, {state}: {job.error}")
                if row.uri == uri:
                    lines.append(json.dumps(json.loads(row.document), indent=2, ensure_ascii=False))
            held = (await tx.execute(select(Post).where(Post.uri == uri))).scalar_one_or_none()
            if held is not None:
                state = f"deleted {held.deleted_at:%Y-%m-%d}" if held.deleted_at else "shown"
                address = f"{tx.settings.origin}/t/{held.topic_id}"
                lines.append(f"post {held.id}: number {held.number} of {address}, {state}")
            return lines

    found = _do(action)
    if not found:
        raise click.ClickException(f"Nothing is held of {uri}.")
    click.echo("\n".join(found))


if __name__ == "__main__":
    main()
