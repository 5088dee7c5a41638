"""What becomes of one extension's record when the database and the published file disagree.

Pure: a row and a record in, a verdict out. The later change counts. What the database lacks is
kept and marked, never dropped: only a deletion takes a phone out of force.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from registrar.snapshot import Credential

MISSING: Final = "it is missing from the database"
OLDER: Final = "the database holds an older state of it"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the database, rendered; `problem` says why `credential` is None."""

    key: Key
    changed: float
    deleted_at: float | None
    credential: Credential | None
    problem: str = ""
    enabled: bool = True


@dataclass(slots=True)
class Verdict:
    """What to publish. Tombstones from before `cutoff` are forgotten, then their rows purged."""

    cutoff: float
    changes: dict[Key, Credential] = field(default_factory=dict)
    forget: list[Key] = field(default_factory=list)
    purge: list[Key] = field(default_factory=list)
    unpublished: dict[Key, str] = field(default_factory=dict)


def merge(verdict: Verdict, row: Row | None, published: Credential | None) -> None:
    """Adds to the verdict what this one extension needs; one of the two is there."""
    if row is None:
        assert published is not None
        _without_row(verdict, published)
    elif _is_past(row.deleted_at, verdict) and (
        published is None or _is_past(published.deleted, verdict)
    ):
        verdict.purge.append(row.key)
        if published is not None:
            verdict.forget.append(row.key)
    elif published is not None and published.changed > row.changed:
        both_deleted = row.deleted_at is not None and published.deleted is not None
        _keep(verdict, published, "" if both_deleted else OLDER)
    elif row.credential is not None:
        if row.credential != published:
            verdict.changes[row.key] = row.credential
    elif published is not None:
        # What can be read of the row counts: a disabled extension is refused all the same.
        _keep(verdict, published, row.problem, row.enabled)
    else:
        verdict.unpublished[row.key] = row.problem


def _without_row(verdict: Verdict, published: Credential) -> None:
    if published.deleted is None:
        _keep(verdict, published, MISSING)
    elif _is_past(published.deleted, verdict):
        verdict.forget.append(published.key)
    else:
        _keep(verdict, published, "")


def _keep(verdict: Verdict, published: Credential, fault: str, enabled: bool = True) -> None:
    kept = replace(published, fault=fault, enabled=published.enabled and enabled)
    if kept != published:
        verdict.changes[published.key] = kept


def _is_past(moment: float | None, verdict: Verdict) -> bool:
    return moment is not None and moment < verdict.cutoff
