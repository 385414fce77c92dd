"""Hostile chat templates: what would reach Python's internals, and what would take all time or memory."""

import threading

import jinja2
import pytest

from qkv.preprocessing.tokenizers.template import ChatTemplateError, render
from qkv.preprocessing.tokenizers.template_files import MAX_TEMPLATE

MESSAGES = {"messages": [{"role": "user", "content": "Hi"}], "tools": None, "bos_token": "<s>"}


def made(template, **variables):
    return render(template, {**MESSAGES, **variables})[0]


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ()|attr('__cl' ~ 'ass__') }}",
    "{{ [messages]|map(attribute='__class__')|list }}",
    "{{ [messages]|map('attr', '__class__')|list }}",
    "{{ messages|groupby('__class__') }}",
    "{{ messages|selectattr('__class__')|list }}",
    "{{ messages|sort(attribute='__class__') }}",
    "{{ messages|sum(attribute='__len__') }}",
    "{{ '{0.__class__}'.format(messages) }}",
    "{{ '{0[__class__]}'.format(messages) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ ('{0.__class__}'|attr('format'))(1) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "{{ ['{0.__class__}']|map('format', 1)|list }}{{ '{.real}'.format(1) }}",
    "{{ ('{0.__class__}'|safe).format(1) }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ namespace.mro() }}",
    "{{ cycler.mro() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ raise_exception.__globals__ }}",
    "{{ strftime_now.__code__ }}",
    "{{ tojson.__globals__ }}",
    "{{ dict.__base__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ request.application.__globals__ }}",
    "{{ config.items() }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}{{ m._environment }}",
    "{{ loop.__class__ }}",
    "{% for m in messages %}{{ loop._iterator }}{{ loop.__init__ }}{% endfor %}",
    "{{ (messages|map('upper')).gi_frame }}",
    "{{ (messages|map('upper')).gi_code.co_consts }}",
    "{% set ns = namespace(__class__=1) %}{{ ns.__class__ }}",
    "{% set ns = namespace() %}{% set ns.__class__ = 1 %}{{ ns.__class__ }}",
    "{% set ns = namespace({'_Namespace__attrs': 1}) %}{{ ns._Namespace__attrs }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import popen %}",
    "{% extends '/etc/passwd' %}",
    "{{ messages.append(1) }}",
    "{{ messages.clear() }}",
    "{{ messages[0].update(role='x') }}",
    "{{ messages[0].pop('role') }}",
    "{{ messages[0].__setitem__('role', 1) }}",
    "{{ ''.encode() }}{{ ''.translate({}) }}",
    "{{ (1).to_bytes(4, 'big') }}",
    "{{ messages|xmlattr }}{{ ''|urlize }}",
    "{% autoescape true %}{{ '<' }}{% endautoescape %}",
    "{{ messages[0].items.__self__ }}",
    "{{ messages|attr('append')(1) }}",
    "{{ environment }}{{ context }}{{ __builtins__ }}{{ __import__('os') }}",
]
SECRETS = ("class", "<function", "built-in", "<bound", "<code", "<frame", "object at", "subprocess", "globals", "root:")


@pytest.mark.parametrize("template", ESCAPES)
def test_an_escape_raises_or_gives_nothing(template):
    given = {"messages": [{"role": "user", "content": "Hi"}]}
    try:
        text = render(template, given)[0]
    except ChatTemplateError as error:
        assert len(str(error)) < 400
    else:
        assert not any(secret in text for secret in SECRETS), text
    assert given == {"messages": [{"role": "user", "content": "Hi"}]}


DOUBLED = (
    "{% set ns = namespace(a=START, b=START) %}{% for i in range(70) %}{% set ns.a = STEP %}{% set ns.b = STEP_B %}"
)


def doubled(start, step, then):
    text = DOUBLED.replace("START", start).replace("STEP_B", step.replace("ns.a", "ns.b")).replace("STEP", step)
    return text + "{% endfor %}" + then


