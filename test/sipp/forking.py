"""The order in which phones ring, Path and Service-Route, loops, and both sides of Record-Route: scripts of their own, seen from outside."""
import time

import sip
from calls import uri
from sipario import DOMAIN, Server
from suite import test

SCRIPT = """
domain "@DOMAIN@";
listen @LISTEN@;
MORE
control "@CONTROL@";
module location  { durable = off; }
module registrar { REGISTRAR }
module forking   { RING }
request_route {
    if ($rm == "REGISTER") { save(); exit; }
    record_route();
    if (is_local($rd) && !lookup()) send_reply(480);
    relay();
}
"""


def server(b, ring="", registrar="", more="", **kw):
    return Server(b, script=SCRIPT.replace("RING", ring).replace("REGISTRAR", registrar).replace("MORE", more), database=False, **kw)


def phones(b, s, *qs, user="bob"):
    out = []
    for q in qs:
        p = b.keep(sip.Phone(s.address, user, DOMAIN))
        p.registered(contact=f"<{p.contact}>;q={q}")
        out.append(p)
    return out


def alice(b, s):
    return b.keep(sip.Phone(s.address, "alice", DOMAIN))


@test("forking: serial by q, the same q together, the next group when all have refused")
def _(b):
    s = server(b, "ring = serial; ring_time = 30s;")
    low, one, two = phones(b, s, "0.3", "0.8", "0.8")
    a = alice(b, s)
    rq = a.invite(uri("bob"))
    first = [(p, p.wait("INVITE")) for p in (one, two)]
    low.nothing("INVITE", 0.5)
    for p, m in first:
        p.answer(m, 486)
    m = low.wait("INVITE")
    low.answer(m, 200, body=low.sdp())
    ok = a.wait(lambda x: rq.mine(x) and x.status >= 200)
    assert ok.status == 200
    a.caller_dialog(rq, ok).ack()
    low.wait("ACK")


@test("forking: a hunt goes on after the ring time, the best answer of all reaches the caller")
def _(b):
    s = server(b, "ring = hunt; ring_time = 1s;")
    one, two = phones(b, s, "0.9", "0.5")
    a = alice(b, s)
    rq = a.invite(uri("bob"))
    m = one.wait("INVITE")
    one.answer(m, 180)
    n = two.wait("INVITE", 4)
    c = one.wait("CANCEL")
    one.answer(c, 200)
    one.answer(m, 487)
    two.answer(n, 486)
    assert a.finish(rq).status == 486


@test("forking: hunting on although one worker dies now and then is a call that ends")
def _(b):
    import os
    import signal
    s = server(b, "ring = hunt; ring_time = 2s;")
    one, two = phones(b, s, "0.9", "0.5")
    a = alice(b, s)
    rq = a.invite(uri("bob"))
    m = one.wait("INVITE")
    one.answer(m, 180)
    a.wait(180)
    s.expect_complaint = True
    for pid, line in s.children().items():
        if "worker" in line:
            os.kill(pid, signal.SIGKILL)
    one.answer(m, 486)
    assert a.finish(rq, 15).status in (486, 408)


@test("forking: round robin begins with each phone in turn")
def _(b):
    s = server(b, "ring = round_robin;")               # two workers, which count together
    ps = phones(b, s, "1.0", "1.0", "1.0")
    seen = set()
    for _ in range(3):
        a = alice(b, s)
        rq = a.invite(uri("bob"))
        hit = next((p, m) for _ in range(100) for p in ps for m in [p.find("INVITE", 0.02)] if m)
        seen.add(hit[0].port)
        hit[0].answer(hit[1], 603)
        assert a.finish(rq).status == 603
        for p in ps:
            p.find("ACK", 0.05)
    assert len(seen) == 3, seen


@test("forking: a 3xx is followed where that is wanted, else the caller gets it")
def _(b):
    for recurse in ("on", "off"):
        s = server(b, f"recurse = {recurse};")
        [bob] = phones(b, s, "1.0")
        carol = b.keep(sip.Phone(s.address, "carol", DOMAIN))
        a = alice(b, s)
        rq = a.invite(uri("bob"))
        bob.answer(bob.wait("INVITE"), 302, headers=[("Contact", f"<{carol.contact}>")])
        if recurse == "off":
            assert a.finish(rq).status == 302
            continue
        carol.answer(carol.wait("INVITE"), 486)
        assert a.finish(rq).status == 486


