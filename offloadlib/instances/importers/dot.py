"""Task graphs in Graphviz' DOT language, as daggen and metarl-offloading write them.

Nodes are tasks, ``a -> b`` is an arc, and attributes (``[size="123"]``) say their amounts; which ones,
options decide. daggen's ``size`` of a node is a number of operations, its ``size`` of an arc a number of
bytes (github.com/frs69wq/daggen); metarl-offloading (github.com/linkpark/metarl-offloading) adds
``expect_size``, what a task sends back, and takes ``size`` of a node to be bytes, in proportion to which it
takes time.

All of the language is read that a directed graph needs: comments, quoted and joined strings, HTML strings,
ports, chains of arcs, subgraphs as ends of arcs, default attributes. A node that is named twice has the
attributes of both; an arc that is listed twice is one (about a quarter of metarl-offloading's files do that).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError, Problem, shown
from .report import text_of
from .setting import DotSetting
from .task_graph import MBIT, Element, TaskGraph, amount_of, assembled

_DEEPEST = 50
"""Levels of subgraphs within each other."""

_MOST_ARCS = 1_000_000
"""Arcs of one statement between all nodes of two subgraphs."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|^\#[^\n]*)
      | (?P<arrow>->|--)
      | (?P<mark>[{}\[\]=;,:+])
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<name>[^\W\d]\w*|-?(?:\.\d+|\d+(?:\.\d*)?)(?![\w.]))""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def _tokens(text: str, path: str | Path) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        if text[at] == "<":
            end = _html(text, at)
            kind, content = "name", text[at:end]
        else:
            found = _TOKEN.match(text, at)
            end = found.end() if found else 0
            kind, content = (found.lastgroup or "", found.group()) if found else ("", "")
        if not end:
            what = "a string that does not end" if text[at] in '"<' else shown(text[at])
            raise InputError(path, [(f"line {line}", f"cannot be read from {what} on")])
        if kind == "quoted":
            kind, content = "string", re.sub(r'\\(["\n])', lambda match: match[1].strip(), content[1:-1])
        if kind != "space":
            yield _Token(kind, content, line)
        line += text.count("\n", at, end)
        at = end


def _html(text: str, start: int) -> int:
    """Where an HTML string ends; 0: nowhere."""
    depth = 0
    for match in re.compile("[<>]").finditer(text, start):
        depth += 1 if match.group() == "<" else -1
        if depth == 0:
            return match.end()
    return 0


@dataclass
class _Node:
    line: int
    attributes: dict[str, tuple[str, int]]


@dataclass
class _Scope:
    """Default attributes of nodes and arcs, and the nodes of a subgraph."""

    node: dict[str, tuple[str, int]] = field(default_factory=dict)
    edge: dict[str, tuple[str, int]] = field(default_factory=dict)
    members: dict[str, None] = field(default_factory=dict)


