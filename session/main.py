"""`clapcap`: the command line's entry point, and how errors reach the user."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from clapcap import __version__
from clapcap.errors import ClapcapError
from session.commands import (
    board,
    calibrate,
    cameras,
    check,
    clean,
    convert,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    lift,
    new,
    process,
    report,
    retarget,
    single,
    sync,
    train,
    triangulate,
    view,
)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="clapcap",
    help="Markerless motion capture from ordinary cameras: a printed board, one clap, an animated skeleton.",
    epilog="Start with `clapcap demo`, or with your own videos: `clapcap new --help`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clapcap {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


COMMANDS = (
    *(new, board, sync, calibrate, cameras, check, process, single, report, view, export, retarget),
    *(demo, doctor, triangulate, lift, clean, fit, convert, train, evaluate),
)
"""In the order of `--help`: the whole job, then the rest, then single stages."""

for module in COMMANDS:
    app.command(module.NAME, epilog=module.EXAMPLE)(module.command)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 `check` found a change, 2 bad input, 130 interrupted."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(calibrate.spread_lists(new.spread_lists(argv)), prog_name="clapcap")
    except ClapcapError as error:
        _fail(str(error), error, argv)
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        where = error.filename or "a file"
        _fail(f"{where}: {error.strerror}. {REMEDIES[error.errno]}", error, argv)
    except SystemExit as stopped:
        if stopped.code == EXIT_INTERRUPTED:  # what typer makes of Ctrl-C
            print("\nInterrupted. What was finished is kept: the same command goes on from there.", file=sys.stderr)
        raise


REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space and run the same command again; what was finished is kept.",
    errno.EDQUOT: "Your quota is used up: free some space and run the same command again; what was finished is kept.",
    errno.EACCES: "clapcap may not write or read there: change the permissions, or choose another folder.",
    errno.EPERM: "clapcap may not write or read there: change the permissions, or choose another folder.",
    errno.EISDIR: "Name a file in it: -o FOLDER/NAME",
    errno.ENOTDIR: "A file is in the way, or nothing can be made there: choose another place.",
    errno.EROFS: "That disk is read-only: choose a folder on another one (your videos can stay where they are).",
}


def _fail(message: str, error: BaseException, argv: Sequence[str]) -> None:
    """Print the error for people and exit; the traceback only on request."""
    if "--debug" in argv:
        raise error
    print(f"error: {message}", file=sys.stderr)
    sys.exit(EXIT_BAD_INPUT)
