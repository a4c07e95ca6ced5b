"""Bad input over the wire: each kind gets the RFC's answer or none, and is counted by its reason (siparioctl stats)."""
import re

import sip
from sipario import DOMAIN, Server
from suite import test

SCRIPT = 'listen @LISTEN@;\ncontrol "@CONTROL@";\nrequest_route { relay(); }\n'
VIA = "Via: SIP/2.0/UDP {me};rport;branch=z9hG4bK{n}\r\n"
FROM, TO, ID = "From: <sip:a@x>;tag=1\r\n", "To: <sip:b@y>\r\n", "Call-ID: {n}\r\nCSeq: 1 INVITE\r\n"
LINE = "INVITE sip:b@{sink} SIP/2.0\r\n"
GOOD = LINE + VIA + FROM + TO + ID

CASES = [   # reason, text, status or None
    ("content_length", GOOD + "Content-Length: -1\r\n\r\n", 400),
    ("content_length", GOOD + "Content-Length: 5\r\nl: 6\r\n\r\nabcdef", 400),
    ("truncated", GOOD + "Content-Length: 500\r\n\r\nv=0\r\n", 400),
    ("truncated", GOOD + "Subject: no end", 400),
    ("header", GOOD + "Subject: a\0b\r\n\r\n", 400),
    ("header", GOOD + "no colon\r\n\r\n", 400),
    ("too_many_headers", GOOD + "X: y\r\n" * 5000 + "\r\n", 400),
    ("route", GOOD + "Route: <sip:x;lr>" + "," * 40000 + "\r\n\r\n", 400),
    ("contact", GOOD + "Contact: " + ",".join(["<sip:x>"] * 6000) + "\r\n\r\n", 400),
    ("from", LINE + VIA + "From: <sip:a@x" + ";p=1" * 9000 + ">;tag=1\r\n" + TO + ID + "\r\n", 400),
    ("via", GOOD.replace("{me}", "{me}" + ";p=1" * 9000) + "\r\n", 400),
    ("version", GOOD.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia") + "\r\n", 505),
    ("ruri_scheme", GOOD.replace("sip:b@{sink}", "nobodyKnowsThisScheme:totallyopaquecontent") + "\r\n", 416),
    ("contact", GOOD + "Contact: <sip:a@h>\r\nContact: <sip:b@h>\r\n\r\n", 400),
    ("missing", LINE + VIA + TO + ID + "\r\n", 400),
    ("missing", LINE + VIA + FROM + ID + "\r\n", 400),
    ("missing", LINE + VIA + FROM + TO + "CSeq: 1 INVITE\r\n\r\n", 400),
    ("missing", LINE + VIA + FROM + TO + "Call-ID: {n}\r\n\r\n", 400),
    ("missing", LINE + FROM + TO + ID + "\r\n", None),
    ("duplicate", GOOD + FROM + "\r\n", 400),
    ("duplicate", GOOD + TO + "\r\n", 400),
    ("duplicate", GOOD + "CSeq: 2 INVITE\r\n\r\n", 400),
]


def counters(s):
    return {m.group(1): int(m.group(2).replace(",", "")) for m in re.finditer(r"^(proxy\.\S+)\s+([\d,]+)", s.ctl("stats", "proxy"), re.M)}


@test("bad input: the right answer or none, counted by reason")
def _(b):
    for host in ("127.0.0.1", "::1"):
        s = Server(b, script=SCRIPT, database=False, host=host)
        children = set(s.children())
        p, sink = b.keep(sip.Phone(s.address, "x", DOMAIN)), b.keep(sip.Phone(s.address, "b", DOMAIN))
        before = counters(s)
        for reason, text, status in CASES:
            n = sip.token()
            p.send(text.replace("{me}", p.here).replace("{n}", n).replace("{sink}", sink.here))
            got = p.find(lambda m: m.status and m.branch == "z9hG4bK" + n, 3 if status else 0.3)
            assert (got and got.status) == status, f"{reason}: {got}, wanted {status}: {text[:300]!r}"
        after = counters(s)
        for reason in {c[0] for c in CASES}:
            want = len([1 for c in CASES if c[0] == reason])
            have = after.get("proxy.bad." + reason, 0) - before.get("proxy.bad." + reason, 0)
            assert have == want, f"{reason}: counted {have} times, wanted {want}"
        sink.nothing("INVITE", 0.1)
        assert children <= set(s.children()), "a process died"


@test("strange input is no bad input: binary bodies, bytes in no encoding")
def _(b):
    s = Server(b, script=SCRIPT, database=False)
    p, sink = b.keep(sip.Phone(s.address, "x", DOMAIN)), b.keep(sip.Phone(s.address, "b", DOMAIN))
    for extra, body in ((b"Content-Length: 6\r\n", b"\0\1\r\n\xff\0"), (b"Subject: \xff\xfe\xc3\x28\r\n", b""), (b"X-Strange: ;;,,;;,;\r\n", b"")):
        n = sip.token()
        p.send(GOOD.replace("{me}", p.here).replace("{n}", n).replace("{sink}", sink.here).encode() + extra + b"\r\n" + body)
        m = sink.wait("INVITE")
        assert m.body == body and extra.strip() in m.raw, m.raw
        sink.answer(m, 486)
