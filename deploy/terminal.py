"""What the person at the terminal is told."""

import os
import sys


def say(sentence: str) -> None:
    """Print one line at once. Nobody reading any more (`make run | head`) is no reason to stop, least of all while stopping."""
    try:
        print(sentence, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
