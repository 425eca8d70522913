"""The command line: reads flags, calls one thing, prints what came of it."""
