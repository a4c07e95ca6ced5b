"""Whatever the network puts into a field that reaches SQL is a value there, on both engines: quotes, statements, NULs, invalid UTF-8, and too much of it.

Each request holds one payload in one field. It gets an answer that says so (never 5xx: the database was not even asked, or took it), what is stored is what was sent, others
who register meanwhile do not notice, and at the end every table is what it was.
"""
import contextlib
import json
import re
import sqlite3
import time

import postgres
import sip
from sipario import DOMAIN, Server, ctl, new_database, password
from suite import test

TEXTS = [b"'", b"''", b"'; DROP TABLE bindings; --", b"') ON CONFLICT DO NOTHING; --", b"\" OR 1=1", b"$1", b"$1$2$$", b"\\'; SELECT 1", b"%s%n", b"%00", b"a%00b", b"%FF%FE", b"%ED%A0%80",
         b"x'||pg_sleep(9)||'x", b"E'\\\\x00'", b"/*", b"-- ", b";", b"\\", b"\\.", b"\\N", b"NULL", b"{}", b"?1", b":a", b"@a", b"x" * 300, b"9" * 40, b"-1", b"",
         "ünïcødé".encode(), "𝕊𝕀ℙ".encode(), b"\xef\xbb\xbf", b"\xef\xbf\xbf", b"\xe2\x80\xae"]
