"""`remedy test`: what it plays is what the bridge does, and what comes otherwise is shown with its line."""

import json
from pathlib import Path
from textwrap import dedent, indent

import pytest
from click.testing import CliRunner, Result

from remedy.cli import cli
from remedy.config.problems import ConfigError
from remedy.rehearsal.reading import read_script

EXAMPLE = Path(__file__).parents[3] / "examples" / "tests" / "remediation_test.yml"
CONFIGURATION = (Path(__file__).parent / "remediation.yml").read_text(encoding="utf-8")


def ran(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["test", *map(str, arguments)])


def tried(folder: Path, moments: str) -> Result:
    """Play one test with these moments; an alert is `*down`."""
    (folder / "remediation.yml").write_text(CONFIGURATION)
    file = folder / "remediation_test.yml"
    down = "{remediation: echo, labels: &down {alertname: Down, instance: 'web-1:9100', word: hello}, ended: 1d}"
    timeline = indent(dedent(moments), "      ")
    file.write_text(f"tests:\n  - name: it\n    history: [{down}]\n    timeline:\n{timeline}\n")
    return ran(file)


@pytest.mark.parametrize("file", [EXAMPLE, Path(__file__).parent / "remediation_test.yml"], ids=["example", "words"])
def test_what_the_bridge_does(file: Path) -> None:
    result = ran(file)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].endswith(" passed, 0 failed")


OTHERWISE = {
    "another decision": (
        "- {at: 0s, fire: *down, decisions: [{decision: cooldown}]}",
        "at 0s: decisions\n    - {decision: cooldown}\n    + {decision: run, remediation: echo, target: web-1, ",
    ),
    "another argument": (
        """\
        - at: 0s
          fire: *down
          decisions: [{decision: run, steps: [{command: {argv: [/bin/echo, bye]}}, {service_restart: {}}]}]
        """,
        "steps: [{command: {argv: [/bin/echo, hello]}}, {service_restart: {}}]",
    ),
    "a step too few": (
        "- {at: 0s, fire: *down, decisions: [{decision: run, steps: [{command: {}}]}]}",
        "    - {decision: run, steps: [{command: {}}]}",
    ),
    "a decision too many": (
        "- {at: 0s, fire: [*down, {alertname: None}], decisions: [{decision: run}]}",
        "    + {decision: no_match, ",
    ),
    "no run": ("- {at: 0s, fire: *down, runs: []}", "at 0s: runs\n    + {outcome: fixed, remediation: echo"),
    "nobody told": ("- {at: 0s, fire: *down, told: [{to: ops}]}", "at 0s: told\n    - {to: ops}"),
    "nothing to resolve": ("- {at: 3s, resolve: {a: b}}", "at 3s: resolve: nothing that fires has the labels"),
    "nothing to approve": ("- {at: 3s, approve: asks}", "at 3s: approve: no run of asks is there"),
    "a wish that cannot be": ("- {at: 3s, fix: {remediation: echo, target: a}}", "has no label 'word'"),
}


