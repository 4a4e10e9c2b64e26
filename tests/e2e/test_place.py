"""The demo's folder: one demo at a time, never somebody's own files, nothing left of a temporary one."""

import stat

import pytest

from remedy.demo.place import Place, PlaceError


def test_a_temporary_folder_is_removed_at_the_end():
    with Place() as place:
        place.write("sub/file", "text")
        root = place.root
    assert not root.exists()


def test_a_temporary_folder_is_kept_when_something_went_wrong():
    with pytest.raises(RuntimeError), Place() as place:
        raise RuntimeError
    assert place.lock.exists()
    place.lock.unlink()
    place.root.rmdir()


def test_a_chosen_folder_is_kept_and_can_be_used_again(tmp_path):
    for _ in range(2):
        with Place(tmp_path / "demo") as place:
            written = place.write("token", "secret")
    assert written.read_text() == "secret"


def test_what_is_written_is_for_its_owner_alone(tmp_path):
    with Place(tmp_path) as place:
        for text in ("first", "second"):
            file = place.write("token", text)
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path):
    with Place(tmp_path), pytest.raises(PlaceError, match="another demo runs in"):
        Place(tmp_path)


def test_a_folder_with_somebodys_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PlaceError, match="choose an empty or a new folder"):
        Place(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceError, match="cannot be used"):
        Place(tmp_path / "file" / "below")
