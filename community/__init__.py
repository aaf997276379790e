"""The community: a set of tables and rules.

Everything that can happen here is a function that takes ``tx`` first, then the actor who acts, then the thing:
``posts.reply(tx, actor, topic, …)``. A browser, another server and a scheduled job call the same function. It asks
``policy`` whether the actor may, writes rows, and emits an event; subscribers of the event write more rows in the
same transaction. Nothing in this room touches the network or knows how a page or an activity looks.

``settings`` what can be configured · ``house`` what this instance calls itself · ``db`` transactions (``sqlite`` its
driver, ``tables`` bringing them up to date) · ``models`` the tables (``columns`` what they are made of,
``debate_models``, ``article_models``, ``agenda_models``, ``media_models``) · ``policy`` who may do what · ``events``
what happened · ``jobs`` the one queue · ``live`` what open pages hear · ``members`` people and their accounts
(``keys``) · ``groups`` themes as places · ``topics`` ``posts`` ``reactions`` ``polls`` ``quotes`` ``drafts`` the
discussion · ``moderation`` reports, bans, moderators, hiding · ``following`` whom ours follow elsewhere, and moves ·
``links`` between themes and groups elsewhere · ``hosts`` other servers · ``notifications`` · ``throttles``
(``addresses``) limits on trying · ``text`` Markdown and HTML · ``media`` pictures that members upload (``picture``
draws them, ``storage`` keeps them) · ``starter`` the first content · ``migrations/`` the history of the tables.

A debate is a group with one topic, its floor. ``debates`` its course from the announcement to the last word · ``clerk``
what the house says, in three languages · ``series`` the rule that makes the next one (``recurrence`` dates that come
again) · ``panels`` who hosts and who is on the panel · ``positions`` which side a post is on · ``questions`` what the
panel is asked (``cards`` what the clerk posts of it) · ``swing`` how opinion moved · ``digest`` what comes out of it in
one text · ``record`` what was said, as it is handed on.

An article is written by editors and becomes the opener of a topic when it is published: ``articles`` its way there and
its corrections · ``article_lists`` what there is to read.

An agenda is a group, and each item on it a topic there that the clerk opens. ``agendas`` the event and its sessions ·
``items`` what is proposed and decided · ``sources`` the contributions behind an item, as they were when they were
cited · ``contributors`` those who are cited, and what they say about it · ``board`` an agenda in its order, with
support and lineage · ``proposals`` what the conclusion of a debate puts on it · ``agenda_article`` the Article that
tells how it stands.
"""
