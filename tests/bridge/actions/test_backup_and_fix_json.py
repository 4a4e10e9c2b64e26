"""`backup_and_fix_json`: what is repaired, what is not, and that a file is always whole."""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.actions.backup_and_fix_json import BackupAndFixJson
from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.host.lenient_json import NotRepairableError, repair
from tests.bridge.actions.conftest import MakeContext, back_up_and_run

REPAIRS = [
    ('\ufeff{"a": 1}', {"a": 1}),
    ('{"a": [1, 2,],}', {"a": [1, 2]}),
    ('{"a": "x,}",}', {"a": "x,}"}),
    ('{"a": 1}{"a": 2}', {"a": 2}),
    ('{"a": 1}\n{"a": 2}\n', {"a": 2}),
    ('{"a": 1}}', {"a": 1}),
    ('{"a": 1}d": 2}', {"a": 1}),
    ('{"a": 1, "b": [1, 2', {"a": 1, "b": [1]}),
    ('{"a": 1, "b": "x', {"a": 1}),
    ('{"a": 1, "b"', {"a": 1}),
    ('{"a": 1, "b":', {"a": 1}),
    ('[{"id": 1}, {"id": 2}, {"id": 3, "na', [{"id": 1}, {"id": 2}]),
    ('{"users": [{"id": 1}, {"id": 2', {"users": [{"id": 1}]}),
    ("[[1, 2], [3, 4], [5, ", [[1, 2], [3, 4], [5]]),
    ("[1, tr", [1]),
    ('["日本", "서', ["日本"]),
    ('["a\\', None),
    ('["a", "b\\', ["a"]),
    ("", None),
    ("[", None),
    ("{", None),
    ('{"a', None),
    ("hello", None),
    ('{"a" 1}', None),
    ("{'a': 1}", None),
    ("[1 2]", None),
    ('{"a": NaN}', None),
    ("[" * 5000, None),
    ('{"a": 01}', None),
    ("[1,2]3]", [1, 2]),
    ('{"a": 1}"b": 2}', {"a": 1}),
    ('{"a": 1}{"b": 2}]', None),
    ('{"a": 1}{"a": 2}oops', None),
    ('{"a": 1}{"a": 2}{"a": ', {"a": 2}),
    ('{"a": 1}[1]', None),
    ('{"a": 1}, {"a": 2}', None),
    ('{"a": 1} oops', None),
    ('{"a": 1} 5', None),
    ('{"a": 1, "b": 2\0\0\0', {"a": 1}),
    ('{"a": 1}\0\0\0', {"a": 1}),
    ("\0\0\0", None),
    ("[1, 2.", [1]),
    ('{"a": 1, "b": {', {"a": 1}),
    ('{"a": [], "b": [', {"a": []}),
    ("\ufeff12", 12),
]


@pytest.mark.parametrize(("text", "document"), REPAIRS, ids=[text[:20] for text, _ in REPAIRS])
def test_repairs(text: str, document: Any) -> None:
    if document is None:
        with pytest.raises(NotRepairableError):
            repair(text)
    else:
        repaired = repair(text)
        assert repaired.document == document
        assert repaired.changes


KEPT = [
    ('{"a": 1, "a": 2,}', '{"a": 1, "a": 2}'),
    ('{"n": 1e400,}', '{"n": 1e400}'),
    ('{"n": 0.1000000000000000055511151231257827,}', '{"n": 0.1000000000000000055511151231257827}'),
    (f"[{'9' * 5000},]", f"[{'9' * 5000}]"),
    ('["\\ud800", "é\\u0041",\n]', '["\\ud800", "é\\u0041"\n]'),
    ("[1,[2,],  [3", "[1,[2]]"),
    ('{"a": {"b": [1,], "c": {"d": 4, "e', '{"a": {"b": [1], "c": {"d": 4}}}'),
]


@pytest.mark.parametrize(("text", "repaired"), KEPT, ids=[text[:20] for text, _ in KEPT])
def test_what_is_kept_stays_letter_for_letter(text: str, repaired: str) -> None:
    assert repair(text).text == repaired


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
).filter(lambda found: isinstance(found, list | dict))


