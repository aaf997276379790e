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
    # Pictures that people upload.
    "upload-too-large": N_("This file is too large."),
    "picture-missing": N_("Choose a picture first."),
    "not-a-picture": N_("This is no picture that can be shown, or it is broken: take a JPEG, PNG, WebP or GIF file."),
    "picture-moves": N_("Moving pictures are not shown here: save it as a still picture."),
    "picture-has-too-many-pixels": N_("This picture has too many pixels: at most 50 megapixels can be drawn."),
    "alt-too-long": N_("Keep the description under 1,500 characters."),
    "upload-quota-reached": N_(
        "Your pictures take all the room that each member has. Delete posts with pictures that nobody needs any more."
    ),
    "too-many-uploads": N_("Those are many pictures in a short time. Wait an hour."),
    "uploads-at-once": N_("Those are many pictures at once. Wait until the others are here."),
    "upload-too-slow": N_("The picture did not arrive in time, so it was not kept. Try a smaller one."),
    "storage-failed": N_("The picture could not be kept just now. Try again in a minute."),
    # Debates.
    "summary-length": N_("Give an abstract of 1 to 500 characters."),
    "digest-changed-meanwhile": N_("The draft has changed in the meantime. Sent once more, your text takes its place."),
    "digest-time-is-past": N_("There is no date to come on which it could go by itself. Publish it now, or save it."),
    "digest-is-sent": N_("The digest is out already. What you save corrects it."),
    "questions-enough": N_(
        "Five of your questions wait for the host already. Ask again when one of them has been dealt with."
    ),
    "questions-are-full": N_(
        "So many questions have come in that no more are taken. Vote for those that you want to be answered."
    ),
    "question-is-gone": N_("This question was taken back."),
    "question-is-dealt-with": N_("This question was dealt with in the meantime. Look at the desk once more."),
    "question-is-hidden": N_("This question was hidden or deleted, and cannot be accepted."),
    "asker-is-excluded": N_("Whoever asked this is excluded or suspended, so it cannot be accepted."),
    "merge-with-what": N_("Choose another question of this debate to merge it with."),
    "answer-is-elsewhere": N_("Choose an answer from this debate."),
    "answer-by-whom": N_("Only what the host or the panel wrote is an answer."),
    "place-unknown": N_("Give the place as a whole number."),
    "debate-is-concluded": N_("This debate is concluded: its questions stay as they are."),
    "editors-only": N_("Only editors, moderators of the theme and staff can do this."),
    "hosts-only": N_("Only the hosts of the debate and the staff can do this."),
    "position-unknown": N_("Choose in favour, against, a question or neither."),
    "not-in-a-debate": N_("This post has no side: it is not an argument in a debate."),
    "debate-is-over": N_("This debate is over. It can be read, but nothing is added to it."),
    "debate-is-not-over": N_("This debate is not over yet."),
    "debate-is-live": N_("This debate is on at this moment: its date and its motion stand. It can still be cancelled."),
    "debate-is-cancelled": N_("This debate was cancelled."),
    "debate-has-one-floor": N_("A debate has one thread, which stays in it: answer there instead."),
    "debate-is-elsewhere": N_("This debate is arranged on another server."),
    "motion-length": N_("Give the motion 3 to 200 characters."),
    "date-form": N_("Give the date as year-month-day, such as 2027-01-18."),
    "time-form": N_("Give the time as hours:minutes, such as 14:00."),
    "date-is-past": N_("This date has passed. Choose one to come."),
    "date-is-far": N_("This date is more than five years ahead. Look at the year once more."),
    "minutes-unknown": N_("A debate lasts from 10 minutes to 24 hours: give a whole number of minutes."),
    "days-unknown": N_("Give a whole number of days, at most 365. 0 leaves it out."),
    "call-after-opening": N_("Questions are called for before the debate begins."),
    "digest-before-end": N_("The digest goes after the debate has ended."),
    "debates-overlap": N_("Another debate of this theme takes place at that time. Choose another one."),
    "too-many-that-day": N_("There are nine debates on that day already. Choose another one."),
    "role-unknown": N_("Choose one of the list."),
    "has-a-seat": N_("This person has said yes already. To give them another role, withdraw this one first."),
    "is-invited": N_("This person is asked already and has not answered yet."),
    "person-is-suspended": N_("This person is suspended here."),
    "person-is-gone": N_("This account does not exist any more. Ask somebody else."),
    "person-is-not-in-yet": N_("This person has not been let in yet."),
    "person-has-moved": N_("This person has moved to another account. Ask them there."),
    "too-many-invitations": N_("Fifty people were asked within a day. Wait until tomorrow."),
    "too-many-hosts": N_("Ten hosts are enough to begin with. More can be asked later."),
    "seat-is-withdrawn": N_("This invitation was withdrawn. Whoever asked can say why, and can ask again."),
    "not-your-invitation": N_("This invitation is for somebody else."),
    "their-server-is-blocked": N_("Their server is blocked here: nothing of theirs arrives. Ask somebody else."),
    "their-server-is-gone": N_("Their server has not answered for so long that it was given up on. Ask somebody else."),
    "their-server-fails": N_(
        "Their server does not answer: what is sent there may not arrive. Somebody else can be invited."
    ),
    "series-name-length": N_("Use 1 to 80 characters."),
    "prefix-form": N_("Use 2 to 7 small letters, digits or underscores, with a letter first."),
    "rule-unknown": N_("Choose one of the list."),
    "announce-days": N_("Give a whole number of days, from 1 to 180."),
    "call-before-announcement": N_("Questions are called for once the debate is announced: give fewer days."),
    "digest-days": N_("Give a whole number of days, at most 30. 0 leaves it out."),
    "series-is-over": N_("This series has ended."),
    "no-such-date": N_("This series has no such date."),
    "date-is-over": N_("This date has passed."),
    # Blog.
    "article-abstract-length": N_("Give an abstract of 1 to 500 characters."),
    "article-themes-many": N_("Five themes are enough: untick some."),
    "article-theme-missing": N_("Choose at least one theme: the first holds the comments."),
    "article-themes-stay": N_("The themes of a published article stay. A moderator can move its topic."),
    "article-language-missing": N_("Choose the language that it is written in."),
    "article-language-taken": N_("There is one in this language already: change that one, or choose another language."),
    "article-alt-missing": N_("Describe the picture for those who do not see it."),
    "article-picture-unknown": N_("This picture is not there any more, or is somebody else's. Choose another one."),
    "article-changed-meanwhile": N_(
        "Somebody has changed this in the meantime: compare with what is kept now. Sent once more, your text takes its "
        "place."
    ),
    "article-is-no-draft": N_("This is no draft any more: look at what has become of it."),
    "article-not-in-review": N_("This does not wait for a review any more: look at what has become of it."),
    "article-not-scheduled": N_("This does not wait for its time any more: look at what has become of it."),
    "article-nobody-reviews": N_("There is no other editor who could look at it: publish it yourself."),
    "article-note-missing": N_("Say what is to be changed: the author reads it."),
    "article-not-approved": N_(
        "Another editor has to approve it first, as it is now: what was changed since has to be looked at again."
    ),
    "article-is-out": N_("This is published already. What you save corrects it."),
    "article-time-is-past": N_("This time has passed. Choose one to come, or publish it now."),
    "article-time-too-far": N_("Choose a time within a year."),
    "article-theme-closed": N_("Its main theme is closed: choose another one."),
    "article-author-stopped": N_("Its author cannot write here at the moment, so that nothing can go out in their name."),
    "own-article": N_("This is your own: another editor has to look at it."),
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
