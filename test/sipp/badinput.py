"""Bad input over the wire: each kind gets the RFC's answer or none, and is counted by its reason (siparioctl stats)."""
import re

import sip
from sipario import DOMAIN, Server
from suite import test

SCRIPT = 'listen @LISTEN@;\ncontrol "@CONTROL@";\nrequest_route { relay(); }\n'
VIA = "Via: SIP/2.0/{tp} {me};rport;branch=z9hG4bK{n}\r\n"
FROM, TO, ID = "From: <sip:a@x>;tag=1\r\n", "To: <sip:b@y>\r\n", "Call-ID: {n}\r\nCSeq: 1 INVITE\r\n"
LINE = "INVITE sip:b@{sink} SIP/2.0\r\n"
GOOD = LINE + VIA + FROM + TO + ID
REST = FROM + TO + ID

BOTH = [    # reason, text, status or None: the same by datagram and by stream, where the length is added
    ("first_line", LINE.replace("INVITE ", "INVITE  ") + VIA + REST + "\r\n", 400),
    ("method", "\0\0\0\0\0 {n}\r\n" + VIA + REST + "\r\n", None),
    ("method", LINE.replace("INVITE", "INV(ITE") + VIA + REST + "\r\n", 400),
    ("status", "SIP/2.0 4294967301 better not\r\n" + VIA + REST + "\r\n", None),
    ("version", GOOD.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia") + "\r\n", 505),
    ("version", "SIP/9.0 200 OK\r\n" + VIA + REST + "\r\n", None),
    ("ruri", LINE.replace("{sink}", "{sink}?Route=%3Csip:x%3E") + VIA + REST + "\r\n", 400),
    ("ruri_scheme", GOOD.replace("sip:b@{sink}", "nobodyKnowsThisScheme:totallyopaquecontent") + "\r\n", 416),
    ("header", GOOD + "Subject: a\0b\r\n\r\n", 400),
    ("header", GOOD + "no colon\r\n\r\n", 400),
    ("too_many_headers", GOOD + "X: y\r\n" * 5000 + "\r\n", 400),
    ("route", GOOD + "Route: <sip:x;lr>" + "," * 40000 + "\r\n\r\n", 400),
    ("route", GOOD + "Route: sip:x;lr\r\n\r\n", 400),
    ("contact", GOOD + "Contact: " + ",".join(["<sip:x>"] * 6000) + "\r\n\r\n", 400),
    ("contact", GOOD + "Contact: <sip:a@h>\r\nContact: <sip:b@h>\r\n\r\n", 400),
    ("contact", GOOD + "Contact: *\r\n\r\n", 400),
    ("from", LINE + VIA + "From: <sip:a@x" + ";p=1" * 9000 + ">;tag=1\r\n" + TO + ID + "\r\n", 400),
    ("from", LINE + VIA + "From: <<>>;tag=1\r\n" + TO + ID + "\r\n", 400),
    ("to", LINE + VIA + FROM + "To: \"no end <sip:b@y>\r\n" + ID + "\r\n", 400),
    ("call_id", LINE + VIA + FROM + TO + "Call-ID: \xff {n}\r\nCSeq: 1 INVITE\r\n\r\n", 400),
    ("cseq", LINE + VIA + FROM + TO + "Call-ID: {n}\r\nCSeq: 36893488147419103232 INVITE\r\n\r\n", 400),
    ("cseq_method", LINE + VIA + FROM + TO + "Call-ID: {n}\r\nCSeq: 1 BYE\r\n\r\n", 400),
    ("max_forwards", GOOD + "Max-Forwards: 256\r\n\r\n", 400),
    ("expires", GOOD + "Expires: soon\r\n\r\n", 400),
    ("via", GOOD.replace("{me}", "{me}" + ";p=1" * 9000) + "\r\n", 400),
    ("via", LINE + "Via: rubbish {n}\r\n" + REST + "\r\n", None),
    ("branch", LINE + VIA.replace("{n}", "") + REST + "\r\n", 400),
    ("missing", LINE + VIA + TO + ID + "\r\n", 400),
    ("missing", LINE + VIA + FROM + ID + "\r\n", 400),
    ("missing", LINE + VIA + FROM + TO + "CSeq: 1 INVITE\r\n\r\n", 400),
    ("missing", LINE + VIA + FROM + TO + "Call-ID: {n}\r\n\r\n", 400),
    ("missing", LINE + FROM + TO + ID + "\r\n", None),
    ("duplicate", GOOD + FROM + "\r\n", 400),
    ("duplicate", GOOD + TO + "\r\n", 400),
    ("duplicate", GOOD + "Call-ID: {n}\r\n\r\n", 400),
    ("duplicate", GOOD + "CSeq: 2 INVITE\r\n\r\n", 400),
    ("header", (GOOD + "no colon\r\n\r\n").replace("INVITE", "ACK"), None),        # an ACK is never answered
]
DATAGRAM = [
    ("content_length", GOOD + "Content-Length: -1\r\n\r\n", 400),
    ("content_length", GOOD + "Content-Length: 5\r\nl: 6\r\n\r\nabcdef", 400),
    ("truncated", GOOD + "Content-Length: 500\r\n\r\nv=0\r\n", 400),
    ("truncated", GOOD + "Subject: no end", 400),
]
STREAM = [  # the connection is closed: nobody knows where the next message begins (RFC 3261 18.3)
    ("content_length", GOOD + "Content-Length: -1\r\n\r\n", 400),
    ("content_length", GOOD + "Content-Length: 5\r\nl: 6\r\n\r\nabcdef", 400),
    ("content_length", GOOD + "\r\n", 400),
    ("too_large", GOOD + "Subject: " + "x" * (1 << 20) + "\r\n\r\n", 513),
    ("too_large", GOOD + "Content-Length: 99999999\r\n\r\n", 513),
    ("closed_slow", GOOD + "Content-Length: 500\r\n\r\nv=0\r\n", None),
    ("closed_slow", GOOD + "Subject: no end", None),
]
ELSEWHERE = {"empty", "nomem"}      # cannot come from outside: test/unit


def counters(s):
    return {m.group(1): int(m.group(2).replace(",", "")) for m in re.finditer(r"^((?:proxy|net)\.\S+)\s+([\d,]+)", s.ctl("stats"), re.M)}


def filled(p, sink, text):
    """With names of its own; also what tells its answer from others."""
    n = sip.token()
    text = text.replace("{me}", p.here).replace("{n}", n).replace("{sink}", sink.here).replace("{tp}", p.transport)
    return text.encode("latin-1"), lambda m: m.status and n in (m.get("Via") or "") + (m.get("Call-ID") or "")


def with_length(text):
    return text[:-2] + "Content-Length: 0\r\n\r\n"


def bad_input(b, transport, host):
    s = Server(b, script=SCRIPT, database=False, host=host, tcp=transport == "TCP", settings="tcp_message_timeout 500ms;\n")
    new = lambda user: b.keep((sip.TcpPhone if transport == "TCP" else sip.Phone)(s.address, user, DOMAIN, host=host))
    children, sink, before = set(s.children()), new("b"), counters(s)
    p, cases = new("x"), BOTH + (STREAM if transport == "TCP" else DATAGRAM)
    for case in cases:
        reason, text, status = case
        if case in STREAM and transport == "TCP":
            p = new("x")
        elif transport == "TCP":
            text = with_length(text)
        raw, mine = filled(p, sink, text)
        p.send(raw)
        got = p.find(mine, 3 if status else 0.1)
        assert (got and got.status) == status, f"{reason}: {got}, wanted {status}: {text[:300]!r}"
        if transport == "TCP":
            assert p.closed(3) if case in STREAM else p.conn in p.streams, f"{reason}: {text[:300]!r}"
    after = counters(s)
    for reason in {c[0] for c in cases}:
        name = f"net.tcp.{reason}" if reason.startswith("closed") else f"proxy.bad.{reason}"
        want = len([1 for c in cases if c[0] == reason])
        assert after[name] - before[name] == want, f"{reason}: counted {after[name] - before[name]} times, wanted {want}"
    sink.nothing("INVITE", 0.1)
    assert children <= set(s.children()), "a process died"


for transport_, host_ in ((t, h) for t in ("UDP", "TCP") for h in ("127.0.0.1", "::1")):
    @test(f"bad input: the right answer or none, counted by reason [{transport_}, {'IPv6' if ':' in host_ else 'IPv4'}]")
    def _(b, transport=transport_, host=host_):
        bad_input(b, transport, host)


@test("bad input: no reason is without its test")
def _(b):
    s = Server(b, script=SCRIPT, database=False)
    reasons = {k.rpartition(".")[2] for k in counters(s) if k.startswith("proxy.bad.")}
    assert reasons - ELSEWHERE == {c[0] for c in BOTH + DATAGRAM + STREAM if not c[0].startswith("closed")}, reasons


@test("an extension that we do not know is refused with 420, and counted")
def _(b):
    for kind in (sip.Phone, sip.TcpPhone):
        s = Server(b, script=SCRIPT, database=False, tcp=True)
        p = b.keep(kind(s.address, "x", DOMAIN))
        m = p.finish(p.start("INVITE", p.contact, [("Proxy-Require", "nothing-like-it, other")]))
        assert m.status == 420 and m.all("Unsupported") == ["nothing-like-it", "other"], m.headers
        assert counters(s)["proxy.extensions"] == 1


@test("strange input is no bad input: binary bodies, bytes in no encoding")
def _(b):
    s = Server(b, script=SCRIPT, database=False, tcp=True)
    sink = b.keep(sip.Phone(s.address, "b", DOMAIN))
    for kind in (sip.Phone, sip.TcpPhone):
        p = b.keep(kind(s.address, "x", DOMAIN))
        for extra, body in (b"Content-Length: 6\r\n", b"\0\1\r\n\xff\0"), (b"Subject: \xff\xfe\xc3\x28\r\n", b""), (b"X-Strange: ;;,,;;,;\r\n", b""):
            raw, _ = filled(p, sink, GOOD)
            p.send(raw + extra + (b"" if body else b"Content-Length: 0\r\n") + b"\r\n" + body)
            m = sink.wait("INVITE")
            assert m.body == body and extra.strip() in m.raw, m.raw
            sink.answer(m, 486)
