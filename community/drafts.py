"""What somebody is writing, kept while they write: nothing typed is ever lost."""

from __future__ import annotations

from sqlalchemy import delete

from community import text
from community.db import Tx
from community.models import Draft


async def find(tx: Tx, account_id: int, place: str) -> Draft | None:
    """``place`` is theme:SLUG for a new topic, topic:ID for a reply."""
    return await tx.get(Draft, (account_id, place[:100]))


async def save(tx: Tx, account_id: int, place: str, *, title: str, source: str) -> None:
    """Keep a draft, or drop it when it has become empty."""
    if not title.strip() and not source.strip():
        await drop(tx, account_id, place)
        return
    draft = await find(tx, account_id, place)
    if draft is None:
        draft = Draft(account_id=account_id, place=place[:100])
        tx.add(draft)
    draft.title, draft.source, draft.saved_at = title[:500], source[: text.MAX_SOURCE], tx.now
    await tx.flush()


async def drop(tx: Tx, account_id: int, place: str) -> None:
    await tx.execute(delete(Draft).where(Draft.account_id == account_id, Draft.place == place[:100]))
