"""siparioctl cdr: records of calls, found by who, when and what became of them, on both engines."""
import time

import bench
from bench import on_both, sql

NOW = int(time.time())
# id, caller, callee, seconds ago, answered after, ended after, ended by, code
CALLS = (
    ("a-1", "sip:alice@example.org", "sip:bob@example.org", 10, 2, 65, "caller", 200),
    ("a-2", "sip:alice@example.org", "sip:bob@example.org", 20, None, 5, "caller", 487),
    ("a-3", "sip:bob@example.org", "sip:alice@example.org", 30, None, 1, "callee", 486),
    ("a-4", "sip:carol@example.net", "sip:+4930123@example.org", 40, 3, None, None, 200),
    ("a-5", "sip:a_b@example.org", "sip:100%@example.org", 7200, None, 30, "server", 408),
    ("a-6", "sip:axb@example.org", "sip:1000@example.org", 90000, 1, None, "server", 200),
)


def fill(e):
    for i, caller, callee, ago, answer, end, by, code in CALLS:
        start = (NOW - ago) * 1000
        n = lambda s: "NULL" if s is None else str(start + s * 1000)
        text = (f"INSERT INTO calls (id, call_id, caller, callee, start_ms, answer_ms, end_ms, ended_by, code, route) VALUES ('{i}', 'call-{i}', '{caller}', '{callee}', {start}, "
                f"{n(answer)}, {n(end)}, {repr(by) if by else 'NULL'}, {code}, 'sip:x@192.0.2.1 {code}')")
        sql(text) if e.kind == "sqlite" else bench.CLUSTER[0].sql(e.name, text)


LISTS = (
    ((), "123456"), (("--limit", "2"), "12"), (("--user", "bob@example.org"), "123"), (("--user", "sip:carol@example.net"), "4"), (("--user", "alice"), "123"),
    (("--user", "+4930123"), "4"), (("--user", "a_b"), "5"), (("--user", "100%"), "5"), (("--user", "nobody"), ""), (("--user", "'; DROP TABLE calls; --"), ""),
    (("--state", "answered"), "16"), (("--state", "talking"), "4"), (("--state", "missed"), "25"), (("--state", "failed"), "3"), (("--code", "486"), "3"),
    (("--since", "1h"), "1234"), (("--until", "1h"), "56"), (("--since", "1d", "--until", "60m"), "5"), (("--since", "2001-01-01"), "123456"),
    (("--since", "2001-01-01 10:00", "--until", "2001-01-01 10:00:01"), ""), (("--user", "alice", "--state", "missed", "--code", "487", "--since", "1h", "--until", "0s"), "2"),
)
MISTAKES = (
    (("--state", "mised"), "did you mean missed?"), (("--code", "99"), "from 100 to 699"), (("--limit", "0"), "from 1 to"), (("--since", "yesterday"), "or how long ago, 2h"),
    (("--until", "2026-13-01"), "--until 2026-13-01"),
)


@on_both
def records_of_calls_are_found(e):
    assert e.ctl("cdr", "list") == "none\n"
    fill(e)
    for options, want in LISTS:
        assert "".join(c["id"][2:] for c in e.js("cdr", "list", *options)) == want, options
    for options, want in MISTAKES:
        assert want in e.ctl("cdr", "list", *options, status=2).err, options


@on_both
def a_record_is_readable(e):
    fill(e)
    lines = [" ".join(line.split()) for line in e.ctl("cdr", "list").splitlines()]
    assert lines[0] == "START CALLER CALLEE STATE CODE DURATION ENDED BY", lines[0]
    assert lines[1].endswith("answered 200 1m 3s caller") and lines[3].endswith("failed 486 - callee") and lines[4].endswith("talking 200 - -"), lines
    shown = e.ctl("cdr", "show", "call-a-2")
    assert "sip:x@192.0.2.1 487" in shown and "call-a-2" in shown and "missed" in shown
    assert e.ctl("cdr", "show", "nothing' OR '1'='1") == "none\n"
    assert e.js("cdr", "show", "call-a-1")[0]["answer_ms"] == (NOW - 8) * 1000
