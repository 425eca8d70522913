"""`python -m monoq` and `monoq`."""

from monoq.cli.main import main as commands
from monoq.process.exit import certain_exit


def main() -> None:
    """The command line."""
    with certain_exit():
        commands(prog_name="monoq")


if __name__ == "__main__":
    main()
