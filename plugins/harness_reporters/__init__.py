"""First-party reporters: what a run shows and logs while it goes."""
