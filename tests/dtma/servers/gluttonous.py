"""Takes more memory than it is given before it answers anything."""

import os

hoard = []
while True:
    hoard.append(bytearray(os.urandom(1024 * 1024)))
