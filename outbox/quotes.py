"""Answers to those who ask to quote a post of ours, and the withdrawal of such permissions."""

from __future__ import annotations

from community.db import Tx
from community.events import QuoteAnswered, QuoteRevoked, on
from community.models import Post, Quote
from federation import shapes, translate
from federation.vocabulary import Document
from outbox.delivery import To, new_uri, send


def _uri(tx: Tx, quote: Quote) -> str:
    return f"{tx.settings.origin}/q/{quote.id}"


def authorization(tx: Tx, quote: Quote, post: Post, author_uri: str) -> Document:
    """The permission as it is served at its own address."""
    return shapes.to_quote_authorization(_uri(tx, quote), author_uri, quote.quoting_uri, post.uri)


@on(QuoteAnswered)
async def answer(tx: Tx, event: QuoteAnswered) -> None:
    """Accept with the address of the permission, or Reject; signed by the author who is quoted."""
    kind = "Reject" if event.quote is None else "Accept"
    result = {} if event.quote is None else {"result": _uri(tx, event.quote)}
    about = {"@context": shapes.QUOTE_CONTEXT, "to": [event.by.uri], **result}
    document = translate.activity(kind, new_uri(tx), event.author, event.request, tx.now, **about)
    await send(tx, document, event.author, To(actors=(event.by.id,), own_inbox=True))


@on(QuoteRevoked)
async def withdraw(tx: Tx, event: QuoteRevoked) -> None:
    document = translate.activity("Delete", new_uri(tx), event.author, _uri(tx, event.quote), tx.now, to=[event.by.uri])
    await send(tx, document, event.author, To(actors=(event.by.id,), own_inbox=True))
