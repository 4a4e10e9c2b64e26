"""Replace files and folders at once and whole: whoever looks sees the old one or the new one."""

import ctypes
import os
import shutil
from contextlib import suppress

from bridge.actions.base import StepError, StepRefusedError
from bridge.actions.host.folders import Place, mounts_below, opened, parent_of

_RENAME_EXCHANGE = 2


def replace_file(file: Place, content: bytes, was: os.stat_result) -> None:
    """Put new content in the place of a file that was read, with one rename; owner and mode stay.

    Raises:
        StepError: the file was changed since it was read, or cannot be written.
    """
    name, aside = file.way[-1], unfinished(file.way[-1])
    with opened(parent_of(file)) as folder:
        try:
            discard(aside, folder)
            _write(aside, content, was, folder)
            try:
                _refuse_change(name, was, folder)
                os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(aside, dir_fd=folder)
                raise
            os.fsync(folder)
        except OSError as error:
            raise StepError(f"'{file.path}' cannot be written: {error.strerror}") from None


def unfinished(name: str) -> str:
    """Return the name under which a file is made before it gets its own: always the same, so that crashes add none."""
    return f".{os.fsdecode(os.fsencode(name)[:200])}.unfinished"


def discard(name: str, folder: int) -> None:
    """Delete what a crash left under the name of something unfinished.

    Raises:
        OSError: it cannot be.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _write(name: str, content: bytes, was: os.stat_result, folder: int) -> None:
    new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        with os.fdopen(new, "wb") as written:
            written.write(content)
            written.flush()
            os.fchown(new, was.st_uid, was.st_gid)
            os.fchmod(new, was.st_mode & 0o777)
            os.fsync(new)
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise


def _refuse_change(name: str, was: os.stat_result, folder: int) -> None:
    now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if (now.st_ino, now.st_mtime_ns, now.st_size) != (was.st_ino, was.st_mtime_ns, was.st_size):
        raise StepError("somebody changed it meanwhile; it was left alone")


def exchange(one: str, other: str, folder: int) -> None:
    """Let two names in an open folder change places, in one step of the kernel.

    Raises:
        OSError: it cannot be done.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(folder, os.fsencode(one), folder, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def delete_tree(folder: Place, name: str) -> None:
    """Delete a folder that we made ourselves, with all that is in it; nothing where there is none.

    Raises:
        StepRefusedError: something is mounted in it.
        StepError: it cannot be deleted.
    """
    mounted = mounts_below(folder.path / name)
    if mounted:
        raise StepRefusedError(f"'{mounted[0]}' is a mount point")
    with opened(folder) as descriptor:
        try:
            shutil.rmtree(name, dir_fd=descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StepError(f"'{folder.path / name}' cannot be deleted: {error.strerror}") from None
