"""The flows that every transport must carry alike: each over UDP and TCP, IPv4 and IPv6. What is peculiar to one of them has a test of its own elsewhere."""
import sip
from badinput import counters
from sipario import DOMAIN, Server
from suite import test

NETS = [(transport, host) for transport in ("UDP", "TCP") for host in ("127.0.0.1", "::1")]
SCRIPT = """
domain "example.org";
listen @LISTEN@;
control "@CONTROL@";
MORE
module location  { durable = off; }
module registrar { REGISTRAR }
module forking   { RING }
request_route {
    if ($rm == "REGISTER" && $rd == "example.org") { save(); exit; }
    record_route();
    if ($rd == "example.org" && !lookup()) send_reply(480);
    relay();
}
"""
FAST = "t1 50ms;\nt2 200ms;\nbranch_timeout 60s;\n"


class Net:
    """A server and its phones on one transport and family."""

    def __init__(self, b, transport, host):
        self.b, self.tcp, self.host = b, transport == "TCP", host
        self.s = None

    def up(self, ring="", registrar="", more="", script=SCRIPT):
        text = script.replace("RING", ring).replace("REGISTRAR", registrar).replace("MORE", more)
        self.s = Server(self.b, script=text, database=False, host=self.host, tcp=self.tcp)
        return self

    def phone(self, user="alice", **kw):
        return self.b.keep((sip.TcpPhone if self.tcp else sip.Phone)(self.s.address, user, DOMAIN, host=self.host, **kw))

    def phones(self, *qs, user="bob"):
        """They register, each with its q."""
        out = [self.phone(user) for _ in qs]
        for p, q in zip(out, qs):
            p.registered(contact=f"<{p.contact}>;q={q}")
        return out

    def at(self, port):
        """As a URI names a phone here."""
        return (f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}") + (";transport=tcp" if self.tcp else "")

    def via(self):
        return "SIP/2.0/TCP" if self.tcp else "SIP/2.0/UDP"

    def route(self, p):
        return f"<sip:{p.here};lr{';transport=tcp' if self.tcp else ''}>"


def flow(name):
    def note(fn):
        for transport, host in NETS:
            test(f"{name} [{transport}, {'IPv6' if ':' in host else 'IPv4'}]")(lambda b, t=transport, h=host: fn(Net(b, t, h)))
        return fn
    return note


BOB = f"sip:bob@{DOMAIN}"


def final(a, rq, status):
    """The caller gets this answer, and no other final one."""
    m = a.wait(lambda x: rq.mine(x) and x.status >= 200)
    assert m.status == status, m
    if rq.method == "INVITE" and status >= 300:
        a.ack_refusal(rq, m)
    return m


def answered(a, rq, p, m):
    """200 and ACK; the dialogs of both."""
    p.answer(m, 200, body=p.sdp())
    d = a.caller_dialog(rq, final(a, rq, 200))
    d.ack()
    assert not p.wait("ACK").all("Route")
    return d, p.callee_dialog(m)


def hang_up(a, d, p):
    bye = d.start("BYE")
    m = p.wait("BYE")
    assert not m.all("Route"), m.headers
    p.answer(m, 200)
    assert a.finish(bye).status == 200


def refuse(p, m, status, **kw):
    p.answer(m, status, **kw)
    p.wait("ACK")


def give_way(p, m):
    """A phone that is cancelled."""
    c = p.wait("CANCEL")
    p.answer(c, 200)
    refuse(p, m, 487)
    return c


# -------------------------------------------------------------- transactions
@flow("flow: a call, its ACK and BYE by the route set from either side")
def _(n):
    n.up()
    [bob] = n.phones("1.0")
    for caller_hangs_up in (True, False):
        a = n.phone()
        rq = a.invite(BOB)
        m = bob.wait("INVITE")
        assert m.all("Via")[0].startswith(n.via()) and len(m.all("Record-Route")) == 1, m.headers
        bob.answer(m, 180)
        a.wait(180)
        d, e = answered(a, rq, bob, m)
        hang_up(*(a, d, bob) if caller_hangs_up else (bob, e, a))


