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
    "host-is-ours": N_("That is this server."),
    "you-are-banned-here": N_("The moderators of this theme have excluded you from it."),
    "theme-is-closed": N_("This theme is closed."),
    "topic-is-closed": N_("This topic is closed: it can be read, but not answered."),
    "topic-is-deleted": N_("This topic was deleted."),
    "post-is-deleted": N_("This post was deleted."),
    "own-post": N_("This is your own post."),
    "poll-is-closed": N_("This poll is closed."),
    "voted-already": N_("You have voted already."),
    "choose-one": N_("Choose one of the list."),
    "no-such-poll": N_("There is no poll here."),
    "only-the-author": N_("Only the author can do this."),
    "remove-it-instead": N_("This is at home here: remove it instead of hiding it."),
    "not-above-them": N_("This person has at least your rank in this place. Ask somebody above you both."),
    "not-a-person": N_("That is not a person."),
    "they-are-banned": N_("This person is excluded. Let them in again first."),
    "too-many-reports": N_("Those are many reports in a short time. Wait an hour, or write to the staff."),
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
    "you-have-moved": N_("You have moved to another account. Undo the move in your settings to write from here again."),
    "place-of-a-person": N_("Only they open topics here. Answer one, or mention them in a topic of a theme."),
    "cannot-be-followed": N_("This cannot be followed."),
    # Finding things elsewhere.
    "address-form": N_("Write a handle such as @name@host, or an address that begins with https://."),
    "nothing-there": N_("Nothing is there any more, or nothing ever was. Look at the address once more."),
    "no-answer-from-there": N_("That server does not answer at the moment. Try it again in a while."),
    "not-understood-there": N_("That server answered with something that cannot be opened here."),
    "no-place-for-this": N_("This was found, but nobody here follows its author, or the theme it was written for."),
    "not-public": N_("This is not public, and only those whom it is meant for can read it."),
    # Moving.
    "move-not-confirmed": N_("The new account does not name this one as an alias yet. Do that first, in its settings."),
    "moved-a-moment-ago": N_("The last move was less than seven days ago. Wait until seven days have passed."),
    "not-a-person-elsewhere": N_("Name the account of a person on another server."),
    "too-many-aliases": N_("Ten accounts are enough. Remove one first."),
    # What cannot be used as typed.
    "text-missing": N_("Write something first."),
    "text-too-long": N_("This is too long."),
    "title-missing": N_("Give it a title of at least three characters."),
    "title-too-long": N_("Keep the title under 200 characters."),
    "report-reason-missing": N_("Say in a few words what is wrong."),
    "nothing-ticked": N_("Tick what is to be done, or choose another button."),
    "erase-with-what": N_("To erase everything, tick excluding or suspending as well."),
    "duration-unknown": N_("Choose one of the list."),
    "handle-unknown": N_("Nobody was found under this handle. It is @name for members here, @name@server elsewhere."),
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
    "poll-options-count": N_("Give 2 to 10 choices, one on each line."),
    "poll-option-too-long": N_("Keep each choice under 100 characters."),
    "poll-options-alike": N_("Two of the choices say the same."),
    "poll-days-unknown": N_("Choose one of the list."),
    "object-type-unknown": N_("Choose Note or Article."),
    # Linked cities and the house.
    "link-no-group": N_("This is no theme or group: a link needs the handle or address of one."),
    "link-is-here": N_("This theme is here already: links are with themes on other servers."),
    "link-exists": N_("This link is proposed or stands already: see below."),
    "link-changed-meanwhile": N_("This link has changed in the meantime. Look at it again."),
    "house-name-length": N_("Use 1 to 60 characters."),
    "language-missing": N_("Offer at least one language."),
    "language-not-offered": N_("Choose one of the languages that are offered."),
    "picture-form": N_("This is no picture that can be used: take a PNG, JPEG or WebP file."),
    "picture-too-large": N_("This picture is too large: at most 900 kB and 20 megapixels."),
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
    "server-did-not-answer": N_("That server did not answer. Copy the address and search for it there."),
    "uri-form": N_("The address to open is missing or broken."),
}


def sentence_of(key: str) -> str:
    """The English sentence behind a key; a key that is not in the table is shown as words rather than hidden."""
    return SENTENCES.get(key) or key.replace("-", " ").capitalize() + "."
