"""Restart a service."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import UnitName
from bridge.actions.host.plain_service import PlainService
from bridge.actions.host.supervisor import SupervisedProgram
from bridge.actions.host.systemd import Systemd, own_units, runs_us
from bridge.actions.host.units import Manager, NotAllowedError, UnitError, UnitState, Verb
from remedy.config.durations import Duration

_LOOK_AGAIN_SECONDS = 0.1
_UNDER_WAY = frozenset({"activating", "deactivating", "reloading", "refreshing"})


class Operation(StrEnum):
    """What is done with the service."""

    RESTART = "restart"
    START = "start"
    STOP = "stop"
    RELOAD = "reload"


class ServiceRestart(Action):
    """Restart (or start, stop, reload) a systemd unit, a program of supervisord, or a plain process.

    **Changes**: the service is down for a moment. **Needs** the unit in `allow.units` and leave to do so (the polkit
    rule of `remedy polkit`, root, or `sudo -n systemctl`); for a program of supervisord its name in `allow.units`, and
    leave to use its socket; for a plain process its program in `allow.commands`, and pid file and log file in
    `allow.roots` or where only root and the bridge's user may write. **Idempotent**: yes. **Backed up**: nothing.

    A unit must become `active`, and still be the same start after `settle`. An unknown unit, one that we may not
    touch and `start-limit-hit` (about five starts in ten seconds) are told apart; the unit that the bridge runs in is
    refused. A process is found by its pid file, its port or its command line, and must look like the one meant; it gets
    SIGTERM, after `grace` SIGKILL, its children too. The new one is a child of init in a session of its own, under
    systemd in a scope of its own, and must stay up for `settle`.

    Example:
        - service_restart: {unit: itsm-nexus.service}
        - service_restart: {supervisor: {program: "shop:worker"}}
        - service_restart:
            process: {pid_file: /run/app/app.pid, argv: [/usr/local/bin/app, --port=5100], log_file: /var/log/app.log}
    """

    idempotent: ClassVar[bool] = True

    unit: UnitName | None = None
    """A systemd unit of `allow.units`, with its suffix. This or `process`."""
    process: PlainService | None = None
    """A plain process: `pid_file`, `port` or `command_line`, and `argv`, and what it needs beside."""
    supervisor: SupervisedProgram | None = None
    """A program of supervisord: `program`, and `url` where its socket is elsewhere. This, `unit` or `process`."""
    operation: Operation = Operation.RESTART
    """`restart`, `start`, `stop` or `reload` (units only)."""
    manager: Manager = Manager.SYSTEM
    """Whose unit: the machine's (`system`), or that of the bridge's user (`user`)."""
    settle: Duration = timedelta(seconds=2)
    """How long it must stay up to count."""
    reset_start_limit: bool = False
    """Where systemd refuses since the unit was started too often: reset that once, and try again."""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if [self.unit, self.process, self.supervisor].count(None) != len(("unit", "process")):
            raise ValueError("takes exactly one of unit, process and supervisor")
        if self.unit is None and self.operation is Operation.RELOAD:
            raise ValueError("operation: reload is for units; else use process_signal")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield what is not allowed of the unit or the process."""
        if self.unit is not None:
            if self.unit not in allow.units:
                yield "unit", f"'{self.unit}' is not in allow.units"
            if self.unit in own_units():
                yield "unit", f"'{self.unit}' is what the bridge itself runs in"
        if self.process is not None:
            yield from ((f"process.{field}", why) for field, why in self.process.refusals(allow))
        if self.supervisor is not None:
            yield from ((f"supervisor.{field}", why) for field, why in self.supervisor.refusals(allow))

    def plan(self, context: StepContext) -> str:
        """Say what would be done with what runs now."""
        if self.supervisor is not None:
            return f"{self.operation} {self.supervisor.program} of supervisord, now {self.supervisor.info(context)}"
        if self.process is None:
            return f"{self.operation} the unit {self.unit}"
        running = self.process.running(context)
        if running is None:
            return f"{self.operation} {self.process.argv[0]}, which does not run now"
        with running:
            return f"{self.operation} {self.process.argv[0]}, now {running}"

    def run(self, context: StepContext) -> str:
        """Do it, and see that it worked."""
        self.refuse(context)
        if self.process is not None:
            return self._process(self.process, context)
        if self.supervisor is not None:
            return self._program(self.supervisor, context)
        return _Unit(str(self.unit), self, Systemd(context, self.manager), context).run()

    def _program(self, program: SupervisedProgram, context: StepContext) -> str:
        program.refuse_our_own(context)
        if self.operation is not Operation.START:
            program.stop(context)
        if self.operation is Operation.STOP:
            return f"{program.program} of supervisord is {program.info(context)}"
        program.start(context)
        now = program.stays_up(context, self.settle.total_seconds())
        return f"{self.operation} of {program.program} of supervisord: it is {now}, as process {now.pid}"

    def _process(self, process: PlainService, context: StepContext) -> str:
        done = []
        if self.operation is Operation.START:
            running = process.running(context)
            if running is not None:
                running.close()
                return f"{process.argv[0]} runs already, as process {running.pid}"
        else:
            done.append(process.stop(context))
        if self.operation is not Operation.STOP:
            done.append(process.start(context, self.settle.total_seconds()))
        return f"{process.argv[0]}: {'; '.join(done)}"


