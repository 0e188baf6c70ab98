"""``python -m convai_sandbox --port N [switches]``."""

from __future__ import annotations

import argparse

from .cli import UsageError, add_arguments, run


def show(line: str) -> None:
    """Print at once, as whoever started the sandbox waits for the line."""
    print(line, flush=True)  # noqa: T201 - this is the program's output


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop; exit with status 2 if ``arguments`` can't be served."""
    parser = argparse.ArgumentParser(
        prog="python -m convai_sandbox",
        # With every switch in it, it would hide the error that it is shown with.
        usage="%(prog)s [--help] [--port PORT] [--https] [--log] [--ledger FILE] [switches]",
        description="A local stand-in for Convai's token API.",
        allow_abbrev=False,
    )
    add_arguments(parser)
    try:
        run(vars(parser.parse_args(arguments)), show)
    except UsageError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
