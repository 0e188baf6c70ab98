"""What a run of the chaos harness found: each criterion, and whether it is met."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Report:
    """Each criterion: what was asked, what was found, and whether it is met."""

    rows: list[tuple[str, str, str, bool | None]] = field(default_factory=list)

    def note(self, scenario: str, text: str) -> None:
        """Print a line on how it goes."""
        print(f"{time.strftime('%H:%M:%S')} {scenario}: {text}", flush=True)

    def judge(self, scenario: str, asked: str, found: str, met: bool | None) -> None:
        """Enter and print a criterion; ``met`` is None for a figure that isn't judged."""
        self.rows.append((scenario, asked, found, met))
        self.note(scenario, f"[{self.word(met)}] {asked}: {found}")

    @staticmethod
    def word(met: bool | None) -> str:
        """Return how ``met`` reads in the table."""
        return {True: "yes", False: "NO", None: "not judged"}[met]

    @property
    def failed(self) -> bool:
        """Whether a criterion isn't met."""
        return any(met is False for *_, met in self.rows)

    def markdown(self) -> str:
        """Return all as a table."""
        lines = ["| scenario | asked | found | met |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {asked} | {found} | {self.word(met)} |"
            for name, asked, found, met in self.rows
        ]
        return "\n".join(lines)
