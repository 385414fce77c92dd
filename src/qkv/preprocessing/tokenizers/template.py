"""Chat templates in a sandbox: Jinja without files, code, private attributes or endless work. The only door to jinja2.

What is special: before a template is compiled its syntax tree is changed so that every loop, macro, comparison and `~`
charges a budget (template_limits.py); calls, operators, filters and output do so through the environment's hooks. Time
and memory are bounded whatever the template is. Jinja2's own filters for web pages are not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from . import template_functions as functions
from . import template_limits as limits
from .template_files import MAX_TEMPLATE
from .template_limits import LimitError, Run, charge, consume, consumed, joined

MAX_TOKENS = 30_000  # the largest published templates have some 6,000
LEFT_OUT = ("filesizeformat", "forceescape", "pprint", "striptags", "urlencode", "urlize", "wordwrap", "xmlattr")
EQUALITY = {"eq", "ne", "lt", "lteq", "gt", "gteq"}
CHARGING = (charge, consumed, joined)
OF_JINJA = ("_loop_vars", "_block_vars", "caller")  # arguments it adds to calls


class ChatTemplateError(TemplateError, ValueError):
    """A chat template that cannot be rendered; the message names its line."""


def render(text: str, variables: Mapping[str, Any]) -> tuple[str, list[tuple[int, int]]]:
    """The text a template makes, and the spans of characters inside its `{% generation %}` blocks.

    variables: plain data (see chat.py); the larger it is, the more work is allowed.
    Raises ChatTemplateError, a ValueError and a jinja2.TemplateError: not a template, an error while it runs, its own
    `raise_exception`, an access the sandbox refuses, or more work or output than allowed.
    """
    run = Run()
    run.left += limits.PER_INPUT * limits.weight(variables, limits.MAX_OUTPUT)
    token = limits.current.set(run)
    try:
        return "".join([run.wrote(part) for part in _compiled(text).generate(variables)]), run.spans
    except Exception as error:  # a template may raise anything
        raise ChatTemplateError(_explained(error)) from error
    finally:
        limits.current.reset(token)


def _explained(error: Exception) -> str:
    line, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    reason = "it calls itself too deeply" if isinstance(error, RecursionError) else getattr(error, "message", None)
    reason = (reason or str(error) or type(error).__name__)[:300]
    return f"Chat template, line {line}: {reason}" if line else f"Chat template: {reason}"


@lru_cache(maxsize=32)
def _compiled(text: str) -> Template:
    if len(text.encode("utf-8", "replace")) > MAX_TEMPLATE:
        raise LimitError(f"it is longer than {MAX_TEMPLATE} bytes")
    sandbox = _sandbox()
    tree = _Charging().visit(sandbox.parse(text))
    return Template.from_code(sandbox, sandbox.compile(tree), sandbox.make_globals(None))


@lru_cache(maxsize=1)
def _sandbox() -> _Sandbox:
    sandbox = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=[_Generation, loopcontrols], finalize=_shown
    )
    sandbox.filters["tojson"] = functions.tojson
    for name in LEFT_OUT:
        del sandbox.filters[name]
    sandbox.filters.update({name: limits.metered(name, function) for name, function in sandbox.filters.items()})
    sandbox.tests.update({name: limits.reading(name, function) for name, function in sandbox.tests.items()})
    del sandbox.globals["lipsum"]
    sandbox.globals.update(functions.GLOBALS, namespace=_Namespace)
    return sandbox


class _Sandbox(ImmutableSandboxedEnvironment):
    """The hooks through which compiled templates act."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    charge, consumed, joined = staticmethod(charge), staticmethod(consumed), staticmethod(joined)  # see _Charging

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        if __obj in CHARGING:
            return __obj(*args)
        charge(limits.STEP)
        if not isinstance(__obj, (Macro, LoopContext)):
            args = tuple(map(limits.listed, args))
            limits.call(__obj, args, {name: value for name, value in kwargs.items() if name not in OF_JINJA})
        result = super().call(__context, __obj, *args, **kwargs)
        charge(limits.size(result))
        return result

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        limits.operate(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if not isinstance(argument, (str, int, slice)):
            consume(argument)  # to be hashed, or quoted in an error
        result = super().getitem(obj, argument)
        if isinstance(argument, slice):
            charge(limits.size(result))
        return result

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and limits.allowed(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        if super().wrap_str_format(value) is None:
            return None
        text, by_name = value.__self__, value.__name__ == "format_map"
        if isinstance(text, Markup):
            raise SecurityError("`format` of text marked as safe")

        def formatted(*args: Any, **kwargs: Any) -> str:
            return _Formatter(self).vformat(text, () if by_name else args, args[0] if by_name else kwargs)

        return formatted


class _Formatter(SandboxedFormatter):
    """`str.format` for names and positions alone, each field charged for."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        if "." in field_name or "[" in field_name:
            raise SecurityError(f"a format string may not look into its arguments, as {field_name[:40]!r} does")
        found = super().get_field(field_name, args, kwargs)
        consume(found[0])
        return found

    def format_field(self, value: Any, format_spec: str) -> str:
        charge(sum(map(int, re.findall(r"\d+", format_spec))))
        return super().format_field(value, format_spec)


class _Charging(NodeTransformer):
    """Puts charges where the environment has no hook, and refuses tags that chats do not need."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        charging = self._charge(node.body)
        if node.test is not None:
            node.test = nodes.And(self._charge([node.test]), node.test)
        return self._charged(node, charging)

    def visit_Macro(self, node: Any) -> nodes.Node:
        return self._charged(node, self._charge(node.body))

    visit_Block = visit_CallBlock = visit_Macro

    def _charge(self, body: list[Any]) -> nodes.Call:
        every = [node for part in body for node in (part, *part.find_all(nodes.Node))]
        literal = sum(len(node.data) for node in every if isinstance(node, nodes.TemplateData))
        return _call("charge", [nodes.Const(limits.STEP * len(every) + literal)], body[0].lineno if body else 0)

    def _charged(self, node: Any, charging: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(charging, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call("joined", node.nodes, node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        sides = [node, *node.ops]
        bounded = any(isinstance(side.expr, nodes.Const) for side in sides)
        if not (bounded and EQUALITY.issuperset(one.op for one in node.ops)):
            for side in sides:
                side.expr = self._read(side.expr)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key = self._read(node.key)
        return node

    def _read(self, node: Any) -> nodes.Expr:
        return node if isinstance(node, nodes.Const) else _call("consumed", [node], node.lineno)

    def visit_Include(self, node: Any) -> nodes.Node:
        raise TemplateSyntaxError(f"{type(node).__name__} is not for chat templates, which are one text", node.lineno)

    visit_Extends = visit_Import = visit_FromImport = visit_ScopedEvalContextModifier = visit_Include


def _call(name: str, arguments: list[Any], line: int) -> nodes.Call:
    function = nodes.EnvironmentAttribute(name)
    return nodes.Call(function, arguments, [], None, None, lineno=line)


class _Generation(Extension):
    """`{% generation %}` ... `{% endgeneration %}`: what the assistant said, to be found again in the text."""

    tags = {"generation"}

    def filter_stream(self, stream: Any) -> Any:
        for count, token in enumerate(stream):
            if count > MAX_TOKENS:
                raise TemplateSyntaxError(f"the template has more than {MAX_TOKENS} tokens", token.lineno)
            yield token

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("mark"), [], [], body, lineno=line)

    def mark(self, caller: Any) -> str:
        run, text = limits.current.get(), caller()
        run.spans.append((run.written, run.written + len(text)))
        return text


class _Namespace(Namespace):
    """`namespace()` without private names, and without a repr that shows what it holds."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # `self` may be a name it holds
        Namespace.__init__(args[0])
        for name, value in dict(*args[1:], **kwargs).items():
            args[0][name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if str(name).startswith("_"):
            raise SecurityError(f"a namespace holds no private names such as {name[:40]!r}")
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"


@pass_context
def _shown(context: Any, value: Any) -> Any:
    return consumed(value)
