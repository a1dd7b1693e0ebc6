"""The command `chronos`, also as `python -m chronos`."""

import sys
from types import TracebackType


def _end(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """An error that nobody met: imported when it is needed, since what imports may be what is wrong."""
    from chronos.logs import last_words

    last_words(kind, error, at)


sys.excepthook = _end  # before Typer is imported: it calls the hook that it finds there

from chronos.cli.root import app  # noqa: E402


def main() -> None:
    app(prog_name="chronos")


if __name__ == "__main__":
    main()
