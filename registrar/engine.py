"""Message in, messages out: joins parser, transactions, configuration and stores.

A call never yields to another greenlet, so it is atomic and needs no lock. Of what
receive() returns, what awaits a commit must not be sent before it has succeeded: a phone is told
only what is durable.
"""

from collections import Counter
from dataclasses import dataclass

from registrar.context import Context, Services, Source
from registrar.location.journal import Journal
from registrar.script.compiler import Program
from registrar.sip import transaction
from registrar.sip.errors import ParseError
from registrar.sip.message import BadMessage, Response, parse
from registrar.sip.transaction import ServerTransactions


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes for an address, by the socket that the request came in by. `awaits_commit`: it says
    what only a commit makes true."""

    data: bytes
    destination: tuple[str, int]
    awaits_commit: bool = False


class Engine:
    """`program` may be swapped between two calls of receive()."""

    def __init__(self, program: Program, services: Services, journal: Journal) -> None:
        self.program = program
        self.services = services
        self.journal = journal
        self.transactions = ServerTransactions()
        self.statistics: Counter[str] = Counter()
        self._uncommitted: list[transaction.Key] = []
        self._trouble = ""

    def receive(self, data: bytes, source: Source, now: float) -> list[Outgoing]:
        """What one datagram leads to. Never raises: a message that meets a mistake of ours is
        dropped, counted and logged, and the rest go on."""
        try:
            return self._receive(data, source, now)
        except Exception as error:  # noqa: BLE001 - our bug: it must cost this one message only
            self.statistics["internal_errors"] += 1
            self.services.log(-1, f"from {source.uri}: {error!r}")
            return []

    def _receive(self, data: bytes, source: Source, now: float) -> list[Outgoing]:
        if not data.strip(b"\r\n\0"):
            return []  # keepalives: CRLF, CRLFCRLF, nothing at all
        try:
            request = parse(data)
        except BadMessage as error:
            return self._refuse(error, data, source, now)
        except ParseError:
            self.statistics["unparsable"] += 1
            return []
        if isinstance(request, Response):
            self.statistics["stray_responses"] += 1
            return []
        self.statistics["requests"] += 1
        key = transaction.key(request, (source.host, source.port))
        context = Context(request, data, source, now, self.services)
        stored = self.transactions.response(key, data)
        if stored is not None:
            return [Outgoing(*stored)]
        self._run(context)
        return self._finish(context, key)

    def _refuse(self, error: BadMessage, data: bytes, source: Source, now: float) -> list[Outgoing]:
        """Answers a request that the configuration never sees (RFC 3261 §8.2, §16.3)."""
        self.statistics["malformed"] += 1
        context = Context(error.request, data, source, now, self.services)
        context.answers_to_source_port = True  # whoever sent it is there, behind a NAT or not
        if error.request.method == "ACK":
            return []
        try:
            context.reply(error.status, error.reason, error.headers)
            assert context.answer is not None
            return [Outgoing(context.answer.data, context.destination())]
        except ParseError:
            return []  # not even Via, From or CSeq can be read: there is nobody to answer

    def _run(self, context: Context) -> None:
        try:
            self.program.run(context)
        except Exception as error:  # noqa: BLE001 - our bug: it must cost this one message only
            self.statistics["script_errors"] += 1
            notes = "; ".join(getattr(error, "__notes__", ()))
            self.services.log(-1, f"from {context.source.uri}: {error!r} {notes}")
            context.reply(500, "Server Internal Error")

    def _finish(self, context: Context, key: transaction.Key) -> list[Outgoing]:
        answer, request = context.answer, context.request
        if answer is None or request.method == "ACK":  # §17: an ACK is never answered
            return []
        self.statistics[f"replies_{answer.status // 100}xx"] += 1
        answered = answer.data, context.destination()
        verdict = context.verdict
        accepted = 200 <= answer.status < 300
        if accepted and verdict is not None and verdict.use is not None:
            # After the bindings' records: a torn batch may lose this one, never the others.
            self.services.authenticator.counts.accept(verdict.username, verdict.use)
            self.journal.append("use", verdict.use.to_json(verdict.username))
        if request.method == "REGISTER" and answer.status not in (401, 407):
            self.transactions.complete(key, context.data, *answered, context.now)
            self._uncommitted.append(key)
        return [Outgoing(*answered, request.method == "REGISTER" and accepted)]

    def commit(self) -> bool:
        """Makes durable what the answers so far say. False: it failed, and the answers of this
        turn that await it may not be sent; the phones will repeat their requests."""
        trouble = ""
        try:
            self.journal.commit()
        except OSError as error:
            trouble = f"the location journal cannot be written: {error}"
            self.statistics["journal_errors"] += 1
            for key in self._uncommitted:
                self.transactions.forget(key)
        if trouble != self._trouble:
            self.services.log(-1, trouble or "the location journal is written again")
            self._trouble = trouble
        self._uncommitted.clear()
        return not trouble
