"""Statements that the driver carries out find and say what SQLAlchemy would, and never read what is over."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Select, bindparam, create_engine, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from bridge.decision.gates import Verdict
from bridge.ledger import decisions, episodes, histories, malformed, runs, upcoming
from bridge.ledger.prepared import Prepared, among, listed
from bridge.ledger.schema import METADATA, meta
from bridge.ledger.schema import runs as runs_table
from bridge.ledger.store import Ledger
from tests.bridge.durability.bridge_world import START, opened
from tests.bridge.durability.test_scenes import configuration, labels
from tests.bridge.world import alert

QUESTIONS = {
    f"{module.__name__.rpartition('.')[2]}{name}": prepared
    for module in (decisions, episodes, histories, malformed, runs, upcoming)
    for name, prepared in vars(module).items()
    if isinstance(prepared, Prepared) and isinstance(prepared._statement, Select)
}
PUT = Prepared(insert(meta), "key", "value")
LIMITS = "limits: {concurrent: 2, runs_per_hour: 100000, targets: {max: 100000}}"


@pytest.fixture
def ledger(tmp_path):
    it = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield it
    it.close()


@pytest.fixture
def world(tmp_path):
    """A bridge with runs that are at work, wait, have failed and are over; with what is held; with what returns."""
    with opened(tmp_path, configuration(limits=LIMITS)) as it:
        it.asks_nobody = True
        it.hand.fails = it.hand.once = True
        for number in range(4):
            it.notify(alert(labels(f"web-{number}"), starts_at=it.now))
        it.work()
        it.resolve(labels("web-1"), it.now)
        it.notify(alert(labels("web-1"), starts_at=START - 5))
        it.notify(alert({"alertname": "Nobody", "instance": "x:1"}, starts_at=it.now))
        it.notify(*(alert(labels(f"web-{number}"), starts_at=it.now) for number in range(5, 9)))
        it.round()
        yield it


@pytest.mark.parametrize("prepared", QUESTIONS.values(), ids=QUESTIONS)
def test_it_finds_what_sqlalchemy_finds(world, prepared):
    ids = listed(range(20))
    given = {"now": world.now + 1000, "since": START - 5000, "hour": START - 5000, "window": START - 5000, "later": 0}
    given |= {"ids": ids, "hosts": listed(f"web-{n}" for n in range(9)), "targets": listed(["web-0", "web-5"])}
    given |= {"episode": 1, "which": 1, "name": "down", "state": "open", "count": 3, "moment": world.now + 1000}
    given |= {"verdict": Verdict.LIMITED, "verdicts": listed([Verdict.LIMITED, Verdict.NOT_FIRING])}
    with world.ledger.read() as connection:
        known = world.rows(episodes.episodes)
        given["fingerprints"] = listed(row.fingerprint for row in known)
        over = next(row for row in known if row.ends_at is not None)
        given |= {"fingerprint": over.fingerprint, "begin": over.starts_at, "end": over.ends_at}
        found = prepared.rows(connection, **given)
        same = connection.execute(prepared._statement, given).all()
        assert [tuple(row) for row in found] == [tuple(row) for row in same]
        assert [[type(value) for value in row] for row in found] == [[type(value) for value in row] for row in same]


def test_most_of_them_found_something(world):
    """So that the test above compares something."""
    with world.ledger.read() as connection:
        states = {row.state for row in runs.unended(connection)}
        assert {"waiting", "running"} <= states
        assert decisions.due(connection, world.now + 1000)
        assert episodes.in_state(connection, episodes.EpisodeState.RETURNING)


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), max_size=20))
def test_a_list_of_any_texts(keys):
    question = Prepared(select(meta.c.key).where(among(meta.c.key, "keys")))
    with closing_engine() as connection:
        METADATA.create_all(connection)
        PUT.each(connection, [{"key": key, "value": ""} for key in {*keys, "another", "and another"}])
        found = {row.key for row in question.rows(connection, keys=listed([*keys, "none"]))}
    assert found == keys


@contextlib.contextmanager
def closing_engine():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("count", [0, 1, 40_000])
def test_a_list_of_any_length(ledger, count):
    question = Prepared(select(meta.c.key).where(among(meta.c.key, "keys")))
    with ledger.read() as connection:
        keys = listed(["version", *(f"none-{number}" for number in range(count))][:count])
        assert len(question.rows(connection, keys=keys)) == min(count, 1)


def test_what_goes_wrong_is_said_as_sqlalchemy_says_it(ledger):
    def twice(connection):
        PUT.each(connection, [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])

    with pytest.raises(IntegrityError, match="UNIQUE constraint failed") as wrong:
        ledger.write(twice)
    assert wrong.value.orig is not None
    with ledger.read() as connection, pytest.raises(OperationalError, match="readonly"):
        PUT.change(connection, key="b", value="")


def test_a_reader_sees_one_picture(ledger):
    change = Prepared(update(meta).where(meta.c.key == "x").values(value=bindparam("to")))
    ask = Prepared(select(meta.c.value).where(meta.c.key == "x"))
    ledger.write(lambda c: c.execute(insert(meta).values(key="x", value="before")) and None)
    with ledger.read() as connection:
        assert ask.value(connection) == "before"
        assert ledger.write(lambda c: change.change(c, to="after")) == 1
        assert ask.value(connection) == "before"
    with ledger.read() as connection:
        assert ask.value(connection) == "after"


def test_what_is_over_is_not_read(tmp_path):
    """SQLite's own instructions are counted: a decision and a round take as many, however many runs have ended."""
    assert _instructions(tmp_path / "many", 3000) < 1.2 * _instructions(tmp_path / "few", 30)


def _instructions(folder, over):
    folder.mkdir()
    with opened(folder, configuration(limits="limits: {targets: {max: 1}}")) as world:
        world.asks_nobody = True
        world.notify(alert(labels("web"), starts_at=world.now))
        world.settle(2)
        world.resolve(labels("web"), world.now)
        _repeat(world, over)
        counted = [0]

        def count():
            counted[0] += 1

        for engine in (world.ledger._writer, world.ledger._reader):
            with engine.connect() as connection:
                connection.connection.driver_connection.set_progress_handler(count, 1)
        world.advance(100_000)
        world.notify(alert(labels("another"), starts_at=world.now))
        world.settle(2)
        assert len(world.hand.touches) == 2
        return counted[0]


def _repeat(world, times):
    """Let what is over have happened so often."""
    with world.ledger.read() as connection:
        ended = dict(connection.execute(select(runs_table)).mappings().one())
    del ended["id"]
    world.ledger.write(lambda c: c.execute(insert(runs_table), [ended] * times) and None)
