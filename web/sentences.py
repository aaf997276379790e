"""One table of what the community's refusals and complaints say to a person.

Keys are the reasons of ``policy.Refused`` and the fields' values of ``members.Invalid``; the sentences are English, the
source language of the catalogs.
"""

from __future__ import annotations


def N_(sentence: str) -> str:
    """Marks a sentence for the catalogs; it is translated where it is shown."""
    return sentence


SENTENCES: dict[str, str] = {
    # Why something may not be done.
    "sign-in-first": N_("Sign in first."),
    "you-are-suspended": N_("Your account is suspended."),
    "wait-for-approval": N_("Your account waits for approval. You can read everything until then."),
    "host-is-blocked": N_("This server does not accept posts from that server."),
    "you-are-banned-here": N_("The moderators of this theme have excluded you from it."),
    "theme-is-closed": N_("This theme is closed."),
    "topic-is-closed": N_("This topic is closed: it can be read, but not answered."),
    "topic-is-deleted": N_("This topic was deleted."),
    "post-is-deleted": N_("This post was deleted."),
    "own-post": N_("This is your own post."),
    "only-the-author": N_("Only the author can do this."),
    "moderators-only": N_("Only moderators can do this."),
    "admins-only": N_("Only administrators can do this."),
    "was-deleted": N_("This was deleted."),
    "not-there": N_("The address may be mistyped, or what was here has been removed."),
    "wrong-method": N_("This address does not take that kind of request. Go back and try the link or button again."),
    "too-large": N_("What was sent is too large. Shorten it, then send it again."),
    "our-fault": N_("It is our fault, not yours, and it has been noted. Going back brings what you typed back."),
    "registration-closed": N_("New members are not being taken at the moment."),
    "link-is-used": N_("This link was already used or replaced by a newer one."),
    "too-many-tries": N_("That was tried too often. Wait a few minutes, then try again."),
    "form-is-stale": N_("This form was open for too long or came from another page. Send it once more."),
    # What cannot be used as typed.
    "text-missing": N_("Write something first."),
    "text-too-long": N_("This is too long."),
    "title-missing": N_("Give it a title of at least three characters."),
    "title-too-long": N_("Keep the title under 200 characters."),
    "reason-missing": N_("Say why: the reason is shown and logged."),
    "theme-unknown": N_("There is no such theme."),
    "name-form": N_("Use 2 to 20 small letters, digits or underscores."),
    "name-reserved": N_("This name is kept for the house."),
    "name-taken": N_("This name is taken."),
    "email-form": N_("This does not look like an e-mail address."),
    "email-taken": N_("There is an account with this address already."),
    "password-too-short": N_("Use at least 10 characters."),
    "password-too-long": N_("Use at most 500 characters."),
    "profession-unknown": N_("Choose one of the list."),
    "theme-name-length": N_("Use 1 to 80 characters."),
    "colour-form": N_("Write the colour as # and six hexadecimal digits."),
    "object-type-unknown": N_("Choose Note or Article."),
    # Joining, signing in, settings.
    "form-from-elsewhere": N_(
        "This form came from another page than ours, so nothing was done. Open the page here and send it from there."
    ),
    "name-or-password-wrong": N_("Name and password do not fit together."),
    "old-password-wrong": N_("This is not your present password."),
    "application-missing": N_("Say in a sentence what brings you here."),
    "look-unknown": N_("Choose one of the list."),
    "language-unknown": N_("Choose one of the list."),
    "timezone-unknown": N_("Choose one of the list."),
    # Going home to one's own server.
    "server-form": N_("Write a server such as mastodon.example, or your handle such as @you@mastodon.example."),
    "server-is-here": N_("That is this server: sign in to take part here."),
    "server-has-no-door": N_("That server does not say where to continue. Copy the address and search for it there."),
    "server-did-not-answer": N_("That server did not answer. Copy the address and search for it there."),
    "uri-form": N_("The address to open is missing or broken."),
}


def sentence_of(key: str) -> str:
    """The English sentence behind a key; a key that is not in the table is shown as words rather than hidden."""
    return SENTENCES.get(key) or key.replace("-", " ").capitalize() + "."
