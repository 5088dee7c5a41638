"""What other panels' tables look like, line by line."""

import pytest

from registrar.snapshot import Secret, ha1
from tests.webadmin.conftest import REALM
from webadmin.subscribers import one_way, read

GOOD = ha1("MD5", "1001", REALM, "secret")
GOOD_B = ha1("MD5", f"1001@{REALM}", REALM, "secret")
BCRYPT = "$2y$10$" + "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

BAD = [
    ("username,password", "a b,x", "is not a number"),
    ("username,password", "new,x", "is not a number"),
    ("username,password", ",x", "is not a number"),
    ("username,password", "1001,", "neither a password nor a ha1"),
    ("username,password", "1001,a\x07b", "characters that cannot be typed"),
    ("username,password", "1001,x,y", "more values than"),
    ("username,password,language", "1001,x,de", "the language is 'de'"),
    ("username,password,display_name", f"1001,x,{'n' * 101}", "the name is longer"),
    ("username,password,enabled", "1001,x,perhaps", "yes or no"),
    ("username,ha1", "1001,abc", "not 32 hexadecimal digits"),
    ("username,ha1,ha1b", f"1001,{GOOD},abc", "its ha1b is not 32"),
    ("username,ha1,realm", f"1001,{GOOD},other", "is of the realm 'other'"),
    ("username,ha1,domain", f"1001,{GOOD},other", "is of the realm 'other'"),
    ("username,password,ha1,realm", f"1001,wrong,{GOOD},{REALM}", "do not belong together"),
]


@pytest.mark.parametrize(("header", "line", "complaint"), BAD)
def test_it_says_what_is_wrong_with_a_line(header: str, line: str, complaint: str) -> None:
    reading = read(f"{header}\n{line}\n", REALM)
    assert not reading.entries
    ((number, sentence),) = reading.complaints
    assert number == 2
    assert complaint in sentence


@pytest.mark.parametrize(
    "text", ["", "1001,secret\n", "name,password\n1,x\n", "username\n1001\n", "\x00"]
)
def test_it_wants_a_first_line_with_names(text: str) -> None:
    ((number, sentence),) = read(text, REALM).complaints
    assert number == 1
    assert "the first line must name the columns" in sentence


GOOD_LINES = [
    ("username,password", "1001,secret"),
    ("username;password", "1001;secret"),
    ("username\tpassword", "1001\tsecret"),
    ("Username, Password ", "1001,secret"),
    ("id,username,domain,password,ha1,ha1b", f"7,1001,{REALM},secret,{GOOD},{GOOD_B}"),
    # a password counts, whatever realm its table hashed it for
    ("username,password,ha1,realm", "1001,secret,0123456789abcdef0123456789abcdef,other"),
]


@pytest.mark.parametrize(("header", "line"), GOOD_LINES)
def test_it_reads_a_password(header: str, line: str) -> None:
    (entry,) = read(f"{header}\r\n{line}\r\n\r\n", REALM).entries
    assert entry.secret == Secret.derive("1001", REALM, "secret")
    assert (entry.line, entry.username, entry.unconvertible) == (2, "1001", "")
    assert "secret" not in repr(entry)


def test_it_keeps_the_spaces_and_quotes_of_a_password() -> None:
    (entry,) = read('username,password\n1001,"a ""b, c"\n', REALM).entries
    assert entry.secret == Secret.derive("1001", REALM, 'a "b, c')


def test_it_takes_the_quotes_of_a_databases_output_as_they_stand() -> None:
    reading = read('username\tpassword\n1001\t"quoted"\n1002\t"ab"cd\n', REALM)
    assert [entry.secret for entry in reading.entries] == [
        Secret.derive("1001", REALM, '"quoted"'),
        Secret.derive("1002", REALM, '"ab"cd'),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("username, password\n1001, secret\n", "begins or ends with a space"),
        ("username,password,password\n1001,a,b\n", "named twice: password"),
        ('username,password\n1001,"never closed\n1002,b\n', "this is no CSV"),
        ("username,password\n1001," + "x" * 140_000 + "\n1002,b\n", "this is no CSV"),
    ],
)
def test_it_never_guesses_what_was_meant(text: str, sentence: str) -> None:
    reading = read(text, REALM)
    assert sentence in reading.complaints[0][1]
    assert reading.entries == []
    assert reading.is_broken is (sentence == "this is no CSV")


def test_it_reads_kamailios_digests() -> None:
    (entry,) = read(f"username,ha1,ha1b,realm\n1001,{GOOD},{GOOD_B},{REALM}\n", REALM).entries
    assert entry.secret == Secret.from_md5(GOOD, GOOD_B)
    # its ha1b is over user@domain, and that domain is not our realm
    line = f"1001,{GOOD},{GOOD_B},{REALM},sip.example"
    (entry,) = read(f"username,ha1,ha1b,realm,domain\n{line}\n", REALM).entries
    assert entry.secret == Secret.from_md5(GOOD)


def test_it_names_what_it_did_not_use_and_what_it_assumed() -> None:
    reading = read(f"username,ha1,email_address,rpid\n1001,{GOOD},x@y,\n", REALM)
    assert reading.notes == [
        "these columns are not used: email_address, rpid",
        f"there is no realm column: each ha1 is taken to be of {REALM!r}",
    ]
    assert len(reading.entries) == 1


@pytest.mark.parametrize(
    "value",
    [
        BCRYPT,
        BCRYPT.replace("$2y$", "$2a$"),
        BCRYPT.replace("$2y$", "$2b$"),
        "$6$rounds=5000$salt$abcdefghijklmnop",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "pbkdf2:sha256:260000$abc$def0123456789",
        "pbkdf2_sha256$260000$abc$def=",
        "scrypt:32768:8:1$abc$def",
        "{SSHA}abcdefghijklmnop",
    ],
)
@pytest.mark.parametrize("column", ["password", "ha1"])
def test_it_knows_a_one_way_hash(column: str, value: str) -> None:
    (entry,) = read(f'username,{column}\n1001,"{value}"\n', REALM).entries
    assert entry.secret is None
    assert "cannot be turned" in entry.unconvertible


@pytest.mark.parametrize("digits", [40, 64, 128])
def test_it_has_no_use_for_other_digests(digits: int) -> None:
    (entry,) = read(f"username,ha1\n1001,{'ab' * (digits // 2)}\n", REALM).entries
    assert entry.secret is None
    assert entry.unconvertible == "its ha1 is not MD5"


@pytest.mark.parametrize("password", ["$ecret$", "$2 for you", "d41d8cd98f00b204e9800998ecf8427e"])
def test_it_takes_no_password_for_a_hash(password: str) -> None:
    """FreePBX's own secrets are 32 hexadecimal digits: taken, and said."""
    assert one_way(password) == ""
    reading = read(f"username,password\n1001,{password}\n", REALM)
    assert any("look like MD5" in note for note in reading.notes) is (len(password) == 32)
    (entry,) = reading.entries
    assert entry.secret == Secret.derive("1001", REALM, password)


@pytest.mark.parametrize(
    "value",
    ["$2y$10$abc", "$P$B12345678", "bcrypt$$2b$12$abc", "sha1$salt$abc", "ab" * 20, "ab" * 64],
)
def test_it_knows_a_one_way_hash_that_was_cut_short(value: str) -> None:
    (entry,) = read(f"username,password\n1001,{value}\n", REALM).entries
    assert entry.secret is None
    assert entry.unconvertible
