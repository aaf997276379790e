"""Several real instances that talk with each other end up with the same threads, whatever happens on the way."""
