"""`python -m monoq`."""

from monoq.cli import main

main()
