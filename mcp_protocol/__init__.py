"""MCP as both programs read it: messages, versions, event streams, and what HTTP headers must say. Standard library only.

Messages are parsed JSON and never models, so that fields that are not known here pass through.
"""
