"""The language both the inbox and the outbox speak.

`vocabulary` reads and writes ActivityStreams documents, `signatures` signs and verifies HTTP requests,
`client` is the only door to the network, `webfinger` finds actors by their handles.
"""
