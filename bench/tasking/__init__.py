"""Tasks whose end state is verified, done by an agent on real servers (``bench/tasks.py``)."""
