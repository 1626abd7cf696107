"""The listener for toolboxes: plain ASGI over TLS, in a process of its own.

peer        who is at the other end of a connection, read from its certificate once
router      routes, and the answers to what goes wrong
endpoints   the authority's certificate, enrolment, renewal
"""