@flow("flow: a refusal is acknowledged hop by hop, the caller's ACK goes no further")
def _(n):
    n.up()
    [bob] = n.phones("1.0")
    a = n.phone()
    rq = a.invite(BOB)
    m = bob.wait("INVITE")
    refuse(bob, m, 486)
    final(a, rq, 486)
    bob.answer(m, 180)                                  # late: absorbed
    a.nothing(lambda x: x.status, 0.3)
    bob.nothing("ACK", 0.1)


@flow("flow: CANCEL before any answer waits for one; it brings 487, and its Reason to the phone")
def _(n):
    n.up()
    [bob] = n.phones("1.0")
    a = n.phone()
    rq = a.invite(BOB)
    m = bob.wait("INVITE")
    cancel = a.start("CANCEL", rq.uri, [("Reason", 'SIP;cause=200;text="elsewhere"')], call_id=rq.call_id, cseq=rq.cseq, from_=rq.from_, to=rq.to, branch=rq.branch)
    assert a.finish(cancel).status == 200
    bob.nothing("CANCEL", 0.2)                          # RFC 3261 9.1
    bob.answer(m, 180)
    c = give_way(bob, m)
    assert c.branch == m.branch and "cause=200" in c.get("Reason"), c.headers
    final(a, rq, 487)


@flow("flow: a 2xx that crosses the CANCEL makes the call")
def _(n):
    n.up()
    [bob] = n.phones("1.0")
    a = n.phone()
    rq = a.invite(BOB)
    m = bob.wait("INVITE")
    bob.answer(m, 180)
    a.wait(180)
    assert a.finish(a.cancel(rq)).status == 200
    bob.answer(bob.wait("CANCEL"), 481)
    d, _ = answered(a, rq, bob, m)
    hang_up(a, d, bob)


@flow("flow: two 2xx of one INVITE, each with its own ACK; CANCEL after that is for nothing")
def _(n):
    n.up()
    one, two = n.phones("1.0", "1.0")
    a = n.phone()
    rq = a.invite(BOB)
    legs = [(p, p.wait("INVITE")) for p in (one, two)]
    for p, m in legs:
        p.answer(m, 180)
        a.wait(180)
    one.answer(legs[0][1], 200, body=one.sdp())
    two.answer(two.wait("CANCEL"), 200)
    two.answer(legs[1][1], 200, body=two.sdp())
    for m in [a.wait(lambda x: rq.mine(x) and x.status == 200) for _ in range(2)]:
        a.caller_dialog(rq, m).ack()
    for p in (one, two):
        p.wait("ACK")
    assert a.finish(a.cancel(rq)).status == 200         # its INVITE is known still (Accepted), but it has no effect
    one.nothing("CANCEL", 0.2)


@flow("flow: silence gives 408 to an INVITE after 64*T1, and nothing to what is no INVITE (RFC 4320)")
def _(n):
    n.up(more=FAST)
    [bob] = n.phones("1.0")
    a = n.phone()
    rq, other = a.invite(BOB), a.start("MESSAGE", BOB)
    first = bob.wait("INVITE")
    if n.tcp:
        bob.nothing(lambda m: m.raw == first.raw, 0.5)  # a reliable transport repeats nothing
    final(a, rq, 408)
    a.nothing(lambda x: other.mine(x) and x.status >= 200, 1)
    bob.find("BYE", 0.1)
    assert n.tcp or bob.repeats >= 4, bob.repeats


