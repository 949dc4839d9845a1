"""The parts of the task `occlude`: where masks go, and forward passes of what a mask changes alone."""
