"""Says much, and ends."""

import sys

for number in range(30):
    print(f"word {number}", file=sys.stderr)
sys.exit(4)
