"""Adding an action, a notifier, a verification or a check is adding one file: nothing else names a kind."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import bridge.actions
import bridge.notifiers
import bridge.verify
import exporters.checks
from bridge.actions.base import Action
from bridge.notifiers.base import Notifier
from bridge.verify.base import Verification
from exporters.checks.base import Check
from remedy.config import kinds
from tests.test_imports import sources

DEFAULTS = (
    "bridge.run.verification imports bridge.verify.alert_clears_within",  # what holds where a remediation names none
    "bridge.run.verification imports bridge.verify.quiet_for",
    "bridge.policy.built_in imports bridge.actions.restore_backup",  # what is there without being configured
    "bridge.policy.built_in imports bridge.verify.none",
)
PACKAGES = [
    pytest.param(package, base, id=package.__name__)
    for package, base in (
        (bridge.actions, Action),
        (bridge.notifiers, Notifier),
        (bridge.verify, Verification),
        (exporters.checks, Check),
    )
]


@pytest.mark.parametrize(("package", "base"), PACKAGES)
def test_every_file_is_a_kind_with_a_page_of_reference(package: ModuleType, base: type) -> None:
    found = {name: kinds.load(package, name, base, "kind") for name in kinds.names(package)}
    assert found, "no kinds at all"
    silent = [name for name, kind in found.items() if kind.__doc__ in (None, base.__doc__)]
    assert not silent, "its docstring is its page in the reference"


@pytest.mark.parametrize(("package", "base"), PACKAGES)
def test_a_new_file_is_a_new_kind(
    package: ModuleType, base: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "dropped_in_by_a_test"
    text = f'"""New."""\nfrom {base.__module__} import {base.__name__}\nclass New({base.__name__}):\n    """Page."""\n'
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert name in kinds.names(package)
    try:
        assert kinds.load(package, name, base, "kind").__name__ == "New"
    finally:
        sys.modules.pop(f"{package.__name__}.{name}", None)


@pytest.mark.parametrize(("package", "base"), PACKAGES)
def test_nothing_outside_its_package_imports_a_kind(package: ModuleType, base: type) -> None:
    modules = {f"{package.__name__}.{name}" for name in kinds.names(package)}
    importers = [
        f"{file.module} imports {name}"
        for file in sources()
        if not file.within(package.__name__)
        for name in file.imports()
        if name in modules
    ]
    assert not set(importers).difference(DEFAULTS)
