"""Sentences as vectors: all-MiniLM-L6-v2 in plain numpy, on the CPU, without a network or a key.

This package knows neither tools nor agents, and nothing of Django.
"""

import os

# The threads of one product of matrices fight those of the next one and wait by turning in circles: with them queries took six times as
# long. OpenBLAS reads this when numpy is first imported; agents.selection imports this package before it does so.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
