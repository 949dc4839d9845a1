"""Performance against peers: each script prints a table whose last line is a ratio measured in that one run."""
