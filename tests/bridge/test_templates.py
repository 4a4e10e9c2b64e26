"""What labels can put into a step, however hostile: one plain, short value, or nothing."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.policy.templates import (
    MAX_VALUE,
    TemplateValueError,
    check_field,
    check_template,
    host_of,
    is_template,
    render,
    render_fields,
)

FILLED = [
    ("plain", {}, "plain"),
    ("{{ labels.host }}", {"host": "web-1"}, "web-1"),
    ("{{ labels['host'] }}", {"host": "web-1"}, "web-1"),
    ("{{ labels.instance | host }}", {"instance": "web-1:9100"}, "web-1"),
    ("{{ labels.host | upper }}/{{ labels.host | lower | replace('e', 'a') }}", {"host": "We"}, "WE/wa"),
    ("{{ labels.env | default('test') }}", {}, "test"),
    ("{% if labels.env == 'prod' %}p{% else %}t{% endif %}", {"env": "prod"}, "p"),
    ("{{ 'yes' if 'host' in labels else 'no' }}", {"host": "x"}, "yes"),
    ("{{ 'yes' if 'host' in labels else 'no' }}", {"host": ""}, "no"),
    ("{{ labels.values }} {{ labels.items }} {{ labels.get }}", {"values": "1", "items": "2", "get": "3"}, "1 2 3"),
    ("{{ labels['_private'] }}", {"_private": "1"}, "1"),
]


@pytest.mark.parametrize(("text", "labels", "value"), FILLED)
def test_a_template_is_filled(text: str, labels: dict[str, str], value: str) -> None:
    check_template(text)
    assert render(text, labels) == value


VERBATIM = [
    "👩\u200d🔧",
    "ab\u200ccd",
    "a'b\"c",
    "$(reboot)",
    "`reboot`",
    "; reboot #",
    "a b",
    "../../etc",
    "%s{0}",
    "é ✓ 漢",
    "&<b>",
]
TEMPLATES_IN_LABELS = ["{{ labels.__class__ }}", "{% include '/etc/passwd' %}", "{{ 7 * 7 }}", "${jndi:ldap://x}"]


@pytest.mark.parametrize("value", VERBATIM + TEMPLATES_IN_LABELS)
def test_a_labels_text_is_never_looked_into(value: str) -> None:
    assert render("<{{ labels.x }}>", {"x": value}) == f"<{value}>"
    assert render_fields({"argv": ["/bin/x", "{{ labels.x }}"]}, {"x": value}) == {"argv": ["/bin/x", value]}


HOSTILE = {
    "NUL": "a\0b",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "escape sequence": "\x1b[2J",
    "C1 control": "a\x9bb",
    "right to left": "a\u202eb",
    "right-to-left mark": "a\u200fb",
    "zero width": "a\u200bb",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028b",
    "half a character": "a\ud800b",
    "64 KiB": "a" * 65536,
    "one too many": "a" * (MAX_VALUE + 1),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_value_that_is_not_plain_and_short_is_refused(value: str) -> None:
    with pytest.raises(TemplateValueError, match="gives") as refused:
        render("{{ labels.x }}", {"x": value})
    assert value not in str(refused.value)


@pytest.mark.parametrize("value", ["-rf", "--help", "-", "--"])
def test_a_field_may_not_become_an_option(value: str) -> None:
    with pytest.raises(TemplateValueError, match="looks like an option"):
        render_fields({"argv": ["/bin/x", "{{ labels.x }}"]}, {"x": value})


@given(st.text(st.characters(codec=None), max_size=40))
def test_whatever_a_label_holds_a_field_is_that_text_or_refused(value: str) -> None:
    try:
        filled = render_fields(["{{ labels.x }}"], {"x": value})
    except TemplateValueError:
        return
    assert filled == [value]
    assert not value.startswith("-")
    unseen = {unicodedata.category(char) for char in value if char not in "\u200c\u200d"}
    assert unseen.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


ESCAPES = [
    "{{ labels.__class__ }}",
    "{{ labels.__class__.__mro__[1].__subclasses__() }}",
    "{{ labels['__class__'] }}",
    "{{ labels._Labels__labels }}",
    "{{ labels.x.__class__ }}",
    "{{ ''.__class__.__base__ }}",
    "{{ labels.x.format.__globals__ }}",
    "{{ '{0.__class__}'.format(labels) }}",
    "{{ labels.__init__.__globals__ }}",
    "{{ labels.__getitem__ }}",
    "{{ labels }}",
    "{% for name in labels %}{{ name }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as x %}",
    "{% extends '/etc/passwd' %}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_a_template_reaches_nothing_but_labels(text: str) -> None:
    with pytest.raises(TemplateValueError, match="cannot be filled"):
        render(text, {"x": "y"})


FAILING = ["{{ labels.absent }}", "{{ 1 / 0 }}", "{{ labels.x + 1 }}", "{{ labels.x | truncate('a') }}"]


@pytest.mark.parametrize("text", FAILING)
def test_a_template_that_fails_is_refused_in_words(text: str) -> None:
    """A decision asks for the host of every alert: nothing that a template does may fail otherwise."""
    check_template(text)
    with pytest.raises(TemplateValueError, match="cannot be filled"):
        render(text, {"x": "y"})


@pytest.mark.parametrize("text", ["{{ labels.empty }}", "/srv/cache/{{ labels.empty }}", "{{ labels.empty | upper }}"])
def test_an_empty_label_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="the alert has no label 'empty'"):
        render(text, {"empty": ""})
    assert render("{{ labels.empty | default('x') }}{{ 'empty' in labels }}", {"empty": ""}) == "xFalse"


def test_a_missing_label_is_named() -> None:
    with pytest.raises(TemplateValueError, match="the alert has no label 'host'"):
        render("{{ labels.host }}", {"instance": "x"})


UNUSABLE = [
    ("{{ labels.x", "is no template: unexpected end of template"),
    ("{{ labels.x }", "is no template: unexpected '}'"),
    ("{% for %}", "is no template: "),
    ("{{ labels.x | nosuch }}", "is no template: No filter named 'nosuch'."),
    ("{{ labels.x | attr('y') }}", "is no template: No filter named 'attr'."),
    ("{{ label.x }}", "asks for 'label', which is not there (did you mean 'labels'?)"),
    ("{{ range(9) }}", "asks for 'range', which is not there (known: labels)"),
    ("{{ " + "(" * 3000 + ")" * 3000 + " }}", "is no template: "),
]


@pytest.mark.parametrize(("text", "why"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_what_can_never_be_filled_is_refused_at_load(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"template|asks for") as refused:
        check_template(text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_field_that_would_always_look_like_an_option_is_refused_at_load() -> None:
    check_field("{{ labels.x }}")
    check_field("--plain")
    with pytest.raises(ValueError, match="give option and value as two elements"):
        check_field("--host={{ labels.x }}")


@pytest.mark.parametrize("value", [None, 5, True, ["{{ x }}"], "plain", "{ x }"])
def test_what_is_no_template_stays_what_it_is(value: Any) -> None:
    assert not is_template(value)


def test_fields_are_filled_at_any_depth() -> None:
    fields = {"a": ["{{ labels.x }}", {"b": "{{ labels.x }}"}], "n": 5, "none": None}
    assert render_fields(fields, {"x": "1"}) == {"a": ["1", {"b": "1"}], "n": 5, "none": None}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("web-1:9100", "web-1"),
        ("web-1", "web-1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]:9100", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("2001:db8::9100", "2001:db8::9100"),
        ("web-1:", "web-1:"),
        ("http://web-1:80", "http://web-1:80"),
        (":9100", ""),
        ("", ""),
    ],
)
def test_the_port_is_cut_from_an_address(address: str, host: str) -> None:
    assert host_of(address) == host


NAMES = st.sampled_from(["x", "values", "items", "if", "none", "loop", "self", "__class__", "_x", "x1", "a_b"])


def filled(text: str, labels: dict[str, str]) -> str:
    try:
        return render(text, labels)
    except TemplateValueError as error:
        return str(error)


@given(NAMES, st.dictionaries(NAMES, st.sampled_from(["", "1", " ", "a\nb", "{{ labels.x }}", "x" * 2000])))
def test_one_label_alone_is_filled_as_jinja_would(name: str, labels: dict[str, str]) -> None:
    for spaces in ("", " ", "\n", "\u3000"):
        only = f"{{{{{spaces}labels.{name}{spaces}}}}}"
        assert filled(only, labels) == filled(f"{only}{{# #}}", labels).replace("{# #}", "")
