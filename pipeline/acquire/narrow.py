"""``query`` and CQL2 ``filter`` as one condition, which is always checked here again.

A server may ignore what it is asked, or do without these extensions altogether; the result is the
same. A property that an item lacks fits no comparison, as in SQL (OGC 21-065r2, 7.1: a predicate
over NULL is not true).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import cql2

from pipeline.errors import ConfigurationError

_OPERATORS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_PATTERNS = {"startsWith": "{}%", "endsWith": "%{}", "contains": "%{}%"}
_FUNCTIONS = re.compile(
    r"and|or|not|between|in|like|isNull|casei|accenti|div|[sta]_[a-zA-Z]+|[-=<>+*/%^]+"
)
"""What CQL2 itself has (OGC 21-065r2); a server's own functions cannot be checked here."""
_TOP = ("id", "collection", "geometry", "bbox")


@dataclass(frozen=True)
class Narrow:
    """A condition on items; empty lets everything through."""

    parts: tuple[cql2.Expr, ...]  # all of it, for us
    names: frozenset[str]  # properties that it speaks of

    @staticmethod
    def of(query: Mapping[str, Any] | None, filter_: str | Mapping[str, Any] | None) -> Narrow:
        """Read a condition.

        Raises
        ------
        ValueError
            No CQL2, or an operator that the query extension does not have.
        """
        wanted = [_parsed(filter_)] if filter_ else []
        asked = [_parsed(part) for part in _translated(query or {})]
        names = frozenset(n for e in (*wanted, *asked) for n in _named("property", e.to_json()))
        return Narrow((*asked, *wanted), names)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def as_filter(self) -> dict[str, Any]:
        """Give all of it as one CQL2-JSON expression."""
        found = [dict(part.to_json()) for part in self.parts]
        return found[0] if len(found) == 1 else {"op": "and", "args": found}

    def fits(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item meets the condition.

        Raises
        ------
        ConfigurationError
            The condition cannot be judged here, although the item has all that it speaks of.
        """
        properties = item.get("properties")
        if not self.parts or not isinstance(properties, Mapping):
            return True  # a malformed item is set aside by name elsewhere
        return all(self._fits(part, item, properties) for part in self.parts)

    def lacking(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        """Name what the condition speaks of and an item has not."""
        properties = item.get("properties")
        own = properties if isinstance(properties, Mapping) else {}
        return tuple(sorted(n for n in self.names if _value(n, item, own) is None))

    def _fits(
        self, part: cql2.Expr, item: Mapping[str, Any], properties: Mapping[str, Any]
    ) -> bool:
        try:
            return bool(part.matches(dict(item)))
        except Exception as error:  # the library raises bare Exception
            if any(_value(name, item, properties) is None for name in self.names):
                return False
            raise ConfigurationError(
                f"the filter {part.to_text()} cannot be checked here ({error})",
                "Use comparisons, IN, BETWEEN, LIKE, IS NULL, AND, OR and NOT",
            ) from error


def _value(name: str, item: Mapping[str, Any], properties: Mapping[str, Any]) -> Any:
    if name in _TOP:
        return item.get(name)
    return properties.get(name.removeprefix("properties."))


def _parsed(text: str | Mapping[str, Any]) -> cql2.Expr:
    try:
        expr = cql2.Expr(text if isinstance(text, str) else dict(text))
        expr.validate()
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"no CQL2 that can be read: {said}") from error
    strange = sorted({n for n in _named("op", expr.to_json()) if not _FUNCTIONS.fullmatch(n)})
    if strange:
        raise ValueError(f"CQL2 has no function {', '.join(strange)}")
    return expr


def _translated(query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the query extension's conditions as CQL2-JSON, one by one."""
    for name, conditions in query.items():
        if not isinstance(conditions, Mapping) or not conditions:
            raise ValueError(f"query: '{name}' needs an operator, for example {{lt: 20}}")
        for operator, value in cast("Mapping[str, Any]", conditions).items():
            yield _condition({"property": name}, str(operator), value)


def _condition(place: dict[str, str], operator: str, value: Any) -> dict[str, Any]:
    if operator in _OPERATORS:
        return {"op": _OPERATORS[operator], "args": [place, value]}
    if operator == "in":
        return {"op": "in", "args": [place, list(value)]}
    if operator in _PATTERNS:
        return {"op": "like", "args": [place, _PATTERNS[operator].format(value)]}
    known = ", ".join((*_OPERATORS, "in", *_PATTERNS))
    raise ValueError(f"query: '{operator}' is no operator (known: {known})")


def _named(key: str, node: Any) -> Iterator[str]:
    """Walk CQL2-JSON for the operators ("op") or the properties ("property") it names."""
    if isinstance(node, Mapping):
        if isinstance(node.get(key), str):
            yield node[key]
        for value in node.values():
            yield from _named(key, value)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _named(key, value)