BYTES = [b"\xed\xb0\x80", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xc3", b"\xe2\x82", b"a\0b", b"\0", b"\x01\x7f\x1b[2J", b"\t"]
PAYLOADS = TEXTS + BYTES
PLACE = b"127.0.0.1:5090"
CONTACT = b"<sip:a@" + PLACE + b">;expires=600"

# name: (header fields instead of the usual ones, column that holds the payload when it is taken as it is)
FIELDS = {
    "Contact, user": (lambda x: {b"Contact": b"<sip:" + x + b"@" + PLACE + b">"}, "contact"),
    "Contact, password": (lambda x: {b"Contact": b"<sip:a:" + x + b"@" + PLACE + b">"}, "contact"),
    "Contact, host": (lambda x: {b"Contact": b"<sip:a@" + x + b">"}, "contact"),
    "Contact, URI parameter": (lambda x: {b"Contact": b"<sip:a@" + PLACE + b";p=" + x + b">"}, "contact"),
    "Contact, URI header": (lambda x: {b"Contact": b"<sip:a@" + PLACE + b"?h=" + x + b">"}, "contact"),
    "Contact, scheme": (lambda x: {b"Contact": b"<" + x + b":a@b>"}, "contact"),
    "Contact, name": (lambda x: {b"Contact": b'"' + x + b'" ' + CONTACT}, None),
    "Contact, parameter": (lambda x: {b"Contact": CONTACT + b';p="' + x + b'"'}, None),
    "Contact, q": (lambda x: {b"Contact": CONTACT + b";q=" + x}, None),
    "Contact, expires": (lambda x: {b"Contact": b"<sip:a@" + PLACE + b">;expires=" + x}, None),
    "Contact, instance": (lambda x: {b"Contact": CONTACT + b';+sip.instance="<' + x + b'>";reg-id=1', b"Supported": b"outbound, path"}, "instance"),
    "Contact, reg-id": (lambda x: {b"Contact": CONTACT + b';+sip.instance="<urn:uuid:1>";reg-id=' + x, b"Supported": b"outbound, path"}, None),
    "Expires": (lambda x: {b"Expires": x}, None),
    "Call-ID": (lambda x: {b"Call-ID": x}, "call_id"),
    "User-Agent": (lambda x: {b"User-Agent": x}, "user_agent"),
    "Path, user": (lambda x: {b"Path": b"<sip:" + x + b"@a.example;lr>"}, "path"),
    "Path, parameter": (lambda x: {b"Path": b"<sip:a.example;lr;p=" + x + b">"}, "path"),
    "Path": (lambda x: {b"Path": x}, "path"),
    "To, user": (lambda x: {b"To": b"<sip:" + x + b"@" + DOMAIN.encode() + b">"}, None),
    "To, host": (lambda x: {b"To": b"<sip:a@" + x + b">"}, None),
    "To, parameter": (lambda x: {b"To": b"<sip:a@" + DOMAIN.encode() + b";p=" + x + b">"}, None),
    "From, user": (lambda x: {b"From": b"<sip:" + x + b"@" + DOMAIN.encode() + b">;tag=1"}, None),
    "From, tag": (lambda x: {b"From": b"<sip:a@" + DOMAIN.encode() + b">;tag=" + x}, None),
    "Via, received": (lambda x: {b"Via": b";received=" + x}, None),
}
CREDENTIALS = ("username", "realm", "uri", "response", "cnonce", "nc", "algorithm", "opaque", "username*")
NAMELESS = ("To, user", "To, host", "From, user", "From, tag", "Call-ID", "Via, received", "To, parameter")    # who breaks these may get no answer


class Sender:
    """Many requests under way; answers are told by their branch, which holds no payload."""

    def __init__(self, b, s):
        self.p, self.s, self.n, self.got = b.keep(sip.Phone(s.address, "x", DOMAIN)), s, 0, {}
        self.prefix = "z9hG4bK" + sip.token(8)

    def send(self, method, uri, headers):
        """The request's number. `headers` replace the usual ones; what is given for Via is added to it."""
        self.n += 1
        h = {b"Max-Forwards": b"70", b"From": b"<sip:x@elsewhere.example>;tag=1", b"To": b"<" + uri + b">", b"Call-ID": f"{self.n}@{self.prefix}".encode(), b"CSeq": b"1 " + method,
             b"Content-Length": b"0", **headers}
        via = f"Via: SIP/2.0/UDP {self.p.here};rport;branch={self.prefix}.{self.n}".encode() + h.pop(b"Via", b"")
        self.p.send(b"\r\n".join([method + b" " + uri + b" SIP/2.0", via] + [k + b": " + v for k, v in h.items()]) + b"\r\n\r\n")
        if self.n % 40 == 0:
            self.collect(self.n - 20, 0.5)
        return self.n

    def collect(self, enough, seconds):
        end = time.monotonic() + seconds
        while len(self.got) < enough and time.monotonic() < end:
            if not self.p._receive(0.1):
                continue
            for m in self.p.inbox:
                if m.status and m.status >= 200 and (m.branch or "").startswith(self.prefix):
                    self.got[int(m.branch.rpartition(".")[2])] = m
            self.p.inbox.clear()


OPEN_REGISTRAR = """
domain "@DOMAIN@";
listen "@LISTEN@";
control "@CONTROL@";
database "@DATABASE@";
module location { durable = on; }
module registrar { }
request_route { if ($rm == "REGISTER") { save(); exit; } send_reply(404); }
"""


def aor(n):
    return f"sip:case{n}@{DOMAIN}"


def registrations(b, store, rows):
    """Everything a REGISTER leaves in the database."""
    s = Server(b, OPEN_REGISTRAR, store=store)
    children, sender, cases = set(s.children()), Sender(b, s), {}
    neighbour = b.keep(sip.Phone(s.address, "neighbour", DOMAIN))
    for field, (headers, column) in FIELDS.items():
        neighbour.registered()
        for x in PAYLOADS:
            h = {b"Contact": CONTACT, b"To": f"<{aor(sender.n + 1)}>".encode(), **headers(x)}
            cases[sender.send(b"REGISTER", f"sip:{DOMAIN}".encode(), h)] = (field, x, column)
    sender.collect(sender.n, 3)
    wrong = [(f, x, sender.got[n].start) for n, (f, x, c) in cases.items() if n in sender.got and sender.got[n].status >= 500]
    assert not wrong, wrong
    silent = [(f, x) for n, (f, x, c) in cases.items() if n not in sender.got and f not in NAMELESS and not re.search(rb"[\0-\x08\x0a-\x1f]", x)]
    assert not silent, f"no answer: {silent}"
    kept = rows()
    for n, (field, x, column) in cases.items():
        row = kept.get(aor(n))
        if n not in sender.got or sender.got[n].status != 200 or field.startswith("To"):
            assert row is None or field.startswith("To"), f"{field} {x!r}: stored, but answered {sender.got.get(n)}"
        elif row and column:
            want = taken(x)[:96] if column == "user_agent" else taken(x)
            assert want in row[column], f"{field} {x!r} is stored as {row[column]!r}"
    assert set(s.children()) == children, "a process died"
    for word in ("cannot be written", "cannot keep"):
        assert word not in s.text(), s.text()[-2000:]
    ok = sum(m.status == 200 for m in sender.got.values())
    assert ok > len(cases) / 3, f"only {ok} of {len(cases)} were taken: {sorted(m.start for m in sender.got.values())[-20:]}"


def taken(x):
    """Without blanks around it (RFC 3261 25.1), and as much as is plain text: a User-Agent is cut, others are refused as a whole."""
    return re.match(rb"[ -~]*", x.strip()).group(0)


def credentials(b, s):
    """Names and realms of who wants to be let in; whom one calls."""
    sender, uri = Sender(b, s), f"sip:{DOMAIN}".encode()
    alice = b.keep(sip.Phone(s.address, "alice", DOMAIN, password=password("alice")))
    m = alice.finish(alice.start("REGISTER", f"sip:{DOMAIN}", to=f"<{alice.aor}>"))
    p = sip.challenge_of(m)
    cases = {}
    for k in CREDENTIALS:
        for x in PAYLOADS:
            v = {"username": b'"alice"', "realm": b'"%s"' % p["realm"].encode(), "nonce": b'"%s"' % p["nonce"].encode(), "uri": b'"%s"' % uri, "response": b'"%s"' % (b"0" * 64), "qop": b"auth",
                 "nc": b"00000001", "cnonce": b'"c"', "algorithm": p.get("algorithm", "MD5").encode()}
            v[k] = x if k in ("nc", "algorithm") else b"UTF-8''" + x if k == "username*" else b'"' + x.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
            if k == "username*":
                v.pop("username")
            header = b"Digest " + b", ".join(n.encode() + b"=" + t for n, t in v.items())
            cases[sender.send(b"REGISTER", uri, {b"To": b"<sip:alice@" + DOMAIN.encode() + b">", b"Contact": CONTACT, b"Authorization": header})] = (k, x)
    for x in PAYLOADS:
        for user in (x, b"+49" + x, x + b";phone-context=a"):
            if b"\0" not in x and not re.search(rb"[\s]", x):
                cases[sender.send(b"MESSAGE", b"sip:" + user + b"@" + DOMAIN.encode(), {b"To": b"<sip:x@y>"})] = ("request URI", x)
    sender.collect(sender.n, 3)
    wrong = [(*cases[n], m.start) for n, m in sender.got.items() if m.status < 400 or m.status >= 500 and m.status != 505]
    assert not wrong, wrong
    silent = [c for n, c in cases.items() if n not in sender.got and not re.search(rb"[\0-\x08\x0a-\x1f]", c[1])]
    assert not silent, f"no answer: {silent}"
    assert alice.registered().status == 200


def too_long(b, s):
    """More than an index takes, of what does not compress: refused, and nobody else waits for it."""
    p, q = (b.keep(sip.Phone(s.address, x, DOMAIN, password=password(x))) for x in ("alice", "bob"))
    for size in (2000, 3000, 9000, 20000):
        m = p.register(contact=f"<sip:{sip.token(size)}@127.0.0.1:5090>;expires=600")
        assert m.status in (200, 400, 403, 413, 414, 513), f"{size} bytes: {m.start}"
        assert q.registered().status == 200
        p.registered()


RECORDER = """
domain "@DOMAIN@";
listen "@LISTEN@";
control "@CONTROL@";
database "@DATABASE@";
module cdr { spool = "@SPOOL@"; sync_interval = 50ms; }
request_route {
    if ($rm != "INVITE") send_reply(405);
    if ($rU == "busy") { record_route(); relay(to = "sip:127.0.0.1:@CALLEE@"); exit; }
    send_reply(404);
}
"""
# name: (request URI, header fields instead of the usual ones)
CALL_FIELDS = {
    "request URI, user": lambda x: (b"sip:" + x + b"@" + DOMAIN.encode(), {b"To": b"<sip:x@y>"}),
    "request URI, host": lambda x: (b"sip:a@" + x, {b"To": b"<sip:x@y>"}),
    "request URI, parameter": lambda x: (b"sip:a@" + DOMAIN.encode() + b";p=" + x, {b"To": b"<sip:x@y>"}),
    "From, user": lambda x: (b"sip:a@b", {b"From": b"<sip:" + x + b"@elsewhere.example>;tag=1"}),
    "From, host": lambda x: (b"sip:a@b", {b"From": b"<sip:a@" + x + b">;tag=1"}),
    "From, name": lambda x: (b"sip:a@b", {b"From": b'"' + x + b'" <sip:a@elsewhere.example>;tag=1'}),
    "From, tag": lambda x: (b"sip:a@b", {b"From": b"<sip:a@elsewhere.example>;tag=" + x}),
    "To, user": lambda x: (b"sip:a@b", {b"To": b"<sip:" + x + b"@" + DOMAIN.encode() + b">"}),
    "Call-ID": lambda x: (b"sip:a@b", {b"Call-ID": x + b"@%d"}),
    "Reason": lambda x: (b"sip:a@b", {b"Reason": x}),
}


def stat(s, name):
    return next(c["value"] for c in json.loads(s.ctl("--json", "stats", name)) if c["name"] == name)


def records(b, store, count):
    """Whoever gets 404 from the script is on record: what was sent came into the database, as far as it is text there."""
    callee = b.keep(sip.Phone(("127.0.0.1", 9), "busy", DOMAIN))
    s = Server(b, RECORDER.replace("@CALLEE@", str(callee.port)).replace("@SPOOL@", b.path("spool")), store=store)
    callee.server, sender, before, children = s.address, Sender(b, s), count(), set(s.children())
    for make in CALL_FIELDS.values():
        for x in PAYLOADS:
            if re.search(rb"\s", x) and make(x)[0] != b"sip:a@b":
                continue
            uri, h = make(x)
            h = {k: v.replace(b"%d", str(sender.n).encode()) if k == b"Call-ID" else v for k, v in h.items()}
            sender.send(b"INVITE", uri, {b"Contact": CONTACT, b"CSeq": b"1 INVITE", **h})
    sender.collect(sender.n, 3)
    wrong = [m.start for m in sender.got.values() if m.status >= 500]
    assert not wrong, wrong
    on_record = sum(m.status == 404 for m in sender.got.values())
    for x in PAYLOADS:      # words of an answer
        rq = sender.p.start("INVITE", f"sip:busy@{DOMAIN}")
        callee.answer(callee.wait("INVITE"), 486, x.decode("utf-8", "surrogateescape"))
        m = sender.p.find(lambda m, rq=rq: rq.mine(m) and m.status > 100, 1)
        if m:               # one with a NUL in it is no answer
            sender.p.ack_refusal(rq, m)
            on_record += m.status == 486
    end = time.monotonic() + 10
    while count() - before < on_record and time.monotonic() < end:
        time.sleep(0.1)
    assert count() - before >= on_record > len(PAYLOADS) * 5, f"{on_record} calls were refused, {count() - before} are on record"
    assert stat(s, "cdr.rejected") == 0 and stat(s, "cdr.lost") == 0 and stat(s, "cdr.damaged") == 0, s.ctl("stats", "cdr.")
    assert set(s.children()) == children, "a process died"


COLUMNS = ("aor", "contact", "instance", "call_id", "path", "user_agent")


def tried(b, url, lines, as_hex):
    """lines: SQL to rows of texts."""
    def rows():
        found = [[bytes.fromhex(x) for x in line] for line in lines("SELECT " + ", ".join(as_hex % c for c in COLUMNS) + " FROM bindings")]
        return {r[0].decode(): dict(zip(COLUMNS, r)) for r in found}

    def others():
        return [lines("SELECT count(*) FROM " + t) for t in ("users", "domains", "aliases", "groups", "preferences")]
    before = others()
    registrations(b, url, rows)
    records(b, url, lambda: int(lines("SELECT count(*) FROM calls")[0][0]))
    s = Server(b, store=url)
    children = set(s.children())
    credentials(b, s)
    too_long(b, s)
    assert set(s.children()) == children, "a process died"
    assert others() == before


@test("whatever stands in a field is a value to SQL: SQLite")
def _(b):
    file = b.path("hostile.db")
    new_database("sqlite:" + file)

    def lines(text):
        with contextlib.closing(sqlite3.connect(file, timeout=10)) as db:
            return db.execute(text).fetchall()
    tried(b, "sqlite:" + file, lines, "hex(%s)")


@test("whatever stands in a field is a value to SQL: PostgreSQL")
def _(b):
    c = b.keep(postgres.Cluster())
    url = c.url("sip")
    new_database(url)
    tried(b, url, lambda text: [x.split("|") for x in c.sql("sip", text).splitlines()], "encode(convert_to(%s, 'UTF8'), 'hex')")
