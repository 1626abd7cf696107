"""How outside MCP clients are connected to an agent: set-ups to copy, made from the user's own addresses."""
