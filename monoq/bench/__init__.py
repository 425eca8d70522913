"""`monoq bench`: how fast this installation is on these engines. It works in a database of its own
and must never touch another."""
