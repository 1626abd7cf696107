"""Reads of receipts that REST and the pages have in common. Each starts from the user, and none reads more than it tells.

`CallQuery` is what is asked for; the export of the same is `agents.receipts_pages.export.streamed`.
"""

from __future__ import annotations

from agents.receipts_pages.query import CallQuery, Place
from agents.receipts_pages.selectors import CallPage, call_for, calls_for, page_of, run_of
from agents.receipts_pages.totals import BY, Total, Totals, totals

__all__ = ["BY", "CallPage", "CallQuery", "Place", "Total", "Totals", "call_for", "calls_for", "page_of", "run_of", "totals"]
