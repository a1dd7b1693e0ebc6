"""The command `chronos`, also as `python -m chronos`."""

import sys

from chronos.logs import last_words

sys.excepthook = last_words  # before Typer is imported: it calls the hook that it finds there

from chronos.cli.root import app  # noqa: E402


def main() -> None:
    app(prog_name="chronos")


if __name__ == "__main__":
    main()
