"""How late what happens in a run is in the browser (``bench/chat.py``)."""
