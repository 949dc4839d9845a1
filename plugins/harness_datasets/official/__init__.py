"""Published datasets with their official splits. Importing this imports no torch."""