@flow("flow: a phone that says nothing at all is given up after branch_timeout")
def _(n):
    n.up(more="branch_timeout 500ms;\n")
    bob, silent = n.phones("1.0", "1.0")
    a = n.phone()
    rq = a.invite(BOB)
    m = bob.wait("INVITE")
    bob.answer(m, 180)
    silent.wait("INVITE")
    a.nothing(lambda x: x.status and x.status >= 200, 0.8)
    refuse(bob, m, 486)
    final(a, rq, 486)


@flow("flow: loops 482, spirals go on, Max-Forwards 483, Max-Breadth 440, merged REGISTER 482, strays are dropped")
def _(n):
    n.up()
    bob, _ = n.phones("1.0", "1.0")
    a, far = n.phone(), n.phone("far")
    rq = a.start("MESSAGE", far.contact)
    m = far.wait("MESSAGE")
    assert m.get("Max-Breadth") == "60" and m.get("Max-Forwards") == "69", m.headers
    far.send(m.raw)
    if n.tcp:                                           # the 482 comes back over the connection, by UDP to the Via, which is the server's
        assert far.wait(lambda x: x.status).status == 482
        far.answer(m, 482)
    assert a.finish(rq).status == 482
    rq = a.start("MESSAGE", far.contact)
    m = far.wait("MESSAGE")
    far.send(m.raw.replace(b"MESSAGE sip:far@", b"MESSAGE sip:other@", 1))
    back = far.wait("MESSAGE")
    assert len(back.all("Via")) == 3, back.headers
    far.answer(back, 200)
    if n.tcp:
        far.answer(far.wait(200) and m, 200)
    assert a.finish(rq).status == 200
    assert a.finish(a.start("MESSAGE", BOB, max_forwards=0)).status == 483
    assert a.finish(a.start("INVITE", BOB, [("Max-Breadth", "1")])).status == 440
    kw = {"call_id": "m@x", "cseq": 3, "from_": f"<{bob.aor}>;tag=m", "to": f"<{bob.aor}>"}
    assert [bob.finish(bob.start("REGISTER", f"sip:{DOMAIN}", **kw)).status for _ in range(2)] == [200, 482]
    far.send(m.raw.replace(b"MESSAGE " + m.uri.encode() + b" SIP/2.0", b"SIP/2.0 200 OK", 1).replace(m.branch.encode(), b"z9hG4bKx"))
    a.nothing(lambda x: x.status, 0.2)
    assert counters(n.s)["proxy.stray_responses"] == 1


# ------------------------------------------------------------------- forking
@flow("flow: serial by q, then the loser of a pair is told that the call was completed elsewhere (RFC 3326)")
def _(n):
    n.up(ring="ring = serial;")
    high, one, two = n.phones("0.9", "0.5", "0.5")
    a = n.phone()
    rq = a.invite(BOB)
    refuse(high, high.wait("INVITE"), 486)
    m, k = one.wait("INVITE"), two.wait("INVITE")
    for p, x in ((one, m), (two, k)):
        p.answer(x, 180)
    one.answer(m, 200, body=one.sdp())
    c = give_way(two, k)
    assert "cause=200" in c.get("Reason") and "elsewhere" in c.get("Reason"), c.headers
    a.caller_dialog(rq, final(a, rq, 200)).ack()
    one.wait("ACK")


@flow("flow: hunting, in turn: each phone for its time, from another one each time")
def _(n):
    n.up(ring="ring = round_robin; ring_time = 1s;")
    phones = n.phones("1.0", "1.0")
    for i in range(2):
        a = n.phone()
        rq = a.invite(BOB)
        first, second = phones if i == 0 else phones[::-1]
        m = first.find("INVITE", 0.5)
        if i == 0 and not m:
            first, second = phones = phones[::-1]
            m = first.wait("INVITE")
        first.answer(m, 180)
        k = second.wait("INVITE", 4)
        give_way(first, m)
        refuse(second, k, 603)
        final(a, rq, 603)


