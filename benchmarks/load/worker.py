"""A process that a measurement talks to in lines, over its standard input and output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from lms_site.demo.processes import Child, ProcessError
from lms_site.environment import BASE_DIR


class Worker(Child):
    """A Python process that answers lines with lines. Use as a context manager."""

    def __init__(
        self, *arguments: str, environment: Mapping[str, str], folder: Path = BASE_DIR
    ) -> None:
        log = Path(os.devnull)
        super().__init__(*arguments, environment=environment, log=log, folder=folder)

    def __enter__(self) -> Self:
        process = self._start(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        return self

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self._input.close()
        self._output.close()

    def ask(self, line: str) -> str:
        """Send one line; return the next one that it answers."""
        self._input.write(f"{line}\n".encode())
        self._input.flush()
        return self.hear()

    def hear(self) -> str:
        """Return the next line; raise ``ProcessError`` if it has ended."""
        line = self._output.readline()
        if not line:
            raise ProcessError(f"The process has ended: {' '.join(self._arguments)}")
        return line.decode().strip()
