"""What a model is given for a run, and how what it gives back is made usable (docs/20-context.md). Loaded by runners alone."""