LISTS = ("['x']", "[ns.a, ns.a]")
TUPLES = ("('x',)", "(ns.a, ns.a)")
BOMBS = [
    "{% for a in range(999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
    "{% for x in [1, 1] recursive %}{% if loop.depth < 60 %}{{ loop([1, 1]) }}{% endif %}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(70) }}",
    "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "{% for a in range(99999) %}" + "{% if x %}{% endif %}" * 4000 + "{% endfor %}",
    "{% for a in range(99999) %}" + "y" * 200_000 + "{% endfor %}",
    "{% set x %}{% for a in range(99999) %}" + "y" * 200_000 + "{% endfor %}{% endset %}",
    "{% macro m() %}"
    + "y" * 200_000
    + "{% endmacro %}{% set x %}{% for i in range(99999) %}{{ m() }}{% endfor %}{% endset %}",
    "{{ 'a' * 10**10 }}",
    "{{ 10**10 * 'a' }}",
    "{{ [1] * 10**10 }}",
    "{{ 'a' * 16777217 }}",
    "{{ ('a' * 10**6) * 10**6 }}",
    "{{ range(10**9)|list }}",
    "{{ range(99999)|list * 99999 }}",
    "{{ 10 ** 10000000 }}",
    "{{ (2 ** 1000) ** 1000 }}",
    "{{ 0x" + "f" * 100_000 + " % 7 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000d'|format(1) }}",
    "{{ '%.1000000000f'|format(1) }}",
    "{{ '%*d' % (10**9, 1) }}",
    "{{ '%(x)1000000000d' % {'x': 1} }}",
    "{{ '%(x)s' * 10**6 % {'x': 'y' * 10**6} }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '{:{w}}'.format(1, w=10**9) }}",
    "{{ ('{0}' * 10**5).format('y' * 10**6) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ 'a'|center(width=1000000000) }}",
    "{{ 'a'.ljust(10**9) }}{{ 'a'.rjust(10**9) }}",
    "{{ 'a'.zfill(10**9) }}",
    "{{ '\t'.expandtabs(10**9) }}",
    "{{ ('\t' * 10**5).expandtabs(tabsize=10**5) }}",
    "{{ ('a' * 10**6).replace('a', 'b' * 1000) }}",
    "{{ ('a' * 10**6)|replace('a', 'b' * 1000) }}",
    "{{ ('a' * 10**6)|replace(new='b' * 1000, old='a') }}",
    "{{ ('a' * 10**6).replace('', 'b' * 1000) }}",
    "{{ ('b' * 10**6).join('a' * 10**6) }}",
    "{{ (['a'] * 10**5)|join('b' * 10**5) }}",
    "{{ ''.join((['a' * 10**6] * 10**5)|map('default')) }}",
    "{{ 'a\n'|indent(10**9) }}",
    "{{ ('a\n' * 10**5)|indent('x' * 10**5) }}",
    "{{ lipsum(10**7) }}",
    "{{ [1]|batch(10**9, 'x')|list }}",
    "{{ [1]|slice(10**9)|list }}",
    "{{ 1|round(-1000000000) }}",
    "{{ 1|round(1000000000, 'ceil') }}",
    "{{ [1]|tojson(indent=10**9) }}",
    "{{ [1, 2]|tojson(indent='x' * 10**6) }}",
    "{{ (['a'] * 10**5)|tojson(separators=('x' * 10**6, ':')) }}",
    "{{ ([[1]] * 99999)|sum(start=[])|length }}",
    "{{ strftime_now('%c' * 10**6) }}",
    "{{ range(0, (2**61 - 1) * 99999, 2**61 - 1)|unique|list }}",
    "{{ range(99999)" + "|map('string')" * 700 + "|list|length }}",
    "{% for a in range(99999) %}{{ 0.5 in range(99999) }}{% endfor %}",
    "{% for a in range(99999) %}{{ messages[::-1][0] ~ 'a' * 10000 }}{% endfor %}",
    "{% set ns = namespace(x='a ' * 10**5) %}{% for i in range(9999) %}{% set ns.x = ns.x|title %}{% endfor %}",
    doubled("'xx'", "ns.a ~ ns.a", ""),
    doubled("'xx'", "ns.a + ns.a", ""),
    doubled("[1]", "ns.a + ns.a", ""),
    doubled("3", "ns.a * ns.a", ""),
    doubled(*LISTS, "{{ ns.a }}"),
    doubled(*LISTS, "{{ ns.a|string }}"),
    doubled(*LISTS, "{{ ns.a|tojson }}"),
    doubled(*LISTS, "{{ ns.a ~ '' }}"),
    doubled(*LISTS, "{{ '%s' % ns.a }}"),
    doubled(*LISTS, "{{ '%s' % [ns.a] }}"),
    doubled(*LISTS, "{{ '{}'.format(ns.a) }}"),
    doubled(*LISTS, "{{ ns.a == ns.b }}"),
    doubled(*LISTS, "{{ ns.a in [ns.b] }}"),
    doubled(*LISTS, "{{ [ns.a] is eq([ns.b]) }}"),
    doubled(*LISTS, "{{ ns.a is lower }}"),
    doubled(*LISTS, "{{ [ns.a].index(ns.b) }}"),
    doubled(*LISTS, "{{ [ns.a, ns.b]|max }}"),
    doubled(*LISTS, "{{ ''.join([ns.a]|map('string')) }}"),
    doubled(*LISTS, "{% for i in [1, 2] %}{{ loop.changed(ns.a if i == 1 else ns.b) }}{% endfor %}"),
    doubled(*TUPLES, "{{ {ns.a: 1} }}"),
    doubled(*TUPLES, "{{ {}[ns.a] }}"),
    doubled(*TUPLES, "{{ {}.get(ns.a) }}"),
    doubled(*TUPLES, "{{ [ns.a]|unique|list }}"),
    doubled(*TUPLES, "{{ dict.fromkeys([ns.a]) }}"),
    doubled(*TUPLES, "{{ namespace([[ns.a, 1]]) }}"),
    doubled(*TUPLES, "{{ [1]|map(ns.a)|list }}"),
    doubled(*TUPLES, "{{ [1]|map(attribute=ns.a)|list }}"),
    doubled(*TUPLES, "{{ [1]|select(ns.a)|list }}"),
    doubled(*TUPLES, "{{ 1 is filter(ns.a) }}{{ ns.a is filter }}"),
    doubled(*LISTS, "{{ {}[ns.a].x }}"),
    doubled(*LISTS, "{{ 1|attr(ns.a) }}"),
    doubled(*LISTS, "{{ raise_exception(ns.a) }}"),
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "+".join("1" * 50_000) + " }}",
    "{{ " + "not " * 50_000 + "1 }}",
    "{{ x" + ".a" * 60_000 + " }}",
    "{% if x %}" * 2000 + "{% endif %}" * 2000,
    "{% if 1 %}" + "{% elif 2 %}" * 9000 + "{% endif %}",
    "{{ x }}" * 37_000,
    "a" * (MAX_TEMPLATE + 1),
]


