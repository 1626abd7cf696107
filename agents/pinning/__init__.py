"""The definitions that count: those of a grant's tools as they were when somebody, or first sight, approved them (docs/16-agents.md)."""
