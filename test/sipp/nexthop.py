"""Where a request goes (RFC 3263): NAPTR, SRV and addresses from a name server of our own, and what happens when a server is dead."""
import os
import signal
import socket
import time

import dns
import sip
from sipario import Server
from suite import test

SCRIPT = """
domain "example.org";
listen @LISTEN@;
listen "udp:127.0.0.2:%(other)d";
control "@CONTROL@";
branch_timeout 1s;
avoid_for 3s;
request_route {
    if ($ru == "sip:du@example.org") { $du = "sip:far.test"; relay(); exit; }
    if ($ru == "sip:to@example.org") { relay(to = "sip:far.test"); exit; }
    if ($ru == "sip:forward@far.test") { forward(); exit; }
    record_route();
    relay();
}
"""


class Far:
    """Servers behind the name far.test: phones[0] comes first."""

    def __init__(self, b, host="127.0.0.1", n=2, naptr=True, ttl=60, workers=2):
        self.dns = b.keep(dns.Dns(ttl=ttl))
        self.s = Server(b, script=SCRIPT % {"other": sip.free_port()}, settings=self.dns.setting(), host=host, database=False, workers=workers)
        self.phones = [b.keep(sip.Phone(self.s.address, f"far{i}", "far.test", host=host)) for i in range(n)]
        kind = "AAAA" if ":" in host else "A"
        self.dns.zone.update({("_sip._udp.far.test", "SRV"): [f"{i} 0 {p.port} s{i}.far.test" for i, p in enumerate(self.phones)]})
        self.dns.zone.update({(f"s{i}.far.test", kind): [host] for i in range(n)})
        if naptr:
            self.dns.zone[("far.test", "NAPTR")] = ["10 10 s SIP+D2T _sip._tcp.far.test", "20 10 s SIP+D2U _sip._udp.far.test"]
        self.alice = b.keep(sip.Phone(self.s.address, "alice", "example.org", host=host))

    def call(self, uri="sip:bob@far.test"):
        return self.alice.invite(uri)

    def answered_by(self, rq, phone, status=200, seconds=8):
        m = phone.wait("INVITE", seconds)
        phone.answer(m, status, body=phone.sdp() if status == 200 else b"")
        got = self.alice.wait(lambda x: rq.mine(x) and x.status >= 200)
        assert got.status == status, got
        if status == 200:
            d = self.alice.caller_dialog(rq, got)
            d.ack()
            phone.wait("ACK")
            bye = d.start("BYE")
            phone.answer(phone.wait("BYE"), 200)
            assert self.alice.finish(bye).status == 200
        return m


for host in ("127.0.0.1", "::1"):
    @test(f"next hop: NAPTR and SRV find the server, the cache is asked then, {host}")
    def _(b, host=host):
        f = Far(b, host)
        for _ in range(6):                              # two workers: what one has asked both know
            f.answered_by(f.call(), f.phones[0])
        asked = [k for n, k in f.dns.asked]
        assert asked.count("NAPTR") == 1 and asked.count("SRV") == 1, f.dns.asked

    @test(f"next hop: a silent server is left for the next one, and avoided, {host}")
    def _(b, host=host):
        f = Far(b, host)
        rq, started = f.call(), time.monotonic()
        first = f.phones[0].wait("INVITE")
        m = f.answered_by(rq, f.phones[1])
        assert 0.8 < time.monotonic() - started < 4
        assert m.branch != first.branch and m.get("CSeq") == first.get("CSeq") and m.get("Call-ID") == first.get("Call-ID")
        f.phones[0].find("nothing", 0.2)
        started = time.monotonic()
        f.answered_by(f.call(), f.phones[1])            # at once: the first is avoided
        assert time.monotonic() - started < 0.8
        time.sleep(3)
        f.answered_by(f.call(), f.phones[0])            # probed again, and it lives

    @test(f"next hop: a port where nobody listens (ICMP) costs no time, {host}")
    def _(b, host=host):
        f = Far(b, host)
        f.phones[0].sock.close()
        started = time.monotonic()
        f.answered_by(f.call(), f.phones[1])
        assert time.monotonic() - started < 0.8


@test("next hop: another server takes over from a worker that is killed")
def _(b):
    f = Far(b)
    rq = f.call()
    f.phones[0].wait("INVITE")
    for pid in f.s.children():
        with open(f"/proc/{pid}/comm") as c:
            if "worker" in c.read():
                os.kill(pid, signal.SIGKILL)
    f.answered_by(rq, f.phones[1])


@test("next hop: a non-INVITE fails over, too")
def _(b):
    f = Far(b)
    rq = f.alice.start("MESSAGE", "sip:bob@far.test", [("Content-Type", "text/plain")], "Hello")
    f.phones[0].wait("MESSAGE")
    f.phones[1].answer(f.phones[1].wait("MESSAGE"), 200)
    assert f.alice.finish(rq).status == 200


@test("next hop: forward() without state always takes the first")
def _(b):
    f = Far(b)
    for _ in range(3):
        rq = f.alice.start("OPTIONS", "sip:forward@far.test")
        f.phones[0].answer(f.phones[0].wait("OPTIONS"), 200)
        assert f.alice.finish(rq).status == 200


@test("next hop: a request too large for a datagram goes by TCP, and by UDP where nobody accepts it (RFC 3261 18.1.1)")
def _(b):
    s = Server(b, script='domain "example.org";\nlisten @LISTEN@;\nlisten "tcp:127.0.0.1:%d";\nrequest_route { relay(); }\n' % sip.free_port(), database=False)
    alice, bob = b.keep(sip.Phone(s.address, "alice", "example.org")), b.keep(sip.Phone(s.address, "bob", "example.org"))

    def message():
        return alice.start("MESSAGE", f"sip:bob@{bob.here}", [("Content-Type", "text/plain")], "x" * 1500)

    rq = message()
    m = bob.wait("MESSAGE", 2)                          # refused at once, so UDP
    assert m.get("Via").startswith("SIP/2.0/UDP"), m.get("Via")
    bob.answer(m, 200)
    assert alice.finish(rq).status == 200
    with socket.create_server((bob.host, bob.port)) as server:
        server.settimeout(5)
        time.sleep(0.1)
        rq = alice.start("MESSAGE", f"sip:bob@{bob.here}", [("Content-Type", "text/plain")], "short")
        m = bob.wait("MESSAGE", 2)
        bob.answer(m, 200)
        assert alice.finish(rq).status == 200
        s2 = Server(b, script='domain "example.org";\nlisten @LISTEN@;\nlisten "tcp:127.0.0.1:%d";\nrequest_route { relay(); }\n' % sip.free_port(), database=False)
        alice.server = s2.address                       # one that has nothing to avoid
        rq = message()
        conn, _ = server.accept()
        with conn:
            conn.settimeout(5)
            raw = b""
            while b"x" * 1500 not in raw:
                raw += conn.recv(65536)
            m = sip.Message(raw)
            assert m.get("Via").startswith("SIP/2.0/TCP"), m.get("Via")
            via = "".join(f"Via: {v}\r\n" for v in m.all("Via"))
            conn.sendall((f"SIP/2.0 200 OK\r\n{via}From: {m.get('From')}\r\nTo: {m.get('To')};tag=1\r\nCall-ID: {m.get('Call-ID')}\r\n"
                          f"CSeq: {m.get('CSeq')}\r\nContent-Length: 0\r\n\r\n").encode())
            assert alice.finish(rq).status == 200
