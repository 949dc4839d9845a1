"""Where cells run. `local` runs them in this process; plugins may register other engines."""
