"""What was measured, in figures: percentiles, ratios, criteria, and the table that shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

HEADINGS = (
    "case",
    "site",
    "answers",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "max ms",
    "per s",
    "p99 ratio",
    "throughput ratio",
    "failed",
    "no token",
    "criterion",
)


@dataclass
class Side:
    """One site's answers in one case, all slices together."""

    site: str
    good_status: int
    times: list[float] = field(default_factory=list)  # seconds, in the order of their end
    in_time: int = 0  # answers that came within their slice
    seconds: float = 0.0
    failed: Counter[int] = field(default_factory=Counter)  # by status; 0: no answer
    missing: Counter[str] = field(default_factory=Counter)  # by why there is no token
    busiest_client: float = 0.0  # share of one core

    def add(self, told: dict[str, Any]) -> None:
        """Add what ``client`` told of a slice."""
        self.seconds += told["seconds"]
        self.busiest_client = max(self.busiest_client, told["cpu"])
        for sent, took, status, missing in told["answers"]:
            self.times.append(took)
            self.in_time += sent + took <= told["seconds"]
            if status != self.good_status:
                self.failed[status] += 1
            elif missing:
                self.missing[missing] += 1

    def percentile(self, percent: float) -> float:
        """Return the time in ms that ``percent`` of the answers didn't exceed (nearest rank)."""
        ordered = sorted(self.times)
        rank = -(-len(ordered) * percent // 100)
        return ordered[max(int(rank), 1) - 1] * 1000

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.in_time / self.seconds


@dataclass(frozen=True)
class Limits:
    """What a case has to keep; None: it is measured, and not judged."""

    p99_ratio: float | None = None
    throughput_ratio: float | None = None
    p99_more: float | None = None  # ms above the plain site's
    no_token: float | None = None  # share of the answers


@dataclass(frozen=True)
class Result:
    """One case: the plain site beside the site with the app."""

    case: str
    plain: Side
    app: Side
    limits: Limits

    @property
    def p99_ratio(self) -> float:
        return self.app.percentile(99) / self.plain.percentile(99)

    @property
    def throughput_ratio(self) -> float:
        return self.app.throughput / self.plain.throughput

    @property
    def misses(self) -> list[str]:
        """What the case misses, in words; empty when it keeps its limits."""
        limits, found = self.limits, []
        if limits.p99_ratio is not None and self.p99_ratio > limits.p99_ratio:
            found.append(f"p99 over {limits.p99_ratio} x")
        if limits.throughput_ratio is not None and self.throughput_ratio < limits.throughput_ratio:
            found.append(f"throughput under {limits.throughput_ratio} x")
        more = self.app.percentile(99) - self.plain.percentile(99)
        if limits.p99_more is not None and more > limits.p99_more:
            found.append(f"p99 over +{limits.p99_more:.0f} ms")
        share = self.app.missing.total() / len(self.app.times)
        if limits.no_token is not None and share > limits.no_token:
            found.append(f"no token for over {limits.no_token:.1%}")
        failed = self.plain.failed + self.app.failed
        if failed:
            found.append(f"answers {dict(failed)}")
        return found

    def rows(self) -> list[list[str]]:
        """Return the two rows of the table."""
        more = self.app.percentile(99) - self.plain.percentile(99)
        judged = self.limits != Limits()
        verdict = "; ".join(self.misses) or ("kept" if judged else "none")
        ratios = [f"{self.p99_ratio:.2f} ({more:+.0f} ms)", f"{self.throughput_ratio:.2f}"]
        return [
            [self.case, *_figures(self.plain), "", "", str(self.plain.failed.total()), "", ""],
            [
                "",
                *_figures(self.app),
                *ratios,
                str(self.app.failed.total()),
                _why(self.app),
                verdict,
            ],
        ]


def _figures(side: Side) -> list[str]:
    times = [f"{side.percentile(percent):.0f}" for percent in (50, 95, 99, 100)]
    return [side.site, str(len(side.times)), *times, f"{side.throughput:.0f}"]


def _why(side: Side) -> str:
    share = f"{side.missing.total() / len(side.times):.1%}"
    codes = ", ".join(f"{count} {code}" for code, count in side.missing.most_common())
    return f"{share} ({codes})" if codes else share


def heading() -> str:
    """Return the first two lines of the markdown table."""
    return "\n".join(map(_line, (HEADINGS, ["---"] * len(HEADINGS))))


def lines(result: Result) -> str:
    """Return a case's two lines of the table."""
    return "\n".join(map(_line, result.rows()))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