@pytest.mark.parametrize("template", BOMBS, ids=lambda template: template[-60:])
def test_a_bomb_is_stopped(template):
    with pytest.raises(ChatTemplateError) as caught:
        made(template)
    assert len(str(caught.value)) < 400


def test_the_namespace_of_doubled_lists_is_not_written_out():
    assert made(doubled(*LISTS, "{{ ns }}")) == "<Namespace>"


def test_an_error_names_the_line_and_is_of_both_kinds():
    template = "a\n{% for m in messages %}\n{{ m.role.nothing.at_all }}\n{% endfor %}"
    with pytest.raises(ValueError, match="line 3: .*nothing") as caught:
        made(template)
    assert isinstance(caught.value, jinja2.TemplateError)
    with pytest.raises(ValueError, match="line 2: .*endfor"):
        made("a\n{% for m in messages %}b")
    with pytest.raises(ValueError, match="line 2: Only two roles"):
        made("a\n{{ raise_exception('Only two roles') }}")
    with pytest.raises(ValueError, match="line 2: Include"):
        made("a\n{% include 'b' %}")
    with pytest.raises(ValueError) as caught:
        made("{{ raise_exception('x' * 5000) }}")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "template, expected",
    [
        ("{{ range(3)|list }}{{ 2 ** 10 }}{{ 'ab' * 3 }}", "[0, 1, 2]1024ababab"),
        ("{{ '%3d|%-4s' % (7, 'x') }}{{ '%s' | format('a') }}{{ '100% * 2' }}", "  7|x   a100% * 2"),
        ("{{ '{0} {x:>4} {0!r}'.format('a', x=1) }}{{ '{y}'.format_map({'y': 2}) }}", "a    1 'a'2"),
        ("{% for i in range(9) if i != 2 %}{% if i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "013"),
        ("{{ {'a': '<é>'}|tojson }}{{ 'é'|tojson(ensure_ascii=true) }}", '{"a": "<é>"}"\\u00e9"'),
        ("{{ dict.fromkeys('ab', 1) }}{{ dict(a=2).items()|list }}", "{'a': 1, 'b': 1}[('a', 2)]"),
        ("{{ strftime_now('%Y')|length }}{{ [3, 1]|sort|join('<'|safe) }}", "41<3"),
        ("{{ 'a\nb'|indent }}{{ 'aXbX'.replace('X', '--', 1) }}{{ 'a'.center(3) }}", "a\n    ba--bX a "),
        ("{{ messages|selectattr('role', 'in', ['user'])|map(attribute='content')|first }}", "Hi"),
        ("{{ nothing }}{{ nothing is defined }}{{ nothing|default('x') }}{{ nothing == 'a' }}", "FalsexFalse"),
    ],
)
def test_what_chats_need_is_allowed(template, expected):
    assert made(template) == expected


