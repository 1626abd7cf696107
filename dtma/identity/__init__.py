"""Who this toolbox is, and whom it believes: its key and certificate, and the control plane's certificate authority.

No bearer token, no public certificate authority and no address plays a part: see ``dtma_wire.identity`` for the names. The running DTMA
needs Python's ``ssl`` alone; only ``python -m dtma.identity``, which makes the key, imports ``cryptography``.
"""

from dtma.identity.files import IdentityFiles, Unidentified
from dtma.identity.identity import Identity

__all__ = ["Identity", "IdentityFiles", "Unidentified"]