@test("a request that comes back as it left is a loop: 482; changed, it is a spiral")
def _(b):
    for host in ("127.0.0.1", "::1"):
        s = Server(b, script='listen @LISTEN@;\ncontrol "@CONTROL@";\nrequest_route { relay(); }\n', database=False, host=host)
        p = b.keep(sip.Phone(s.address, "bob", DOMAIN))
        rq = p.start("MESSAGE", p.contact)
        m = p.wait("MESSAGE")
        assert m.get("Max-Breadth") == "60"
        p.send(m.raw)
        assert p.wait(lambda x: x.status).status == 482
        p.send(m.raw.replace(b"MESSAGE sip:bob@", b"MESSAGE sip:carol@", 1))
        back = p.wait("MESSAGE")
        assert len(back.all("Via")) == 3, back.headers
        p.answer(back, 200)


@test("Max-Breadth 1 does not do for two phones: 440")
def _(b):
    s = server(b)
    phones(b, s, "1.0", "1.0")
    a = alice(b, s)
    assert a.finish(a.start("INVITE", uri("bob"), [("Max-Breadth", "1")])).status == 440


@test("a REGISTER that comes by two branches is refused once: 482")
def _(b):
    s = server(b)
    p = b.keep(sip.Phone(s.address, "bob", DOMAIN))
    kw = {"call_id": "m@x", "cseq": 3, "from_": f"<{p.aor}>;tag=m", "to": f"<{p.aor}>"}
    contact = [("Contact", f"<{p.contact}>")]
    assert p.finish(p.start("REGISTER", f"sip:{DOMAIN}", contact, **kw)).status == 200
    assert p.finish(p.start("REGISTER", f"sip:{DOMAIN}", contact, **kw)).status == 482
    kw["cseq"] = 4
    assert p.finish(p.start("REGISTER", f"sip:{DOMAIN}", contact, **kw)).status == 200


@test("from IPv4 to IPv6: two Record-Route, and the BYE finds its way from either side")
def _(b):
    other = sip.free_port("::1")
    s = server(b, more=f"listen udp:[::1]:{other};")
    bob = b.keep(sip.Phone(("::1", other), "bob", DOMAIN))
    bob.registered()
    for hangs_up in ("caller", "callee"):
        a = alice(b, s)
        rq = a.invite(uri("bob"))
        m = bob.wait("INVITE")
        assert [s.here in r or f"[::1]:{other}" in r for r in m.all("Record-Route")] == [True, True], m.headers
        assert f"[::1]:{other}" in m.all("Record-Route")[0], m.headers
        bob.answer(m, 200, body=bob.sdp())
        ok = a.wait(lambda x: rq.mine(x) and x.status == 200)
        d = a.caller_dialog(rq, ok)
        d.ack()
        assert not bob.wait("ACK").all("Route")
        p, q, d = (a, bob, d) if hangs_up == "caller" else (bob, a, bob.callee_dialog(m))
        bye = d.start("BYE")
        got = q.wait("BYE")
        assert not got.all("Route") and len(got.all("Via")) == 2, got.headers
        q.answer(got, 200)
        assert p.finish(bye).status == 200


@test("Path: kept, told, and followed to the phone; Service-Route is told")
def _(b):
    s = server(b, registrar='service_route = "<sip:edge.example.org;lr>";')
    edge, bob, a = (b.keep(sip.Phone(s.address, u, DOMAIN)) for u in ("edge", "bob", "alice"))
    m = bob.registered(headers=[("Supported", "path"), ("Path", f"<sip:{edge.here};lr;ob=x>")])
    assert m.get("Path") == f"<sip:{edge.here};lr;ob=x>" and m.get("Service-Route") == "<sip:edge.example.org;lr>", m.headers
    rq = a.start("MESSAGE", uri("bob"))
    got = edge.wait("MESSAGE")
    assert got.uri == bob.contact and got.all("Route") == [f"<sip:{edge.here};lr;ob=x>"], got.headers
    bob.nothing("MESSAGE", 0.2)
    edge.answer(got, 200)
    assert a.finish(rq).status == 200


