"""Runs, in the process that carries them out: see docs/19-runs.md. Nothing here is imported by the web process."""
