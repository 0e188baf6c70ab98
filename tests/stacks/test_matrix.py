"""The README's table of login stacks: each cell is played against a site of the stack's own.

A site is what the package's quick start makes, with the lines of ``docs/integration.md`` and no
other; it is asked over HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.waiting import eventually

from .sites import pages
from .sites.drivers import Driver, Login, slug
from .sites.site import PASSWORD
from .sites.stacks import STACKS

YES, NONE = "✓", "—"
SWEEP = "from django.core.management import call_command\ncall_command('convai_sweep')"
CHECK = SWEEP.replace("'convai_sweep'", "'check', tags=['convai_tokens']")
CAPABILITIES = [
    "block",
    "endpoint",
    "logout",
    "other devices ended",
    "ended by staff",
    "password change",
    "rotation",
    "expiry",
    "lines",
]


def table() -> dict[str, dict[str, str]]:
    """Return the README's table: what it says of each stack and capability."""
    text = (pages.ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (.*) \|$", text.partition("## Login stacks")[2], re.MULTILINE)
    names, *cells = [row.split(" | ") for row in rows[: len(STACKS) + 1]]
    assert names == ["stack", *CAPABILITIES]
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in cells}


TABLE = table()


def cells(capability: str) -> pytest.MarkDecorator:
    """Run the test for each stack, with what the table says of it."""
    return pytest.mark.parametrize(
        ("driver", "cell"),
        [
            pytest.param(
                name,
                TABLE[name][capability],
                id=slug(name),
                marks=pytest.mark.xdist_group(STACKS[name].section),
            )
            for name in STACKS
        ],
        indirect=["driver"],
    )


@pytest.fixture
def driver(request: Any, driver_of: Callable[[str], Driver], convai_sandbox: Any) -> Driver:
    return driver_of(request.param)


def token_of(login: Login, driver: Driver) -> str:
    """Return the token that the login brings, in its response or by the token endpoint."""
    block = login.block or driver.post(login, "/convai/token/").json()
    token: str = block["apiAuthToken"]
    return token


def is_refused(driver: Driver, login: Login) -> bool:
    return driver.post(login, "/convai/token/").status_code in (401, 403, 409)


def test_the_table_names_each_stack() -> None:
    assert {*TABLE} == {*STACKS}


@cells("block")
def test_block_in_the_login_response(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    login = driver.log_in(device="headset-3")

    assert login.response.ok
    if cell == NONE:
        assert login.response.status_code == 204
        assert convai_sandbox.live() == []
        return
    assert cell == (YES if "json" in login.response.headers["Content-Type"] else "page")
    assert login.block is not None, login.response.text
    assert convai_sandbox.live() == [login.block["apiAuthToken"]]
    assert "no-store" in login.response.headers["Cache-Control"]


@cells("endpoint")
def test_endpoint(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    login = driver.log_in()

    answer = driver.post(login, "/convai/token/")

    assert cell == YES
    assert answer.status_code == 200, answer.text
    assert answer.json()["apiAuthToken"] in convai_sandbox.live()


@cells("logout")
def test_logout(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    login = driver.log_in()
    assert token_of(login, driver) in convai_sandbox.live()
    driver.post(login, "/convai/token/")

    driver.log_out(login)

    assert cell == YES
    eventually(lambda: not convai_sandbox.live())
    assert is_refused(driver, login)


@cells("other devices ended")
def test_other_devices(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    assert (cell == YES) == driver.can_end_others
    if not driver.can_end_others:
        return
    others = [driver.log_in(device="headset-1"), driver.log_in(device="headset-2")]
    login = driver.log_in()
    tokens = {token_of(other, driver) for other in others}

    driver.end_others(login)

    eventually(lambda: not tokens & {*convai_sandbox.live()})
    assert all(is_refused(driver, other) for other in others)


@cells("block")
def test_the_next_learner_at_a_kiosk(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    if cell != YES:
        return  # such a login names no device
    walked_away = driver.log_in(device="kiosk-7")
    elsewhere = driver.log_in("staff", device="kiosk-8")

    second = driver.log_in("second", device="kiosk-7")

    tokens = [token_of(login, driver) for login in (elsewhere, second)]
    eventually(lambda: convai_sandbox.live() == tokens)
    assert is_refused(driver, walked_away)


@cells("ended by staff")
def test_ended_by_staff(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    login = driver.log_in()
    token_of(login, driver)

    driver.site.end_all_by_staff()

    assert cell == YES
    eventually(lambda: not convai_sandbox.live())
    answer = driver.post(login, "/convai/token/")
    assert answer.status_code == 409, answer.text
    assert answer.json()["error"]["code"] == "session_ended"
    again = driver.log_in()
    assert token_of(again, driver) in convai_sandbox.live()


@cells("password change")
def test_password_change(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    login = driver.log_in()
    token = token_of(login, driver)

    driver.site.run(
        "from django.contrib.auth import get_user_model\n"
        "user = get_user_model().objects.get(username='learner')\n"
        f"user.set_password({PASSWORD!r})\n"
        "user.save()"
    )

    if cell == YES:
        eventually(lambda: not convai_sandbox.live())
        assert is_refused(driver, login)
    else:
        assert cell == "lives on"
        assert driver.get(login, "/whoami/").status_code == 200
        assert token in convai_sandbox.live()
        assert driver.post(login, "/convai/token/").status_code == 200


@cells("rotation")
def test_rotation(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    assert (cell == YES) == driver.can_rotate
    if not driver.can_rotate:
        return
    login = driver.log_in()
    token = token_of(login, driver)

    for _ in range(2):
        answer, login = driver.rotate(login)
        assert answer.status_code == 200, answer.text
        assert "convai" not in answer.json()

    assert convai_sandbox.live() == [token]
    assert driver.post(login, "/convai/token/").status_code == 200
    driver.log_out(login)
    eventually(lambda: not convai_sandbox.live())


@cells("expiry")
def test_expiry(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    assert (cell == YES) == bool(driver.expire)
    if not driver.expire:
        return
    token_of(driver.log_in(), driver)

    driver.site.run(
        "from datetime import timedelta\n"
        "from django.utils import timezone\n"
        f"from django.core.management import call_command\n{driver.expire}\n{SWEEP}"
    )

    eventually(lambda: not convai_sandbox.live())


@cells("lines")
def test_lines(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    ours = pages.added(pages.INTEGRATION, driver.ours) if driver.ours else []

    assert int(cell) == pages.count(ours)
    assert "WARNING" not in driver.site.run(CHECK)


@cells("block")
def test_what_is_no_login_costs_no_query(driver: Driver, cell: str, convai_sandbox: Any) -> None:
    login = driver.log_in()
    wrong = driver.log_in(password="wrong")
    assert not wrong.response.ok
    driver.get(login, "/whoami/")  # at which knox deletes what has expired
    requests = [driver.get(login, "/whoami/"), wrong.response]
    if driver.can_rotate:
        requests.append(driver.rotate(login)[0])

    asked = [int(answer.headers["X-Queries-Of-The-App"]) for answer in requests]

    assert asked == [0] * len(requests)


@cells("block")
def test_another_learner_gets_a_token_of_ones_own(
    driver: Driver, cell: str, convai_sandbox: Any
) -> None:
    first, second = driver.log_in(), driver.log_in("second")
    tokens = [token_of(login, driver) for login in (first, second)]

    driver.log_out(first)

    eventually(lambda: convai_sandbox.live() == [tokens[1]])
