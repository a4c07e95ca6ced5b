"""Next hops (RFC 3263) and what a proxy does with branches of its own making: each flow over UDP and TCP, IPv4 and IPv6."""
import re
import time

import dns
import sip
from badinput import counters
from matrix import BOB, SCRIPT, answered, final, flow, give_way, hang_up, refuse
from sipario import DOMAIN


class Far:
    """Two servers behind the name far.test, on the transport and family of a Net."""

    def __init__(self, n, ttl=60, script=SCRIPT, more="", ring="", patience="500ms"):
        self.names = n.b.keep(dns.Dns(ttl=ttl))
        n.up(more=self.names.setting() + f"branch_timeout {patience};\n" + more, script=script, ring=ring)
        self.phones = [n.phone(f"far{i}") for i in range(2)]
        kind = "tcp" if n.tcp else "udp"
        self.srv = (f"_sip._{kind}.far.test", "SRV")
        self.names.zone = {("far.test", "NAPTR"): [f"10 10 s SIP+D2{kind[0].upper()} {self.srv[0]}"], self.srv: [f"{i} 0 {p.port} s{i}.far.test" for i, p in enumerate(self.phones)]}
        self.names.zone.update({(f"s{i}.far.test", "AAAA" if ":" in n.host else "A"): [n.host] for i in range(2)})


FAR = "sip:x@far.test"


def message(a, to=FAR):
    return a.start("MESSAGE", to, [("Content-Type", "text/plain")], "Hello")


def taken(a, rq, p, method="MESSAGE", seconds=5):
    """The request reaches p, which answers 200; what came."""
    m = p.wait(method, seconds)
    p.answer(m, 200)
    assert a.finish(rq).status == 200
    return m


@flow("flow: NAPTR, SRV and address lead to the server; 503 to the next one, and the first is asked again when it lives")
def _(n):
    one, two = Far(n).phones
    a = n.phone()
    rq = a.invite(FAR)
    m = one.wait("INVITE")
    refuse(one, m, 503)
    k = two.wait("INVITE")
    assert k.uri == FAR and k.branch != m.branch and k.all("Via")[0].startswith(n.via()), k.headers
    d, _ = answered(a, rq, two, k)
    hang_up(a, d, two)
    taken(a, message(a), one)


@flow("flow: who does not listen or says nothing is left for the next server, and avoided")
def _(n):
    for silent in (True, False):
        one, two = Far(n).phones
        a = n.phone()
        if not silent:
            one.sock.close()
        rq = a.invite(FAR)
        if silent:
            one.wait("INVITE")
        refuse(two, two.wait("INVITE"), 486)
        final(a, rq, 486)
        rq = a.invite(FAR)
        refuse(two, two.wait("INVITE", 0.4), 486)       # at once
        final(a, rq, 486)
        if not silent:
            one.sock = two.sock.dup()                   # what close() closes


@flow("flow: a name is asked for once, whichever worker needs it; no record at all is answered, and remembered, too")
def _(n):
    f, a = Far(n), n.phone()
    for _ in range(6):
        taken(a, message(a), f.phones[0])
    for _ in range(3):
        assert a.finish(message(a, "sip:x@nowhere.test")).status >= 400
    for question in (("far.test", "NAPTR"), f.srv, ("nowhere.test", "NAPTR")):
        assert f.names.asked.count(question) == 1, (question, f.names.asked)


@flow("flow: weights share the calls (RFC 2782)")
def _(n):
    f, a, got = Far(n), n.phone(), [0, 0]
    f.names.zone[f.srv] = [f"1 {w} {p.port} s{i}.far.test" for i, (w, p) in enumerate(zip((90, 10), f.phones))]
    for _ in range(60):
        rq, m = message(a), None
        while not m:
            which = next((i for i, p in enumerate(f.phones) if (m := p.find("MESSAGE", 0.02))), None)
        got[which] += 1
        f.phones[which].answer(m, 200)
        assert a.finish(rq).status == 200
    assert got[0] > 40 and got[1] >= 1, got


@flow("flow: a record that changes is seen when its time is over")
def _(n):
    f, a = Far(n, ttl=1), n.phone()
    taken(a, message(a), f.phones[0])
    f.names.zone[f.srv] = [f"0 0 {f.phones[1].port} s1.far.test"]
    time.sleep(1.2)
    taken(a, message(a), f.phones[1])


@flow("flow: Retry-After of a 503 keeps a server away for so long, then it is asked again")
def _(n):
    f, a = Far(n), n.phone()
    rq = message(a)
    f.phones[0].answer(f.phones[0].wait("MESSAGE"), 503, headers=[("Retry-After", "2")])
    taken(a, rq, f.phones[1])
    taken(a, message(a), f.phones[1])
    time.sleep(2.1)
    taken(a, message(a), f.phones[0])