class _Parser:
    """Recursive descent over the grammar at graphviz.org/doc/info/lang.html."""

    def __init__(self, text: str, path: str | Path) -> None:
        self.path = path
        self.tokens = [*_tokens(text, path)]
        self.tokens.append(_Token("end", "the end of the file", text.count("\n") + 1))
        self.at = 0
        self.depth = 0
        self.nodes: dict[str, _Node] = {}
        self.stated: dict[str, int] = {}
        self.arcs: list[tuple[str, str, int, dict[str, tuple[str, int]]]] = []
        self.named: dict[str, dict[str, None]] = {}

    def graph(self) -> None:
        if self._word("strict"):
            self.at += 1
        kind = self._peek()
        if not self._word("digraph"):
            what = (
                "is an undirected graph" if self._word("graph") else "is no graph: begins with " + _said(kind)
            )
            raise InputError(self.path, [(f"line {kind.line}", f"{what}, not with digraph")])
        self.at += 1
        if self._peek().kind in ("name", "string"):
            self._name()
        self._expect("{")
        self._statements(_Scope())
        if self._peek().kind != "end":
            self._fail("nothing may follow the graph")

    def ordered(self) -> dict[str, _Node]:
        """The nodes: those with a statement of their own in the order of these, then the others as named."""
        stated = {name: _Node(line, self.nodes[name].attributes) for name, line in self.stated.items()}
        return stated | {name: node for name, node in self.nodes.items() if name not in stated}

    def _statements(self, scope: _Scope) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            self._fail("subgraphs are nested too deeply")
        while not self._mark("}"):
            if self._peek().kind == "end":
                self._fail("} is expected")
            if not self._mark(";"):
                self._statement(scope)
        self.depth -= 1

    def _statement(self, scope: _Scope) -> None:
        token = self._peek()
        for word in ("graph", "node", "edge"):
            if self._word(word):
                self.at += 1
                given = self._attributes()
                if word != "graph":
                    getattr(scope, word).update(given)
                return
        if token.kind in ("name", "string") and self.tokens[self.at + 1][:2] == ("mark", "="):
            self.at += 2  # an attribute of the graph
            self._name()
            return
        of_a_node = not self._subgraph_follows
        ends = [self._end(scope)]
        while self._peek().kind == "arrow":
            arrow = self._next()
            if arrow.text == "--":
                self._fail("an arc of a directed graph is written ->", arrow)
            ends.append(self._end(scope))
        given = self._attributes()
        if len(ends) == 1:
            if of_a_node:
                name = ends[0][0]
                self.nodes[name].attributes.update(given)
                self.stated.setdefault(name, token.line)
            return
        for before, after in pairwise(ends):
            if len(before) * len(after) > _MOST_ARCS:
                self._fail(f"a statement may stand for at most {_MOST_ARCS:,} arcs", token)
            self.arcs += [(j, k, token.line, {**scope.edge, **given}) for j in before for k in after]

    def _end(self, scope: _Scope) -> list[str]:
        """What stands at one end of an arc, or alone: a node, or all nodes of a subgraph."""
        if self._subgraph_follows:
            inner = _Scope(dict(scope.node), dict(scope.edge))
            name = None
            if self._word("subgraph"):
                self.at += 1
                if self._peek().kind in ("name", "string"):
                    name = self._name().text
            if name is not None and not self._at("{"):
                return list(self.named.get(name, {}))
            self._expect("{")
            self._statements(inner)
            if name is not None:
                inner.members = self.named.setdefault(name, {}) | inner.members
                self.named[name] = inner.members
            scope.members |= inner.members
            return list(inner.members)
        token = self._name()
        for _ in range(2):  # a port, and a side of it
            if self._mark(":"):
                self._name()
        if token.text not in self.nodes:
            self.nodes[token.text] = _Node(token.line, dict(scope.node))
        scope.members[token.text] = None
        return [token.text]

    @property
    def _subgraph_follows(self) -> bool:
        return self._word("subgraph") or self._at("{")

    def _attributes(self) -> dict[str, tuple[str, int]]:
        found: dict[str, tuple[str, int]] = {}
        while self._mark("["):
            while not self._mark("]"):
                key = self._name()
                value = self._name().text if self._mark("=") else "true"
                found[key.text] = (value, key.line)
                if not self._mark(","):
                    self._mark(";")
        return found

    def _peek(self) -> _Token:
        return self.tokens[self.at]

    def _next(self) -> _Token:
        token = self._peek()
        self.at += 1
        return token

    def _word(self, word: str) -> bool:
        token = self._peek()
        return token.kind == "name" and token.text.lower() == word

    def _mark(self, mark: str) -> bool:
        """Step over a mark, if it is the next token."""
        found = self._at(mark)
        self.at += found
        return found

    def _at(self, mark: str) -> bool:
        return self._peek().kind == "mark" and self._peek().text == mark

    def _expect(self, mark: str) -> None:
        if not self._mark(mark):
            self._fail(f"{mark} is expected")

    def _name(self) -> _Token:
        token = self._peek()
        if token.kind not in ("name", "string"):
            self._fail("a name is expected")
        self.at += 1
        text = token.text
        while token.kind == "string" and self._mark("+"):
            text += self._name().text
        return token._replace(text=text)

    def _fail(self, what: str, token: _Token | None = None) -> None:
        token = token or self._peek()
        raise InputError(self.path, [(f"line {token.line}", f"{what}, not {_said(token)}")])


def _said(token: _Token) -> str:
    return token.text if token.kind == "end" else shown(token.text)


def read_dot(content: bytes, path: str | Path, name: str, setting: DotSetting) -> TaskGraph:
    """Read one graph."""
    parser = _Parser(text_of(content, path), path)
    parser.graph()
    problems: list[Problem] = []
    tasks = {
        node: Element(
            f"line {item.line}, node {shown(node)}",
            _amounts(
                item.attributes,
                work=(setting.work_attribute, 1.0),
                input=(setting.input_attribute, MBIT),
                output=(setting.output_attribute, MBIT),
                problems=problems,
            ),
        )
        for node, item in parser.ordered().items()
    }
    if "" in tasks:
        problems.append((tasks[""].where, "the name of a node must not be empty"))
    arcs = [
        (
            j,
            k,
            Element(
                f"line {line}, arc {shown(j)} -> {shown(k)}",
                _amounts(given, data=(setting.data_attribute, MBIT), problems=problems),
            ),
        )
        for j, k, line, given in parser.arcs
    ]
    usual = DotSetting()
    asked = {
        key: wanted
        for key in ("work", "data", "input", "output")
        if (wanted := getattr(setting, f"{key}_attribute")) not in (None, getattr(usual, f"{key}_attribute"))
    }
    graph, more = assembled(name, tasks, arcs, asked=asked)
    if graph is None or problems:
        raise InputError(path, [*problems, *more])
    return graph


def _amounts(
    given: dict[str, tuple[str, int]], problems: list[Problem], **wanted: tuple[str | None, float]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, (attribute, unit) in wanted.items():
        if attribute is not None and attribute in given:
            text, line = given[attribute]
            found[key] = amount_of(text, attribute, f"line {line}", problems) * unit
    return found
