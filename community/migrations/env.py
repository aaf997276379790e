"""Runs the migrations on the connection that ``community.tables`` hands over."""

from typing import Any

from alembic import context

from community.columns import Base, Utc


def _render(kind: str, thing: Any, _context: Any) -> Any:
    return "Utc()" if kind == "type" and isinstance(thing, Utc) else False


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit("Migrations run through: folkmoot migrate")
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=True,
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
