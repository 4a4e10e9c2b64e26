"""`log_analysis`: what belongs together is one group."""

from pathlib import Path

import pytest

from bridge.actions.base import Allow, StepRefusedError
from bridge.actions.host.log_groups import entries, groups
from bridge.actions.log_analysis import LogAnalysis
from tests.bridge.actions.conftest import MakeContext

TRACEBACK = """2026-11-21 10:0{n}:00,123 ERROR request {n} failed
Traceback (most recent call last):
  File "/srv/app/views.py", line 1{n}, in handle
    go({n})
  File "/srv/app/db.py", line 9{n}, in fetch
    raise LookupError("ticket {n}")
LookupError: ticket {n}
2026-11-21 10:0{n}:01,123 INFO request {n} took 0.{n} s
"""
SAME = [
    ("ERROR timeout after 30 s", "ERROR timeout after 31 s"),
    ("2026-11-21T10:00:00Z ERROR no route to '10.0.0.1'", "2026-11-22T11:00:00.5+01:00 ERROR no route to 'db'"),
    ("ERROR at 0xdeadbeef", "ERROR at 0x1"),
    ("ERROR job 123e4567-e89b-12d3-a456-426614174000", "ERROR job 00000000-0000-0000-0000-000000000000"),
    ("Nov 21 10:00:00 ERROR 受注 1", "Nov  1 11:00:00 ERROR 受注 22"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_complaint(one: str, other: str) -> None:
    (group,) = groups([one, other], ["error"])
    assert (group.count, group.example) == (2, other)


@pytest.mark.parametrize(("one", "other"), [("ERROR a", "ERROR b"), ("ERROR disk full", "FATAL disk full")])
def test_other_complaints(one: str, other: str) -> None:
    assert len(groups([one, other], [])) == 2


def test_a_traceback_is_one(home: Path, make_context: MakeContext) -> None:
    log = home / "app.log"
    log.write_text("".join(TRACEBACK.replace("{n}", str(n)) for n in range(5)) + "ERROR something else\n")
    context = make_context(Allow(roots=(home,)))
    said = LogAnalysis(log_files=(log,)).run(context)
    assert said == "6 complaints of 2 kinds; most often: LookupError in fetch (db.py)"
    text = context.output.text()
    assert "5x LookupError in fetch (db.py), 2026-11-21 10:00:00,123 to 2026-11-21 10:04:00,123" in text
    assert "latest: 2026-11-21 10:04:00,123 ERROR request 4 failed … LookupError: ticket 4" in text


def test_chained_tracebacks_and_java_stay_together() -> None:
    text = """ERROR x
Traceback (most recent call last):
  File "a.py", line 1, in f
KeyError: 1

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in g
ValueError: 2
INFO next
ERROR java.lang.IllegalStateException: y
\tat com.example.A.b(A.java:1)
Caused by: java.io.IOException
\t... 3 more
"""
    found = list(entries(text.splitlines()))
    assert [entry[0] for entry in found] == ["ERROR x", "INFO next", "ERROR java.lang.IllegalStateException: y"]
    assert found[0][-1] == "ValueError: 2"


def test_only_the_end_of_a_large_log_is_read(home: Path, make_context: MakeContext) -> None:
    log = home / "app.log"
    log.write_text("ERROR old\n" * 1000 + "ERROR new\n" * 10)
    said = LogAnalysis(log_files=(log,), last=105).run(make_context(Allow(roots=(home,))))
    assert said == "10 complaints of 1 kinds; most often: ERROR new"


def test_no_complaints(home: Path, make_context: MakeContext) -> None:
    (home / "app.log").write_text("INFO all is well\n")
    assert (
        LogAnalysis(log_files=(home / "app.log",)).run(make_context(Allow(roots=(home,)))) == "there are no complaints"
    )


def test_a_log_outside_is_refused(make_context: MakeContext, home: Path) -> None:
    with pytest.raises(StepRefusedError):
        LogAnalysis(log_files=(Path("/etc/passwd"),)).run(make_context(Allow(roots=(home,))))
