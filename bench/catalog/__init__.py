"""How fast the catalogue is searched with 20,000 entries in it."""