def test_long_conversations_are_rendered():
    template = """{% set ns = namespace(last=messages|length - 1) %}
{% for message in messages[::-1] %}{% if message.role == 'user' and not message.content.startswith('<tool>') %}
{% set ns.last = messages|length - 1 - loop.index0 %}{% endif %}{% endfor %}
{% for m in messages %}{{ '<|' + m.role + '|>' + m['content'].split('</think>')[-1].lstrip('\n')|trim + '\n' }}
{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}.{% endif %}{% endfor %}"""
    many = [{"role": "user", "content": "word " * 20}] * 20_000
    assert made(template, messages=many).count("word") == 400_000
    large = [{"role": "user", "content": "word " * 400_000}] * 5
    assert made(template, messages=large).count("word") == 2_000_000
    with pytest.raises(ValueError, match="writes more than 16777216 characters"):
        made("{% for m in messages %}{{ m.content }}{% endfor %}", messages=large * 2)


def test_threads_do_not_share_budgets_or_spans():
    template = "{% for m in messages %}{{ m }}{% generation %}{{ m * 2 }}{% endgeneration %}{% endfor %}"
    found = {}

    def work(number):
        for _ in range(30):
            text, spans = render(template, {"messages": ["x" * number] * 40})
            found.setdefault(number, set()).add((text, tuple(spans)))
            with pytest.raises(ChatTemplateError):
                render("{{ 'a' * 10**9 }}", {})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(1, 9):
        starts = range(0, 40 * 3 * number, 3 * number)
        spans = tuple((start + number, start + 3 * number) for start in starts)
        assert found[number] == {("x" * 120 * number, spans)}
