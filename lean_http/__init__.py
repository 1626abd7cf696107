"""HTTP/1.1 for who calls one peer again and again: a fraction of what a general client costs.

One request at a time on a connection, connections kept, TLS where it is wanted. No redirects, cookies, proxies, compression, pipelining
nor limits on the time that an answer may take: what is not here cannot happen by mistake.
"""

from lean_http.answer import Answer
from lean_http.client import Client
from lean_http.errors import HttpError, HungUp, Malformed, TooLarge, TooSlow, Unreachable
from lean_http.peer import Peer

__all__ = ["Answer", "Client", "HttpError", "HungUp", "Malformed", "Peer", "TooLarge", "TooSlow", "Unreachable"]
