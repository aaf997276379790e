"""What a browser sees and an administrator types: pages, sign-in, live pages, the command line.

Read ``app`` first: it puts the rooms together and names every route.
"""