@pytest.mark.parametrize(("moments", "said"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_comes_otherwise_is_shown(tmp_path: Path, moments: str, said: str) -> None:
    result = tried(tmp_path, moments)
    assert result.exit_code == 1
    assert said in result.output
    assert f"FAIL  {tmp_path}/remediation_test.yml:2: it\n" in result.output
    assert any(f"{tmp_path}/remediation_test.yml:{line}: at " in result.output for line in (5, 7)), "where it stands"
    assert result.output.endswith("0 passed, 1 failed\n")


def test_after_a_failure_the_rest_of_a_test_is_not_played(tmp_path: Path) -> None:
    result = tried(tmp_path, "- {at: 0s, fire: *down, runs: []}\n- {at: 1s, runs: [{outcome: denied}]}")
    assert result.output.count(": at ") == 1


def test_no_step_is_done(tmp_path: Path) -> None:
    there = tmp_path / "there"
    touch = f"{{name: a, match: 'alertname=\"A\"', steps: [{{command: {{argv: [/usr/bin/touch, {there}]}}}}]}}"
    (tmp_path / "remediation.yml").write_text(f"allow: {{commands: [/usr/bin/touch]}}\nremediations: [{touch}]\n")
    moment = "{at: 0s, fire: {alertname: A, host: a}, runs: [{outcome: fixed}]}"
    (tmp_path / "a_test.yml").write_text(f"tests: [{{name: it, timeline: [{moment}]}}]")
    assert ran(tmp_path / "a_test.yml").exit_code == 0
    assert not there.exists()


def test_for_machines(tmp_path: Path) -> None:
    tried(tmp_path, "- {at: 0s, fire: *down, runs: []}")
    (found,) = json.loads(ran("--json", tmp_path / "remediation_test.yml").output)
    assert (found["test"], found["passed"], found["line"]) == ("it", False, 2)
    (failure,) = found["failures"]
    assert (failure["what"], failure["at"], failure["line"]) == ("runs", "0s", 5)
    assert not failure["difference"]["missing"]


def test_some_of_them() -> None:
    assert ran("--run", "forged", EXAMPLE).output.endswith("\n1 passed, 0 failed\n")
    assert ran("--run", "no such", EXAMPLE).exit_code == 2


ONE = "tests: [{{name: a, {}}}]"
NOW = "tests: [{{name: a, timeline: [{{at: 0s, {}}}]}}]"
WRONG = [
    ("tests: []", "wrong.yml:1: tests: expected at least one entry, got none"),
    (ONE.format("timeline: []"), "tests[0].timeline: expected at least one entry, got none"),
    (ONE.format("timeline: [{at: 0s}], atempts: {}"), "unknown key 'atempts' (did you mean 'attempts'?)"),
    (f"config: no.yml\n{NOW.format('')}", "no.yml: cannot be read: No such file"),
    (ONE.format("timeline: [{at: 2s}, {at: 1s}]"), "timeline[1].at: the timeline goes back"),
    (ONE.format("timeline: [{at: 0s}], takes: {ehco: 1s}"), "no remediation 'ehco' (did you mean 'echo'?)"),
    (ONE.format("timeline: [{at: 0s}], attempts: {echo: fxed}"), "unknown value 'fxed' (did you mean 'fixed'?)"),
    (ONE.format("timeline: [{at: 0s}], attempts: {echo: []}"), "attempts.echo: expected at least one entry"),
    (ONE.format("now: 0001-01-01T00:00:00Z, timeline: [{at: 0s}]"), "tests[0].now: a test begins between the years"),
    (ONE.format("now: 9999-12-31T00:00:00Z, timeline: [{at: 0s}]"), "tests[0].now: a test begins between the years"),
    (
        ONE.format("history: [{remediation: echo, labels: {a: b}, ended: 100y}], timeline: [{at: 0s}]"),
        "tests[0].history[0].ended: that is before the year 1970",
    ),
    (NOW.format("fire: {}"), "timeline[0].fire: an alert has at least one label"),
    (NOW.format("decisions: [{decision: rnu}]"), "unknown value 'rnu' (did you mean 'run'?)"),
    (NOW.format("silenced: 'a b'"), "silenced[0]: 'a b' is not a matcher"),
    (NOW.format("notify: no.json"), "no.json cannot be read"),
    (NOW.format("notify: {}"), "this is no version-4 notification"),
    (NOW.format("told: [{to: osp}]"), "unknown notifier 'osp' (did you mean 'ops'?)"),
    (NOW.format("approve: ask"), "no remediation 'ask' (did you mean 'asks'?)"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "remediation.yml").write_text(CONFIGURATION)
    file = tmp_path / "wrong.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        read_script(file)
    assert said in str(wrong.value)
    assert len(wrong.value.problems) == 1, wrong.value
