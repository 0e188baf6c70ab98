"""The sandbox's command line, for ``python -m convai_sandbox`` and for ``manage.py``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import kinds
from .control import shown_ledger
from .ledger import Ledger
from .server import SandboxServer
from .switches import SwitchError, Switches

READY = "sandbox ready "
CERTIFICATE = "sandbox certificate "


class UsageError(Exception):
    """What was asked for on the command line can't be done; the text says why."""


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sandbox's options to ``parser``: one for every switch, and how to serve."""
    parser.add_argument("--port", type=_port, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--https", action="store_true", help="with a throw-away certificate, whose path is printed"
    )
    parser.add_argument("--log", action="store_true", help="a line on stderr for every call")
    parser.add_argument(
        "--until-eof", action="store_true", help="stop when stdin ends, so with the parent process"
    )
    parser.add_argument(
        "--ledger",
        metavar="FILE",
        type=Path,
        help="start with the ledger in this file if it exists, and write it there at the end",
    )
    parser.add_argument(
        "--switches",
        metavar="JSON",
        default="{}",
        help='switches as one object, such as {"ttl": 60}; single options win over it',
    )
    group = parser.add_argument_group("switches")
    for declared in fields(Switches):
        option = "--" + declared.name.replace("_", "-")
        about = declared.metadata["about"].replace("%", "%%")
        if declared.metadata["check"] is kinds.flag:
            group.add_argument(
                option, action=argparse.BooleanOptionalAction, default=None, help=about
            )
        else:
            group.add_argument(option, metavar="VALUE", default=None, help=about)


def _from_text(name: str, text: object) -> object:
    """Return what the text of an option stands for: JSON where it is JSON, else itself."""
    if not isinstance(text, str) or isinstance(getattr(Switches(), name), str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def switches_of(options: Mapping[str, Any]) -> Switches:
    """Return the switches that the parsed ``options`` ask for; raise ``UsageError``."""
    try:
        values = json.loads(options["switches"])
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise UsageError("--switches must be a JSON object")
    for declared in fields(Switches):
        text = options.get(declared.name)
        if text is not None:
            values[declared.name] = _from_text(declared.name, text)
    try:
        return Switches.of(values)
    except SwitchError as error:
        raise UsageError(str(error)) from None


def run(options: Mapping[str, Any], write: Callable[[str], object]) -> None:
    """Serve until SIGTERM, SIGINT, or with ``until_eof`` the end of stdin.

    ``write`` gets the line "sandbox ready URL", and before it, with ``https``, the line
    "sandbox certificate PATH". Raises ``UsageError``.
    """
    kept: Path | None = options["ledger"]
    switches = switches_of(options)
    with ExitStack() as stack:
        wait, stop = _end_of_service(stack)
        tls = None
        if options["https"]:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="convai-sandbox-"))
            certificate, tls = _certificate_in(Path(folder))
            write(f"{CERTIFICATE}{certificate}")
        try:
            server = stack.enter_context(
                SandboxServer(
                    options["port"], switches, tls=tls, log=_log if options["log"] else None
                )
            )
        except OSError as error:
            raise UsageError(f"port {options['port']} can't be had: {error.strerror}") from None
        if kept:
            server.state.ledger = _ledger_in(kept)
        _allow_many_connections()
        serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        stack.callback(server.shutdown)
        if options["until_eof"]:
            threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
        write(f"{READY}{server.url}")
        wait()
        if kept:
            server.shutdown()
            kept.write_bytes(shown_ledger(server.state, last=True))


def _end_of_service(stack: ExitStack) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return what waits for the end, a signal's or any thread's, and what brings it about.

    Through a pair of sockets, because an Event doesn't do: a signal that another thread happens to
    get does not wake a main thread that waits for one, and a handler that sets it may find it
    locked. Not through a pipe, which on Windows blocks.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    stack.enter_context(reader)
    stack.enter_context(writer)
    if threading.current_thread() is threading.main_thread():
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer.fileno()))
        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.signal(number, lambda *_: None)
            stack.callback(signal.signal, number, previous)
    return lambda: reader.recv(1), lambda: writer.send(b".")


def _certificate_in(folder: Path) -> tuple[Path, ssl.SSLContext]:
    # Only here: without HTTPS the sandbox needs nothing but the standard library.
    try:
        from .certificate import write_certificate
    except ModuleNotFoundError:
        raise UsageError(
            "HTTPS needs a package that is not installed: python -m pip install cryptography"
        ) from None
    return write_certificate(folder)


def _ledger_in(path: Path) -> Ledger:
    try:
        return Ledger.restored(path.read_bytes()) if path.exists() else Ledger()
    except (OSError, ValueError) as error:
        raise UsageError(f"--ledger {path}: {error}") from None


def _log(line: str) -> None:
    # Unbuffered, as in _wait_for_eof: connections' threads may be in here at the exit.
    os.write(2, f"{line}\n".encode())


def _wait_for_eof(stop: Callable[[], object]) -> None:
    # Unbuffered: a thread that holds a buffer's lock would abort the interpreter's exit.
    while os.read(0, 1024):
        pass
    with suppress(OSError):  # it is over already, and the socket closed
        stop()


def _allow_many_connections() -> None:
    """Raise the soft limit of open files, as each connection is one."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
