"""What can go wrong on the way to the ready line."""


class LaunchError(Exception):
    """One sentence for the person at the terminal: what is wrong and what to do about it."""
