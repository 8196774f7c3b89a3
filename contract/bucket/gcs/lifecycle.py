"""The bucket's rules of age: which rule is ours, and whether it is there already. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Rule = Mapping[str, Any]
"""One lifecycle rule as the JSON API spells it (https://cloud.google.com/storage/docs/lifecycle)."""


def deletion_rule(prefix: str, days: int) -> Rule:
    """The rule that removes what lies below `prefix` once it is `days` old."""
    return {"action": {"type": "Delete"}, "condition": {"age": days, "matchesPrefix": [prefix]}}


def with_rule(rules: Sequence[Rule], rule: Rule) -> list[Rule] | None:
    """All of `rules` and `rule` behind them; None if it is among them already.

    A rule of ours with another age, from an earlier release, stays too: whoever set it may
    have meant it, and the shorter age wins.
    """
    if any(dict(found) == dict(rule) for found in rules):
        return None
    return [*rules, rule]
