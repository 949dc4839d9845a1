"""Pure tensor functions: they know no plugin, take and return tensors, and raise ValueError on bad input."""
