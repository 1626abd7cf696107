"""A secret that must never be seen."""

CANARY = "canary-9f3b7c21"
