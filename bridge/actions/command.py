"""Run an allowed program."""

import os
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError, Touched
from bridge.actions.host.children import run_program
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.folders import place_refusal
from bridge.actions.host.programs import program_refusal
from bridge.actions.host.surroundings import Surroundings


class Command(Surroundings, Action):
    """Run an allowed program with arguments, without a shell.

    **Changes** whatever the program changes. **Needs** its absolute path in `allow.commands`; shells, interpreters and
    launchers (`sh`, `python3`, `env`, `sudo` …) are refused: allow a script of your own, which nobody but root and the
    bridge's user may write to. **Idempotent**: no; an interrupted one is shown, not run again.
    **Backed up**: what `changes` names.

    It runs in a session of its own, reads nothing, and gets no more environment than is named. When its time is up, its
    whole process group is killed.

    Example:
        - command: {argv: [/usr/local/bin/migrate, --host, "{{ labels.host }}"], timeout: 30s}
    """

    argv: Annotated[tuple[Text, ...], Field(min_length=1, max_length=256)]
    """The program's absolute path, and its arguments; a label fills one of them, and never begins with `-`."""
    exit_codes: Annotated[frozenset[int], Field(min_length=1)] = frozenset({0})
    """The exit codes that mean success."""
    changes: Annotated[tuple[AbsolutePath, ...], Field(max_length=100)] = ()
    """Files, SQLite databases and folders, inside allowed roots, that the program changes: they are copied first."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the program and its surroundings."""
        why = program_refusal(self.argv[0], allow)
        if why:
            yield "argv", why
        yield from self.surroundings_refusals()
        yield from (("changes", why) for path in self.changes if (why := place_refusal(path, allow)))

    @property
    def starts_program(self) -> bool:
        """It does that first, where nothing has to be copied before."""
        return not self.changes

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield what `changes` names."""
        del context
        yield from map(Touched, self.changes)

    def plan(self, context: StepContext) -> str:
        """Show the command line."""
        del context
        return f"run {self._shown()}" + (f" as {self.user}" if self.user else "")

    def run(self, context: StepContext) -> str:
        """Run it and look at its exit code."""
        refuse_options_from_labels(self.argv[1:], context.labels)
        self.refuse(context)
        code = run_program(
            self.argv, context, cwd=os.fspath(self.cwd or "/"), env=self.environment(context.output), user=self.user
        )
        if code not in self.exit_codes:
            raise StepError(f"{self._shown()} {ended_with(code)}", exit_code=code)
        return f"{self._shown()} {ended_with(code)}"

    def _shown(self) -> str:
        return shlex.join(self.argv)


def refuse_options_from_labels(arguments: tuple[str, ...], labels: Mapping[str, str]) -> None:
    """Refuse an argument that begins with a label's value which looks like an option.

    Raises:
        StepRefusedError: there is one.
    """
    for name, value in labels.items():
        if value.startswith("-") and any(argument.startswith(value) for argument in arguments):
            raise StepRefusedError(f"the label '{name}' begins with '-', so its value could act as an option")


def ended_with(code: int) -> str:
    """Say an exit code in words."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
