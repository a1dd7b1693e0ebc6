"""The command `chronos`, also as `python -m chronos`."""

from chronos.cli.root import app


def main() -> None:
    app(prog_name="chronos")


if __name__ == "__main__":
    main()
