"""What is not there fails a step, or is passed over where that is said; and who may be given files."""

import os
import pwd

import pytest

from bridge import actions
from bridge.actions.base import Action, Allow, StepError
from remedy.config import kinds
from tests.bridge.actions.conftest import back_up_and_run

CASES = [
    ("log_rotate", lambda there, gone: {"files": [there / "a.log", gone / "b.log"], "directories": [there, gone]}),
    ("cache_clear", lambda there, gone: {"directories": [there, gone]}),
    ("temp_file_cleanup", lambda there, gone: {"directories": [there, gone], "patterns": ["*.tmp"]}),
    ("old_file_cleanup", lambda there, gone: {"directories": [there, gone], "days": 7}),
    ("log_analysis", lambda there, gone: {"log_files": [there / "a.log", gone / "b.log"]}),
    ("backup_and_fix_json", lambda there, gone: {"files": [gone / "x.json"], "directories": [there, gone]}),
    ("backup", lambda there, gone: {"paths": [there / "a.log", gone]}),
]


@pytest.mark.parametrize(("name", "fields"), CASES, ids=[name for name, _ in CASES])
def test_what_is_not_there(home, make_context, name, fields):
    there = home / "there"
    there.mkdir()
    (there / "a.log").write_text("error: x\n")
    kind = kinds.load(actions, name, Action, "action")
    allow = Allow(roots=(home,))
    given = fields(there, home / "gone")
    assert back_up_and_run(kind.model_validate({**given, "missing_ok": True}), make_context(allow, run=1))
    with pytest.raises(StepError):
        back_up_and_run(kind.model_validate(given), make_context(allow, run=2))


def test_a_backup_is_a_copy_and_needs_its_root(home, make_context):
    (home / "data").mkdir()
    (home / "data" / "a.txt").write_text("first")
    kind = kinds.load(actions, "backup", Action, "action")
    action = kind.model_validate({"paths": [home / "data"]})
    assert [field for field, _ in action.refusals(Allow())] == ["paths"]
    context = make_context(Allow(roots=(home,)))
    assert str(home / "data") in back_up_and_run(action, context)
    copies = [file for file in context.backups.rglob("*") if file.is_file() and file.read_bytes() == b"first"]
    assert len(copies) == 1


@pytest.mark.parametrize(("name", "field"), [("fix_permissions", "paths"), ("create_missing_dirs", "directories")])
def test_files_are_given_to_users_that_are_named(home, name, field):
    kind = kinds.load(actions, name, Action, "action")
    other = next(user.pw_name for user in pwd.getpwall() if user.pw_uid != os.geteuid())
    us = pwd.getpwuid(os.geteuid()).pw_name
    allow = Allow(roots=(home,))

    def why(owner, allow):
        return list(kind.model_validate({field: [home / "x"], "owner": owner}).refusals(allow))

    assert why(other, allow) == [("owner", f"'{other}' is not in allow.owners")]
    assert why(other, Allow(roots=(home,), owners=frozenset({other}))) == []
    assert why(us, allow) == []
    assert why("nobody-has-this-name", allow) == [("owner", "there is no user 'nobody-has-this-name'")]
