"""Nonces and their counts, across restarts and clocks that jump."""

from itertools import pairwise

import pytest

from registrar.nonce import REMEMBERED, Age, Count, NonceCounts, NonceSource, NonceUse

KEY, OLD_KEY = b"k" * 32, b"o" * 32
NOW = 1_800_000_000.0


def source(*keys: bytes, start: float = NOW) -> NonceSource:
    return NonceSource(keys or (KEY,), lifetime=300.0, start=start)


class TestNonceSource:
    def test_fresh_until_its_lifetime_ends(self) -> None:
        nonces = source()
        nonce = nonces.issue(NOW)
        assert nonces.recognise(nonce, NOW).age is Age.FRESH
        assert nonces.recognise(nonce, NOW + 300).age is Age.FRESH
        assert nonces.recognise(nonce, NOW + 301).age is Age.STALE

    def test_never_the_same_twice(self) -> None:
        nonces = source()
        assert len({nonces.issue(NOW) for _ in range(1000)}) == 1000

    def test_survives_a_restart_and_a_rotation(self) -> None:
        nonce = source(OLD_KEY).issue(NOW)
        assert source(OLD_KEY, start=NOW + 5).recognise(nonce, NOW + 5).age is Age.FRESH
        assert source(KEY, OLD_KEY, start=NOW + 5).recognise(nonce, NOW + 5).age is Age.FRESH

    def test_of_an_unknown_key_is_stale(self) -> None:
        nonce = source(OLD_KEY).issue(NOW)
        assert source(KEY).recognise(nonce, NOW).age is Age.STALE

    def test_altered_or_invented_is_foreign(self) -> None:
        nonces = source()
        nonce = nonces.issue(NOW)
        last = "0" if nonce[-1] != "0" else "1"
        for text in (nonce[:-1] + last, nonce[:-1], nonce + "0", "", "n", nonce.upper()[:43] + "x"):
            assert nonces.recognise(text, NOW).age is Age.FOREIGN

    def test_stamp_says_when(self) -> None:
        nonces = source()
        assert nonces.recognise(nonces.issue(NOW + 2), NOW + 2).stamp == (NOW + 2) * 1000 + 1

    def test_clock_stepping_back_makes_no_nonce_useless(self) -> None:
        nonces = source()
        before = nonces.issue(NOW)
        after = nonces.issue(NOW - 3600)
        for nonce in (before, after):
            assert nonces.recognise(nonce, NOW - 3600).age is Age.FRESH
        assert nonces.recognise(after, NOW).stamp >= nonces.recognise(before, NOW).stamp

    def test_stamps_go_on_after_the_clock_was_set_back(self) -> None:
        nonces = source()
        stamps = [
            nonces.recognise(nonces.issue(now), now).stamp
            for now in (NOW, NOW - 3600, NOW - 3540, NOW - 3480)
        ]
        assert [after - before for before, after in pairwise(stamps)] == [
            0, 60_000, 60_000
        ]  # fmt: skip

    def test_what_expires_is_what_is_stale(self) -> None:
        """Also while the clock jumps forward and back again."""
        nonces, counts = source(), NonceCounts(floor=NOW)
        nonce = nonces.issue(NOW)
        stamp = nonces.recognise(nonce, NOW).stamp
        counts.accept("1002", NonceUse(nonce, stamp, 1, "r1"))
        for now in (NOW, NOW + 3600, NOW + 10):
            counts.expire(nonces.oldest_fresh(now), 100)
        assert counts.count() == 0
        assert nonces.recognise(nonce, NOW + 11).age is Age.STALE

    def test_clock_set_back_before_a_restart(self) -> None:
        """Stale, never foreign: the phone goes on with the next challenge by itself."""
        nonce = source().issue(NOW)
        restarted = source(start=NOW - 3600)
        assert restarted.recognise(nonce, NOW - 3600).age is Age.STALE
        fresh = restarted.issue(NOW - 3600)
        seen = restarted.recognise(fresh, NOW - 3600)
        counts = NonceCounts(floor=NOW - 3600)
        assert counts.judge("1002", fresh, seen.stamp, 1, "r1") is Count.NEW


def use(nonce: str = "n1", count: int = 1, request: str = "r1", stamp: int = 0) -> NonceUse:
    return NonceUse(nonce, stamp or int(NOW * 1000) + 5, count, request)


class TestNonceCounts:
    STAMP = int(NOW * 1000) + 5

    @pytest.mark.parametrize(
        ("count", "request_name", "verdict"),
        [
            (2, "r1", Count.RETRANSMISSION),
            (2, "r2", Count.REPLAY),
            (1, "r1", Count.REPLAY),
            (3, "r3", Count.NEW),
        ],
    )
    def test_against_the_highest(self, count: int, request_name: str, verdict: Count) -> None:
        counts = NonceCounts(floor=NOW)
        counts.accept("1002", use(count=2))
        assert counts.judge("1002", "n1", self.STAMP, count, request_name) is verdict

    def test_counts_per_extension(self) -> None:
        counts = NonceCounts(floor=NOW)
        counts.accept("1002", use(count=2))
        assert counts.judge("1003", "n1", self.STAMP, 1, "r1") is Count.NEW

    def test_nonce_of_an_earlier_run_with_no_record_is_unknown(self) -> None:
        counts = NonceCounts(floor=NOW)
        assert counts.judge("1002", "n1", int(NOW * 1000), 1, "r1") is Count.UNKNOWN
        assert counts.judge("1002", "n1", self.STAMP, 1, "r1") is Count.NEW

    def test_evicted_nonce_is_unknown_and_not_new(self) -> None:
        counts = NonceCounts(floor=NOW)
        for number in range(REMEMBERED + 1):
            counts.accept("1002", use(f"n{number}", stamp=self.STAMP + number))
        assert counts.judge("1002", "n0", self.STAMP, 9, "r9") is Count.UNKNOWN
        assert counts.judge("1002", "n1", self.STAMP + 1, 1, "r1") is Count.RETRANSMISSION

    def test_expiry_and_records(self) -> None:
        counts = NonceCounts(floor=NOW)
        counts.accept("1002", use())
        counts.accept("1003", use(stamp=self.STAMP + 5000))
        counts.expire(int(NOW * 1000) + 1000, 1)
        counts.expire(int(NOW * 1000) + 1000, 1)
        assert counts.records() == [["1003", "n1", self.STAMP + 5000, 1, "r1"]]
        assert NonceUse(*counts.records()[0][1:]) == use(stamp=self.STAMP + 5000)  # type: ignore[arg-type]
