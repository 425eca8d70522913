"""Redis: the runway of ids. All of it may vanish at any moment."""
