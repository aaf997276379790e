"""What other servers send: activities become community actions.

``receive`` is the endpoint, ``work`` the job behind it; ``dispatch`` finds the handler that ``registry`` names; the
other files are named after the nouns they handle; ``groups`` is what groups elsewhere announce, ``citations`` the one
private message that is taken. A handler is a plain database function that answers with the outcome. Importing this
package registers them all.
"""

from inbox import debates, groups, members, moderation, polls, posts, quotes, reactions, work

__all__ = ["debates", "groups", "members", "moderation", "polls", "posts", "quotes", "reactions", "work"]
