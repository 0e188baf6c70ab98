"""Stop signals: noted, and the second obeyed at once where a command wants that."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from convai_tokens.management.stopping import stop_signals

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_stop_signal_is_noted_and_ends_nothing(number: signal.Signals) -> None:
    with stop_signals() as stopped:
        before = stopped()
        os.kill(os.getpid(), number)

        assert (before, stopped()) == (False, True)


def test_a_second_signal_is_noted_like_the_first() -> None:
    with stop_signals() as stopped:
        for number in NUMBERS:
            os.kill(os.getpid(), number)

        assert stopped()


def test_a_second_signal_interrupts_where_that_is_chosen() -> None:
    with stop_signals(second_interrupts=True) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_of_before_are_back_afterwards_whatever_came_between() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]

    def command() -> None:
        with stop_signals():
            assert not {signal.getsignal(number) for number in NUMBERS} & set(before)
            raise ValueError("of the command")

    with pytest.raises(ValueError, match="of the command"):
        command()

    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def run() -> None:
        with stop_signals() as stopped:
            seen.extend([stopped(), signal.getsignal(signal.SIGTERM)])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert seen == [False, before]
