"""What a browser sees and an administrator types: pages, sign-in, live pages, the command line.

Read ``app`` first: it puts the rooms together and names every route. ``auth`` is who looks and whether a form is ours,
``render`` templates and filters, ``sentences`` the words for refusals. ``objects`` answers as ActivityPub. Pages:
``pages_read``, ``pages_write`` and ``topic_view`` (themes and topics), ``polls``, ``threads`` (how complete one is),
``abroad`` and ``moving`` (other servers), ``accounts``, ``moderation``, ``staff``, ``staff_hosts``, ``cities`` (links,
this house), ``media`` (pictures; ``storage`` is where they are kept). Debates: ``debates`` (all of them),
``debate_view`` (the head of each page), ``sides`` (for and against), ``questions``, ``desk`` (the host's),
``live_debate`` and ``ticker`` (the hour), ``outcome`` (results, conclusion, digest), ``record`` (on paper and as
files), ``arrange`` and ``series`` (setting up; ``debate_forms`` reads what is typed), ``invitations``, ``calendars``
and ``ical``. The blog: ``blog`` (for readers, and as feeds), ``articles`` (the editors' desk), ``article_view`` (an
article in a list and above its comments). Agendas: ``agenda`` (its pages), ``agenda_view`` (what they show),
``agenda_export`` (as JSON, with its schema), ``propose`` (for members), ``curate`` (for those who decide;
``agenda_forms`` reads what is typed), ``citations`` (for who is cited). ``live`` keeps open pages fresh. ``cli`` is the
command line, ``running`` what it starts, ``init`` a new instance, ``demo`` three of them.
"""
