"""What leaves for other servers: community events become activities.

Subscribers (``posts``, ``reactions``, ``members``) write rows in the transaction of the event: the activity itself
and a job that fans it out. ``delivery`` is the only sender. ``documents`` builds what we say about our things,
``collections`` the lists of them. Importing this package registers them all.
"""

from outbox import delivery, links, members, moderation, polls, posts, quotes, reactions, threads

__all__ = ["delivery", "links", "members", "moderation", "polls", "posts", "quotes", "reactions", "threads"]
