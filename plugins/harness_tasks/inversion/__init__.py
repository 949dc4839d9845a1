"""Feature inversion: images rebuilt from what an encoder keeps of them."""