@test("a Path without Supported: path is refused where the operator wants that")
def _(b):
    s = server(b, registrar="path_unasked = refuse;")
    p = b.keep(sip.Phone(s.address, "bob", DOMAIN))
    m = p.register(headers=[("Path", "<sip:127.0.0.9;lr>")])
    assert m.status == 420 and m.get("Unsupported") == "path", m.headers


FORWARD = """
listen @LISTEN@;
control "@CONTROL@";
request_route { forward("sip:NEXT"); }
"""


@test("a stateless proxy: the INVITE, its CANCEL, the refusal and its ACK go through with one branch")
def _(b):
    for host in ("127.0.0.1", "::1"):
        port = sip.free_port(host)
        s = Server(b, script=FORWARD.replace("NEXT", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), database=False, host=host)
        bob = b.keep(sip.Phone(s.address, "bob", DOMAIN, port=port))
        a = b.keep(sip.Phone(s.address, "alice", DOMAIN))
        rq = a.invite(bob.contact)
        m = bob.wait("INVITE")
        bob.answer(m, 180)
        a.wait(180)
        cancelled = a.cancel(rq)
        c = bob.wait("CANCEL")
        assert c.branch == m.branch and c.uri == m.uri, (c.headers, m.headers)
        bob.answer(c, 200)
        assert a.finish(cancelled).status == 200
        bob.answer(m, 487)
        assert a.finish(rq).status == 487
        assert bob.wait("ACK").branch == m.branch


@test("an outbound proxy: all that a phone sends leaves through it, by its preloaded Route")
def _(b):
    s = Server(b, script='listen @LISTEN@;\ncontrol "@CONTROL@";\nrequest_route { record_route(); relay(); }\n', database=False)
    a, far = b.keep(sip.Phone(s.address, "alice", DOMAIN)), b.keep(sip.Phone(s.address, "bob", "far.example"))
    for method in ("INVITE", "MESSAGE", "REGISTER", "SUBSCRIBE"):
        rq = a.start(method, far.contact, routes=[f"<sip:{s.here};lr>"])
        m = far.wait(method)
        assert not m.all("Route") and m.source[:2] == s.address and len(m.all("Record-Route")) == 1, m.headers
        far.answer(m, 486)
        assert a.finish(rq).status == 486


@test("timers follow their settings: t1 = 50ms gives an INVITE up after 64*T1 with 408, a MESSAGE without an answer")
def _(b):
    s = Server(b, script='listen @LISTEN@;\ncontrol "@CONTROL@";\nt1 50ms;\nrequest_route { relay(); }\n', database=False)
    a, silent = b.keep(sip.Phone(s.address, "alice", DOMAIN)), b.keep(sip.Phone(s.address, "bob", DOMAIN))
    begun = time.monotonic()
    rq = a.start("INVITE", silent.contact)
    m = a.wait(lambda x: rq.mine(x) and x.status >= 200)
    assert m.status == 408 and 2.8 < time.monotonic() - begun < 4.5, (m, time.monotonic() - begun)
    a.ack_refusal(rq, m)
    silent.find("BYE", 0.1)
    assert silent.repeats >= 4, silent.repeats                          # Timer A: 50, 100, 200, 400 ms ...
    rq = a.start("MESSAGE", silent.contact)
    silent.wait("MESSAGE")
    a.nothing(lambda x: rq.mine(x) and x.status >= 200, 4.5)             # RFC 4320 4.2: no 408 to what is no INVITE


@test("the phone that lost is told: Reason, call completed elsewhere (RFC 3326)")
def _(b):
    s = server(b)
    one, two = phones(b, s, "1.0", "1.0")
    a = alice(b, s)
    rq = a.invite(uri("bob"))
    m, n = one.wait("INVITE"), two.wait("INVITE")
    one.answer(m, 180)
    two.answer(n, 180)
    one.answer(m, 200, body=one.sdp())
    c = two.wait("CANCEL")
    assert "cause=200" in c.get("Reason") and "elsewhere" in c.get("Reason"), c.headers
    two.answer(c, 200)
    two.answer(n, 487)
    ok = a.wait(lambda x: rq.mine(x) and x.status == 200)
    a.caller_dialog(rq, ok).ack()
    one.wait("ACK")
