"""The parts of the task `attribute`: the classifier to explain, maps of its predictions, and tests of those maps."""
