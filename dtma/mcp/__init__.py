"""Model Context Protocol, towards clients and towards servers."""