@flow("flow: all servers fail: one answer, and no 503 (RFC 3261 16.7 step 6)")
def _(n):
    f, a = Far(n), n.phone()
    rq = a.invite(FAR)
    for p in f.phones:
        refuse(p, p.wait("INVITE"), 503)
    final(a, rq, 500)


@flow("flow: CANCEL ends the search")
def _(n):
    f, a = Far(n), n.phone()
    rq = a.invite(FAR)
    f.phones[0].wait("INVITE")
    assert a.finish(a.cancel(rq)).status == 200
    final(a, rq, 487)
    f.phones[1].nothing("INVITE", 0.8)


ELSEWHERE = """
domain "example.org";
listen @LISTEN@;
control "@CONTROL@";
MORE
request_route {
    record_route();
    if ($rU == "du") $du = "sip:far.test";
    if ($rU == "to") relay(to = "sip:far.test");
    relay();
}
"""


@flow("flow: $du and relay(to = uri) are resolved, the Request-URI stays")
def _(n):
    f, a = Far(n, script=ELSEWHERE), n.phone()
    for user in ("du", "to"):
        to = f"sip:{user}@{DOMAIN}"
        m = taken(a, message(a, to), f.phones[0])
        assert m.uri == to and m.all("Via")[0].startswith(n.via()) and not m.all("Route"), m.headers


@flow("flow: what is advertised stands in Via and Record-Route, and is known as our own")
def _(n):
    n.up(more='advertise "proxy.example.net:5999";\n')
    [bob], a = n.phones("1.0"), n.phone()
    rq = a.invite(BOB)
    m = bob.wait("INVITE")
    assert m.all("Via")[0].startswith(n.via() + " proxy.example.net:5999;"), m.all("Via")
    assert re.match(r"<sip:\w+@proxy.example.net:5999;", m.get("Record-Route")), m.get("Record-Route")
    d, _ = answered(a, rq, bob, m)                      # the Route of ACK and BYE names us so
    hang_up(a, d, bob)


# ------------------------------------------------------------------ branches
LATER = SCRIPT.replace("    relay();", '    add_branch("sip:CAROL", after = 500ms);\n    relay();')


@flow("flow: add_branch: another phone joins the call that rings")
def _(n):
    port = sip.free_port(n.host)
    n.up(script=LATER.replace("CAROL", "carol@" + n.at(port)))
    [bob], a, carol = n.phones("1.0"), n.phone(), n.phone("carol", port=port)
    rq = a.invite(BOB)
    m = bob.wait("INVITE")
    bob.answer(m, 180)
    a.wait(180)
    carol.nothing("INVITE", 0.2)
    k = carol.wait("INVITE", 2)
    bob.nothing("CANCEL", 0.1)
    carol.answer(k, 180)
    d, _ = answered(a, rq, carol, k)
    c = give_way(bob, m)
    assert "cause=200" in c.get("Reason"), c.headers
    hang_up(a, d, carol)


LOCAL = SCRIPT.replace('$rd == "example.org"', "is_local($rd)")


@flow("flow: a fork bomb goes off in vain: contacts that lead back here, in parallel or in series, end with one answer (RFC 5393 3)")
def _(n):
    for ring in ("parallel", "hunt"):
        f = Far(n, script=LOCAL, ring=f"ring = {ring};", patience="5s", more=f'domain "{n.host}";\n')
        tp = ";transport=tcp" if n.tcp else ""
        f.names.zone[f.srv] = [f"0 0 {n.s.port} s0.far.test"]
        p, a = n.b.keep(sip.Phone(n.s.address, "bob", n.s.here, host=n.host)), n.phone()    # over TCP its connection would be where it is called
        for paths in ([], [("Path", f"<sip:{n.s.here};lr{tp}>")], [("Path", "<sip:far.test;lr>")]):
            kw = {"headers": paths, "call_id": sip.token()}
            assert p.register(contact="*", headers=[("Expires", "0")], call_id=sip.token()).status == 200
            p.registered(contact=", ".join(f"<{p.aor}{tp};n={i}>;q=0.{9 - i}" for i in range(8)), **kw)
            before = counters(n.s)
            rq = a.invite(p.aor + tp)
            got = a.finish(rq)
            assert got.status in (440, 482), (got, paths)
            spent = counters(n.s)["proxy.requests"] - before["proxy.requests"]
            assert spent < 1000, (ring, paths, spent)
            a.nothing(lambda x: rq.mine(x) and x.status >= 200)
