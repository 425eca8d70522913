"""`python -m monoq` and `monoq`."""

import sys


def main() -> None:
    """The command line. `health` is asked every few seconds in each container: it is spared the
    import of everything else."""
    if sys.argv[1:2] == ["health"]:
        from monoq.cli.health import health

        health(sys.argv[2:], prog_name="monoq health")
    from monoq.cli.commands import main as commands
    from monoq.process.exit import certain_exit

    with certain_exit():
        commands(prog_name="monoq")


if __name__ == "__main__":
    main()