def is_part(part: Any, whole: Any) -> bool:
    """Tell whether nothing in `part` was invented: each element stands in `whole` at the same place."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_part(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(is_part(one, other) for one, other in zip(part, whole, strict=False))
    return bool(part == whole and type(part) is type(whole))


@given(document=documents, share=st.floats(0, 1), indent=st.sampled_from([None, 1]))
def test_a_cut_text_never_gives_what_was_not_there(document: Any, share: float, indent: int | None) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    try:
        repaired = repair(text[: int(len(text) * share)])
    except NotRepairableError:
        return
    assert is_part(repaired.document, document)


@given(document=documents)
def test_a_whole_text_stays(document: Any) -> None:
    repaired = repair(json.dumps(document))
    assert (repaired.document, repaired.changes) == (document, ())


@given(older=documents, newer=documents)
def test_a_text_written_over_a_longer_one_is_never_taken_for_another(older: Any, newer: Any) -> None:
    long, short = json.dumps(older), json.dumps(newer)
    text = short + long[len(short) :]
    try:
        repaired = repair(text)
    except NotRepairableError:
        return
    assert repaired.document == newer or len(long) <= len(short)


@pytest.fixture
def data(home: Path) -> Path:
    folder = home / "data"
    (folder / "copies").mkdir(parents=True)
    return folder


@pytest.fixture
def context(data: Path, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(data,)))


def test_a_file_is_replaced_whole_and_kept_as_it_was(data: Path, context: StepContext) -> None:
    file, good = data / "tickets.json", data / "good.json"
    file.write_text('{"受注": [1, 2,]}')
    file.chmod(0o640)
    good.write_text('{"a":1}')
    before = good.stat()
    assert back_up_and_run(BackupAndFixJson(directories=(data,)), context) == "repaired 1 files"
    assert json.loads(file.read_text()) == {"受注": [1, 2]}
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (good.stat().st_ino, good.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    kept = context.backups / "0001"
    assert kept.read_text() == '{"受注": [1, 2,]}'
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sorted(path.name for path in data.iterdir()) == ["copies", "good.json", "tickets.json"]


def test_the_newest_valid_copy_takes_its_place(data: Path, context: StepContext) -> None:
    file = data / "tickets.json"
    file.write_text("\0\0\0\0")
    for age, name, text in (
        (30, "tickets.json.1", "[1]"),
        (20, "tickets-2026.json", "[2]"),
        (10, "tickets.json.3", "["),
    ):
        (data / "copies" / name).write_text(text)
        os.utime(data / "copies" / name, (1.7e9 - age, 1.7e9 - age))
    (data / "copies" / "ticketsystem.json").write_text("[4]")
    BackupAndFixJson(files=(file,), copies=data / "copies").run(context)
    assert file.read_text() == "[2]"


def test_what_cannot_be_repaired_stays_and_is_said(data: Path, context: StepContext) -> None:
    (data / "bad.json").write_text("hello")
    (data / "also.json").write_text("[1,]")
    with pytest.raises(StepError, match=r"1 files could not be repaired .*bad\.json.*; 1 were"):
        BackupAndFixJson(directories=(data,)).run(context)
    assert (data / "bad.json").read_text() == "hello"


@pytest.mark.parametrize(
    "text", ["[" * 3000 + "]" * 3000, f'{{"n": {"9" * 5000}}}', '{"a": 1, "a": 2}', '"\\ud800"', "1e999"]
)
def test_what_is_json_or_may_be_is_never_replaced(text: str, data: Path, context: StepContext) -> None:
    file, copy = data / "tickets.json", data / "copies" / "tickets.json"
    file.write_text(text)
    copy.write_text("[]")
    with suppress(StepError):
        assert back_up_and_run(BackupAndFixJson(files=(file,), copies=data / "copies"), context) == "repaired 0 files"
    assert file.read_text() == text


@pytest.mark.parametrize("left", range(len('["受注", "서울".encode()')))
def test_a_cut_in_the_middle_of_a_character(left: int, data: Path, context: StepContext) -> None:
    file = data / "names.json"
    whole = '["受注", "서울", "🚨"]'.encode()
    file.write_bytes(whole[: len(whole) - 1 - left])
    if len(whole) - 1 - left >= len('["受注"'.encode()):
        back_up_and_run(BackupAndFixJson(files=(file,)), context)
        assert json.loads(file.read_text()) == ["受注", "서울", "🚨"][: len(json.loads(file.read_text()))] != []


def test_a_file_that_cannot_be_judged_does_not_keep_others_from_it(data: Path, context: StepContext) -> None:
    (data / "deep.json").write_text("[" * 3000 + "]" * 3000)
    (data / "cut.json").write_text("[1, 2")
    with pytest.raises(StepError, match=r"1 files could not be repaired .*deep\.json: it is nested too deep.*; 1 were"):
        back_up_and_run(BackupAndFixJson(directories=(data,)), context)
    assert (data / "cut.json").read_text() == "[1]"


def test_a_symlink_is_not_followed(home: Path, data: Path, context: StepContext) -> None:
    (home / "outside.json").write_text("[1,]")
    (data / "link.json").symlink_to(home / "outside.json")
    assert BackupAndFixJson(directories=(data,)).run(context) == "repaired 0 files"
    with pytest.raises(StepError, match="symlink"):
        BackupAndFixJson(files=(data / "link.json",)).run(context)
    assert (home / "outside.json").read_text() == "[1,]"
