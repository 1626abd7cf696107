"""Who is who: the certificate authority of this control plane, its own certificates, and how it knows a toolbox by its certificate.

authority       makes the authority on first use; reads requests and signs certificates
control_plane   this process's own certificate and the TLS contexts over it
"""
