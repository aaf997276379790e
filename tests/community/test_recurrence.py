"""Dates that come again: on the wall clock, through summer time, short months and leap years."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from community import recurrence
from community.recurrence import LAST, Choice, choose, first_of, moment, occurrences, read, walls, write

PARIS = "Europe/Paris"


def test_a_rule_is_what_its_first_date_says() -> None:
    first = datetime(2026, 12, 18, 14)
    for kind, every, rule in (
        ("day", 1, "FREQ=MONTHLY;BYMONTHDAY=18"),
        ("day", 2, "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=18"),
        ("weekday", 1, "FREQ=MONTHLY;BYDAY=3FR"),
        ("last-weekday", 3, "FREQ=MONTHLY;INTERVAL=3;BYDAY=-1FR"),
        ("week", 2, "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"),
    ):
        assert write(choose(kind, every, first)) == rule
        assert write(read(rule)) == rule
    assert choose("weekday", 1, datetime(2026, 10, 30)).nth == LAST, "a fifth Friday is not there every month"
    assert write(choose("day", 1, datetime(2027, 1, 31))) == "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"


@pytest.mark.parametrize(
    "rule",
    [
        "", "FREQ=SECONDLY", "FREQ=MINUTELY;INTERVAL=1", "FREQ=HOURLY;BYDAY=MO", "FREQ=DAILY",
        "FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=MONTHLY;INTERVAL=0;BYMONTHDAY=1",
        "FREQ=MONTHLY;INTERVAL=99;BYMONTHDAY=1", "FREQ=MONTHLY;BYDAY=5FR", "FREQ=MONTHLY;BYDAY=0FR",
        "FREQ=MONTHLY;BYDAY=FR", "FREQ=WEEKLY;BYDAY=1FR", "FREQ=WEEKLY;BYDAY=FR;COUNT=3", "RRULE:FREQ=WEEKLY;BYDAY=FR",
        "FREQ=WEEKLY;BYDAY=FR\nRRULE:FREQ=SECONDLY", "freq=weekly;byday=fr",
    ],
)  # fmt: skip
def test_only_rules_of_ours_are_read(rule: str) -> None:
    with pytest.raises(ValueError, match="no rule of ours"):
        read(rule)
    with pytest.raises(ValueError, match="no rule of ours"):
        walls(rule, datetime(2026, 1, 1), datetime(2027, 1, 1))


@pytest.mark.parametrize("given_", [("day", 0), ("day", 13), ("hour", 1), ("", 1)])
def test_only_rules_of_ours_are_chosen(given_: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="no such rule"):
        choose(*given_, datetime(2026, 1, 1))


def test_two_o_clock_stays_two_o_clock_through_summer_time() -> None:
    rule, first = "FREQ=MONTHLY;BYMONTHDAY=18", datetime(2026, 12, 18, 14)
    year = occurrences(rule, first, PARIS, {}, moment(first, PARIS), datetime(2027, 12, 1, tzinfo=UTC))
    assert [each.date for each in year] == ["2026-12-18", *(f"2027-{month:02}-18" for month in range(1, 12))]
    assert {each.planned.hour for each in year} == {14}
    # Summer time begins on 28 March and ends on 31 October.
    assert [each.at.hour for each in year] == [13] * 4 + [12] * 7 + [13]


def test_short_months_have_their_last_day() -> None:
    found = walls(write(Choice("day", day=31)), datetime(2028, 1, 31, 9), datetime(2029, 3, 31, 9))
    assert [f"{each:%m-%d}" for each in found] == [
        "01-31", "02-29", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30", "12-31",
        "01-31", "02-28", "03-31",
    ]  # fmt: skip


def test_29_february_comes_every_year() -> None:
    found = walls(write(Choice("day", 12, day=29)), datetime(2028, 2, 29), datetime(2032, 3, 1))
    assert [f"{each:%Y-%m-%d}" for each in found] == [
        "2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29",
    ]  # fmt: skip


def test_a_time_that_clocks_skip_and_one_that_they_show_twice() -> None:
    skipped, twice = datetime(2027, 3, 28, 2, 30), datetime(2027, 10, 31, 2, 30)
    assert moment(skipped, PARIS) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert recurrence.wall_clock(moment(skipped, PARIS), PARIS) == datetime(2027, 3, 28, 3, 30)
    assert moment(twice, PARIS) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    year = occurrences("FREQ=MONTHLY;BYDAY=-1SU", datetime(2027, 1, 31, 2, 30), PARIS, {}, start, end)
    assert [each.at.hour for each in year if each.date in ("2027-03-28", "2027-10-31")] == [1, 0]
    assert len(year) == 12
    assert moment(datetime(2027, 4, 4, 1, 45), "Australia/Lord_Howe") == datetime(2027, 4, 3, 14, 45, tzinfo=UTC)


def test_dates_that_are_dropped_or_moved() -> None:
    rule, first = "FREQ=MONTHLY;BYMONTHDAY=18", datetime(2026, 12, 18, 14)
    said = {"2027-01-18": "", "2027-02-18": "2027-02-25T18:00:00+01:00", "2027-05-18": "2027-03-30T12:00:00+00:00"}
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
    found = occurrences(rule, first, PARIS, said, start, end)
    assert [(each.date, each.state, f"{each.at:%m-%d %H:%M}") for each in found] == [
        ("2027-01-18", "dropped", "01-18 13:00"),
        ("2027-02-18", "moved", "02-25 17:00"),
        ("2027-03-18", "", "03-18 13:00"),
        ("2027-05-18", "moved", "03-30 12:00"),  # from beyond the end to before it
    ]
    april_and_may = occurrences(rule, first, PARIS, said, end, datetime(2027, 6, 1, tzinfo=UTC))
    assert [each.date for each in april_and_may] == ["2027-04-18"]


def test_a_rule_may_begin_between_its_dates() -> None:
    assert first_of("FREQ=MONTHLY;BYMONTHDAY=18", datetime(2026, 12, 19, 14)) == datetime(2027, 1, 18, 14)
    assert first_of("FREQ=WEEKLY;BYDAY=FR", datetime(2026, 12, 18, 14)) == datetime(2026, 12, 18, 14)


def _is_on(choice: Choice, first: date, day: date) -> bool:
    """The same rules once more, from what the words mean and with no library for them."""
    if choice.kind == "week":
        return day.weekday() == choice.weekday and (day - first).days // 7 % choice.every == 0
    months = (day.year - first.year) * 12 + day.month - first.month
    if months % choice.every:
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    if choice.kind == "day":
        return day.day == min(choice.day, length)
    if choice.nth == LAST:
        return day.weekday() == choice.weekday and day.day + 7 > length
    return day.weekday() == choice.weekday and (day.day - 1) // 7 + 1 == choice.nth


@given(
    kind=st.sampled_from(recurrence.KINDS),
    every=st.integers(1, recurrence.EVERY_MAX),
    first=st.datetimes(datetime(2026, 1, 1), datetime(2032, 12, 31)).map(
        lambda at: at.replace(second=0, microsecond=0)
    ),
    zone=st.sampled_from(["Europe/Paris", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    days=st.integers(0, 1500),
)
@settings(max_examples=60, deadline=None)
def test_dates_are_those_that_the_words_mean(kind: str, every: int, first: datetime, zone: str, days: int) -> None:
    first = first.replace(second=0, microsecond=0)
    choice = choose(kind, every, first)
    rule = write(choice)
    assert read(rule) == choice
    begin = first_of(rule, first)
    until = begin + timedelta(days=days)
    found = walls(rule, begin, until)
    expected = [
        datetime.combine(day, first.time())
        for day in (begin.date() + timedelta(days=number) for number in range(days + 1))
        if _is_on(choice, begin.date(), day)
    ]
    assert found == expected
    place = ZoneInfo(zone)
    for wall in found:
        at = moment(wall, zone)
        shown = at.astimezone(place).replace(tzinfo=None)
        if shown != wall:  # the clocks skip this time
            assert wall < shown <= wall + timedelta(hours=1)
        else:
            assert not any(
                (at - timedelta(minutes=step)).astimezone(place).replace(tzinfo=None) == wall for step in (30, 60)
            ), "the second of two"
