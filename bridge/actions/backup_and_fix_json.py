"""Repair damaged JSON files."""

import codecs
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError, Touched
from bridge.actions.host.fields import AbsolutePath, FileGlob
from bridge.actions.host.folders import Place, opened_file, place, place_refusal, places_of
from bridge.actions.host.lenient_json import NotRepairableError, TooDeepError, check, repair
from bridge.actions.host.replacing import replace_file
from bridge.actions.host.sweep import Found, Search, find

_LARGEST = 64 * 1024**2
_ALWAYS = -1e12


class BackupAndFixJson(Action):
    """Repair JSON files that cannot be read, where that needs no guessing.

    **Changes**: replaces a damaged file, at once and whole, by its repaired content; owner and mode stay. Repaired are
    a byte order mark, commas before a closing bracket, a cut end (what is whole stays), documents of one kind in a row
    (the last one stays), remains of an older, longer text behind a whole document, zero bytes at the end. What is kept
    stays letter for letter: numbers of any length, keys that stand twice, spaces. Otherwise the newest valid copy in
    `copies` takes its place; otherwise the step fails and says so. **Needs** files and folders in `allow.roots`.
    **Idempotent**: yes. **Backed up**: each damaged file, as it was; only the step's own `backup: skip` stops that.

    Example:
        - backup_and_fix_json: {directories: [/srv/itsm/data], copies: /srv/itsm/backups}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN"})

    files: tuple[AbsolutePath, ...] = ()
    """Files, each inside an allowed root."""
    directories: tuple[AbsolutePath, ...] = ()
    """Folders whose files are looked at, each inside an allowed root; not those below."""
    patterns: Annotated[tuple[FileGlob, ...], Field(min_length=1)] = ("*.json",)
    """Names of files in `directories`."""
    missing_ok: bool = False
    """Pass over files and folders that are not there; else the step fails."""
    copies: AbsolutePath | None = None
    """A folder with older copies, inside an allowed root: those whose names begin with the file's name or stem."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.files and not self.directories:
            raise ValueError("files or directories must be given")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield what no root holds."""
        for field in ("files", "directories", "copies"):
            paths = getattr(self, field)
            for path in paths if isinstance(paths, tuple) else [paths] if paths else []:
                why = place_refusal(path, allow)
                if why:
                    yield field, why

    def wants_backup(self, usual: bool) -> bool:
        """Tell that it is wanted whatever is usual: it is half of what this action is for."""
        del usual
        return self.backup is None

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield the damaged files."""
        yield from (Touched(file.path) for file in self._damaged(context))

    def plan(self, context: StepContext) -> str:
        """Name those that are damaged now."""
        damaged = [str(file.path) for file in self._damaged(context)]
        return f"repair {', '.join(damaged)}" if damaged else "nothing: every file is valid JSON"

    def run(self, context: StepContext) -> str:
        """Repair them."""
        fixed, lost = 0, []
        for file in self._places(context):
            context.pause(0)
            try:
                raw, info = _read(file)
                if _valid(raw):
                    continue
                content, told = self._mended(file, raw, context)
                replace_file(file, content, info)
            except StepRefusedError:
                raise
            except StepError as problem:
                lost.append(f"{file.path}: {problem}")
                context.output.say(f"{file.path}: {problem}")
            else:
                fixed += 1
                context.output.say(f"{file.path}: {told}")
        if lost:
            raise StepError(f"{len(lost)} files could not be repaired ({lost[0]}); {fixed} were")
        return f"repaired {fixed} files"

    def _places(self, context: StepContext) -> Iterator[Place]:
        yield from places_of(self.files, context.allow, missing_ok=self.missing_ok)
        search = Search(self.patterns, _ALWAYS, recursive=False)
        for directory in places_of(self.directories, context.allow, missing_ok=self.missing_ok):
            yield from sorted(map(_as_place, find(directory, search, context)), key=str)

    def _damaged(self, context: StepContext) -> Iterator[Place]:
        return (file for file in self._places(context) if _is_damaged(file))

    def _mended(self, file: Place, raw: bytes, context: StepContext) -> tuple[bytes, str]:
        try:
            text, used = codecs.utf_8_decode(raw, "strict", False)  # half a character at the end is a cut end
            repaired = repair(text)
        except UnicodeDecodeError as error:
            reason = f"byte {error.start} is no UTF-8"
        except NotRepairableError as error:
            reason = str(error)
        else:
            half = () if used == len(raw) else ("half a character stood at its end",)
            return repaired.text.encode(), f"repaired: {'; '.join([*repaired.changes, *half])}"
        for copy in self._newest_copies(file, context):
            content, info = _read(copy)
            if _valid(content):
                return (
                    content,
                    f"replaced by {copy.path} of {datetime.fromtimestamp(info.st_mtime, UTC):%Y-%m-%d %H:%M}",
                )
        raise StepError(f"cannot be repaired ({reason}), and there is no valid copy of it")

    def _newest_copies(self, file: Place, context: StepContext) -> list[Place]:
        if self.copies is None:
            return []
        name, stem = file.way[-1], file.path.stem
        start = place(self.copies, context.allow)
        found = find(start, Search((f"{_plain(name)}*", f"{_plain(stem)}[-_.]*"), _ALWAYS, recursive=False), context)
        return [_as_place(copy) for copy in sorted(found, key=lambda copy: -copy.modified) if _as_place(copy) != file]


def _plain(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _as_place(found: Found) -> Place:
    return Place(found.folder.root, (*found.folder.way, found.name))


def _read(file: Place) -> tuple[bytes, os.stat_result]:
    with opened_file(file) as descriptor:
        info = os.fstat(descriptor)
        if info.st_size > _LARGEST:
            raise StepError(f"'{file.path}' has more than {_LARGEST} bytes")
        with os.fdopen(os.dup(descriptor), "rb") as whole:
            return whole.read(), info


def _is_damaged(file: Place) -> bool:
    """Tell whether a file is to be repaired; one that cannot be read or judged is named when that is tried."""
    try:
        return not _valid(_read(file)[0])
    except StepRefusedError:
        raise
    except StepError:
        return False


def _valid(raw: bytes) -> bool:
    try:
        check(raw.decode("utf-8"))
    except ValueError:
        return False
    except TooDeepError:
        raise StepError("it is nested too deep to be judged, and was left alone") from None
    return True
