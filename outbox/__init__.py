"""What leaves for other servers: community events become activities.

Subscribers, in files named after the nouns, write rows in the transaction of the event: the activity itself and its
deliveries. ``delivery`` is the only sender. ``threads`` tells openers again, for servers that learn of replies in no
other way. ``documents`` builds what we say about our things, ``collections`` the lists of them. Importing this package
registers them all.
"""

from outbox import (
    agendas,
    articles,
    citations,
    debates,
    delivery,
    links,
    members,
    moderation,
    polls,
    posts,
    quotes,
    reactions,
    threads,
)

__all__ = [
    "agendas",
    "articles",
    "citations",
    "debates",
    "delivery",
    "links",
    "members",
    "moderation",
    "polls",
    "posts",
    "quotes",
    "reactions",
    "threads",
]