class _Unit:
    """One operation on one unit."""

    def __init__(self, unit: str, wanted: ServiceRestart, systemd: Systemd, context: StepContext) -> None:
        self._unit, self._wanted, self._systemd, self._context = unit, wanted, systemd, context

    def run(self) -> str:
        before = self._systemd.state(self._unit)
        if before.load == "not-found":
            raise StepError(f"systemd does not know the unit {self._unit}")
        if before.load == "masked":
            raise StepRefusedError(f"the unit {self._unit} is masked: somebody switched it off for good")
        if runs_us(before):
            raise StepRefusedError(f"{self._unit} is what the bridge itself runs in")
        reset = self._do()
        state = self._settled(before)
        return f"{self._wanted.operation} of {self._unit}: was {before}, is {state}{reset}"

    def _do(self) -> str:
        verb = Verb(self._wanted.operation)
        try:
            self._systemd.do(verb, self._unit)
        except NotAllowedError:
            raise
        except UnitError as failed:
            self._refuse_but_start_limit(verb, failed)
        else:
            return ""
        self._systemd.do(Verb.RESET_FAILED, self._unit)
        try:
            self._systemd.do(verb, self._unit)
        except UnitError as failed:
            why = f"{verb} of {self._unit} failed again after reset-failed: {failed}"
            raise StepError(why, exit_code=failed.exit_code) from None
        return "; its start limit was reset once"

    def _refuse_but_start_limit(self, verb: Verb, failed: UnitError) -> None:
        """Go on only where systemd refuses since the unit was started too often, and may be told to forget that."""
        state = self._systemd.state(self._unit)
        if state.result != "start-limit-hit":
            why = f"{verb} of {self._unit} failed: {failed} It is {state}."
            raise StepError(why, exit_code=failed.exit_code) from None
        if not self._wanted.reset_start_limit:
            raise StepError(
                f"{self._unit} was started too often (start-limit-hit) and stays failed until"
                f" `systemctl reset-failed {self._unit}`, or set reset_start_limit",
                exit_code=failed.exit_code,
            ) from None

    def _settled(self, before: UnitState) -> UnitState:
        first = self._arrived()
        if self._wanted.operation is not Operation.STOP and first.kind != "oneshot":
            self._context.pause(self._wanted.settle.total_seconds())
        last = self._arrived()
        if last.invocation != first.invocation:
            raise StepError(f"{self._unit} did not stay up: it was started again by itself, and is {last}")
        if self._wanted.operation is Operation.RESTART and last.invocation == before.invocation != "":
            raise StepError(f"{self._unit} was not restarted: it is still the same start")
        return last

    def _arrived(self) -> UnitState:
        """Wait for the unit to be where it should be."""
        stopped = self._wanted.operation is Operation.STOP
        while True:
            state = self._systemd.state(self._unit)
            if state.active == ("inactive" if stopped else "active"):
                return state
            if state.kind == "oneshot" and state.active == "inactive" and state.result == "success":
                return state
            if stopped and state.active == "failed":
                return state
            if state.active not in _UNDER_WAY:
                raise StepError(f"{self._unit} is {state}")
            self._context.pause(_LOOK_AGAIN_SECONDS)
