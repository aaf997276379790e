"""What other servers send: activities become community actions.

``receive`` is the endpoint and the job behind it; ``registry`` says which function handles which activity; the other
files are named after the nouns they handle. A handler is a plain database function that answers with the outcome.
Importing this package registers them all.
"""

from inbox import members, posts, reactions

__all__ = ["members", "posts", "reactions"]
