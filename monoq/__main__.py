"""`python -m monoq` and `monoq`."""

import sys


def main() -> None:
    """The command line. Each container runs `health` every few seconds, so that command imports
    nothing else."""
    if sys.argv[1:2] == ["health"]:
        from monoq.cli.health import health

        health(sys.argv[2:], prog_name="monoq health")
    from monoq.cli.commands import main as commands
    from monoq.process.exit import certain_exit

    with certain_exit():
        commands(prog_name="monoq")


if __name__ == "__main__":
    main()
