"""Bundles: a run's records as one archive, to publish, to submit to a leaderboard, to check and to verify."""
