"""The language both the inbox and the outbox speak.

``vocabulary`` reads ActivityStreams documents, ``signatures`` signs and verifies HTTP requests, ``proofs`` documents;
``client`` is the only door to the network, ``restraint`` what keeps it from asking too much. ``webfinger`` finds actors
by their handles, ``nodeinfo`` says what a server is. ``translate`` and ``shapes`` (polls, events, films, quotes) turn
documents into what the community takes, and back. ``debates`` does so for debates and keeps those of linked cities,
``agendas`` for agendas and their items, ``citations`` for the message to somebody who is cited. ``dereference`` brings
in what is missing, ``backfill`` whole threads and places, ``lookup`` what somebody typed, ``feeds`` lists of groups.
``site`` is a running instance: settings, database, client, keys.
"""
