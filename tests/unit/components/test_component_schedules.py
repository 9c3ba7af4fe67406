"""Calendar events of systemd. Each line was put to systemd 252's own `systemd-analyze calendar`."""

import pytest

from components.schedules import is_calendar_event

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text",
    [
        "daily",
        "Weekly",
        "hourly UTC",
        "*-*-* 03:15:00",
        "Sun *-*-* 04:30:00",
        "sunday 4:5",
        "Mon..Fri 22:30",
        "Sat,Sun 08:05:40",
        "*-*-1 04:00",
        "12-25",
        "2026-*-01 00:00:00 UTC",
        "*:0/15",
        "*-*~03",
        "Mon *-05~07/1",
        "03:15:00 Europe/Berlin",
        "4:30:12.5",
    ],
)
def test_what_systemd_takes_is_a_calendar_event(text: str) -> None:
    assert is_calendar_event(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "UTC",
        "3",
        "every day",
        "0 3 * * *",
        "25:00",
        "03:60",
        "*-13-01",
        "*-*-32",
        "1000-01-01",
        "5..3:00",
        "*/0:00",
        "Funday 04:00",
        "04:30 Sun",
        "Sun Sun",
        "Mon..",
        "daily 03:00",
        "*-*-* 03:15:00:00",
        "03:15:00 Europe Berlin",
        "*-*-* 03:15:00 x",
        "03:15:00%",
        "Sun\n04:30",
    ],
)
def test_what_systemd_refuses_is_no_calendar_event(text: str) -> None:
    assert not is_calendar_event(text)