@flow("flow: the best answer of a fork: challenges of all, 503 as 500, 6xx before all")
def _(n):
    n.up()
    one, two = n.phones("1.0", "1.0")
    a = n.phone()
    rq = a.invite(BOB)
    refuse(one, one.wait("INVITE"), 401, headers=[("WWW-Authenticate", 'Digest realm="one", nonce="1"')])
    refuse(two, two.wait("INVITE"), 407, headers=[("Proxy-Authenticate", 'Digest realm="two", nonce="2"')])
    m = a.wait("4xx")
    a.ack_refusal(rq, m)
    assert 'realm="one"' in m.get("WWW-Authenticate") and 'realm="two"' in m.get("Proxy-Authenticate"), m.headers
    for codes, want in (((503, 503), 500), ((404, 603), 603)):
        rq = a.invite(BOB)
        for p, code in zip((one, two), codes):
            refuse(p, p.wait("INVITE"), code)
        final(a, rq, want)


@flow("flow: the contacts of all redirects ring, where that is wanted")
def _(n):
    n.up(ring="recurse = on;")
    one, two = n.phones("1.0", "1.0")
    a, three, four = n.phone(), n.phone("three"), n.phone("four")
    rq = a.invite(BOB)
    refuse(one, one.wait("INVITE"), 302, headers=[("Contact", f"<{three.contact}>")])
    refuse(two, two.wait("INVITE"), 301, headers=[("Contact", f"<{four.contact}>")])
    m, k = three.wait("INVITE"), four.wait("INVITE")
    refuse(three, m, 486)
    answered(a, rq, four, k)


STATELESS = """
listen @LISTEN@;
control "@CONTROL@";
request_route { forward("sip:NEXT"); }
"""


@flow("flow: a stateless proxy: INVITE, CANCEL, refusal and ACK with one branch")
def _(n):
    port = sip.free_port(n.host)
    n.up(script=STATELESS.replace("NEXT", n.at(port)))
    bob, a = n.phone("bob", port=port), n.phone()
    rq = a.invite(bob.contact)
    m = bob.wait("INVITE")
    bob.answer(m, 180)
    a.wait(180)
    cancel = a.cancel(rq)
    c = bob.wait("CANCEL")
    assert c.branch == m.branch and c.uri == m.uri, (c.headers, m.headers)
    bob.answer(c, 200)
    assert a.finish(cancel).status == 200
    bob.answer(m, 487)
    final(a, rq, 487)
    assert bob.wait("ACK").branch == m.branch


@flow("flow: an outbound proxy: what a phone sends leaves by its preloaded Route")
def _(n):
    n.up()
    a, far = n.phone(), n.phone("far")
    for method in ("INVITE", "SUBSCRIBE", "REGISTER"):
        rq = a.start(method, far.contact, routes=[f"<sip:{n.s.here};lr{';transport=tcp' if n.tcp else ''}>"])
        m = far.wait(method)
        assert not m.all("Route") and len(m.all("Via")) == 2 and len(m.all("Record-Route")) == 1, m.headers
        far.answer(m, 486)
        final(a, rq, 486)


# -------------------------------------------------------------- Record-Route
@flow("flow: parameters of a Contact and of the routes are kept, a strict router in front is undone")
def _(n):
    n.up()
    [bob] = n.phones("1.0")
    a = n.phone()
    rq = a.invite(BOB, headers=[("Record-Route", "<sip:127.0.0.9;lr;x=1;y>;z=2")])
    m = bob.wait("INVITE")
    assert m.all("Record-Route")[1] == "<sip:127.0.0.9;lr;x=1;y>;z=2", m.headers
    bob.contact += ";p=%41;q"
    bob.answer(m, 200, body=bob.sdp())
    ok = final(a, rq, 200)
    assert ok.all("Record-Route") == m.all("Record-Route") and ok.contact_uri().endswith(";p=%41;q"), ok.headers
    d = a.caller_dialog(rq, ok)
    d.routes = d.routes[1:]                             # what the proxy before us has taken off
    d.ack()
    assert bob.wait("ACK").uri == d.target
    own = m.all("Record-Route")[0].strip("<>")
    rq = a.start("BYE", own, call_id=d.call_id, cseq=9, from_=d.local, to=d.remote, routes=[f"<{d.target}>"])
    k = bob.wait("BYE")
    assert k.uri == d.target and not k.all("Route"), k.headers
    bob.answer(k, 200)
    assert a.finish(rq).status == 200


