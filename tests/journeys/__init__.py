"""The stories of members, strangers and staff, played in a real browser against the real process."""