@flow("flow: a strict router behind us gets itself as Request-URI")
def _(n):
    n.up()
    a, strict = n.phone(), n.phone("strict")
    tp = ";transport=tcp" if n.tcp else ""
    rq = a.start("MESSAGE", "sip:x@far.example", routes=[f"<sip:{n.s.here};lr{tp}>", f"<sip:{strict.here}{tp}>"])
    m = strict.wait("MESSAGE")
    assert m.uri == f"sip:{strict.here}{tp}" and m.all("Route") == ["<sip:x@far.example>"], m.headers
    strict.answer(m, 200)
    assert a.finish(rq).status == 200


@flow("flow: Path is kept and followed, Service-Route told")
def _(n):
    n.up(registrar='service_route = "<sip:edge.example.org;lr>";')
    edge, bob, a = n.phone("edge"), n.phone("bob"), n.phone()
    path = n.route(edge)
    m = bob.registered(headers=[("Supported", "path"), ("Path", path)])
    assert m.get("Path") == path and m.get("Service-Route") == "<sip:edge.example.org;lr>", m.headers
    rq = a.start("MESSAGE", BOB)
    got = edge.wait("MESSAGE")
    assert got.uri == bob.contact and got.all("Route") == [path], got.headers
    edge.answer(got, 200)
    assert a.finish(rq).status == 200


for host in ("127.0.0.1", "::1"):
    @test(f"flow: from UDP to TCP and back: two Record-Route, each side gets its own [{'IPv6' if ':' in host else 'IPv4'}]")
    def _(b, host=host):
        n = Net(b, "TCP", host).up()
        for caller, callee in ((sip.Phone, sip.TcpPhone), (sip.TcpPhone, sip.Phone)):
            a, p = (b.keep(kind(n.s.address, user, DOMAIN, host=host)) for kind, user in ((caller, "alice"), (callee, "far")))
            rq = a.invite(p.contact)
            m = p.wait("INVITE")
            routes = m.all("Record-Route")
            assert len(routes) == 2 and ("transport=tcp" in routes[0]) == (callee is sip.TcpPhone) != ("transport=tcp" in routes[1]), routes
            d, e = answered(a, rq, p, m)
            rq = e.start("INFO")
            a.answer(a.wait("INFO"), 200)
            assert p.finish(rq).status == 200
            hang_up(a, d, p)


# ----------------------------------------------------------------------- TCP
@flow("flow: keepalives; a request behind one in the same datagram or stream is served")
def _(n):
    n.up()
    a = n.phone()
    a.send(b"\r\n\r\n")
    a.find("INVITE", 0.2)
    assert a.pongs == 1 if n.tcp else counters(n.s)["proxy.keepalives"] >= 1
    rq = a.start("OPTIONS", f"sip:{DOMAIN}")
    a.send(b"\r\n\r\n" + rq.raw.replace(rq.branch.encode(), b"z9hG4bKagain"))
    assert {a.wait(200).branch, a.wait(200).branch} == {rq.branch, "z9hG4bKagain"}


@flow("flow: a body of 40 kB")
def _(n):
    n.up()
    [bob] = n.phones("1.0")
    a, body = n.phone(), ("x" * 98 + "\r\n") * 400
    rq = a.start("MESSAGE", BOB, [("Content-Type", "text/plain")], body)
    m = bob.wait("MESSAGE")
    assert m.body == body.encode()
    bob.answer(m, 200)
    assert a.finish(rq).status == 200
