"""Connections seen closely (RFC 3261 18, RFC 5626 3.5.1, RFC 5923)."""
import os
import signal
import socket
import time

import sip
from badinput import counters
from calls import phone, uri
from sipario import DOMAIN, SHARED, Server, password
from suite import Skip, test

FORWARD = """
domain "@DOMAIN@";
listen @LISTEN@;
request_route { forward(); }
"""


def tcp_phone(b, s, user, **kw):
    kw.setdefault("password", password(user))
    return b.keep(sip.TcpPhone(s.address, user, DOMAIN, **kw))


def families(name):
    def note(fn):
        for host in ("127.0.0.1", "::1"):
            test(f"{name} [{'IPv6' if ':' in host else 'IPv4'}]")(lambda b, h=host: fn(b, h))
        return fn
    return note


@test("TCP: a phone is called over the connection that it registered on")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice"), tcp_phone(b, s, "bob")
    bob.registered(contact="<sip:bob@127.0.0.77:9;transport=tcp>;expires=600")
    for _ in range(8):                          # alice's datagrams go to either worker
        rq = alice.invite(uri("bob"))
        m = bob.wait("INVITE")
        assert m.source is bob.conn, "another connection"
        assert "SIP/2.0/TCP" in m.all("Via")[0], m.all("Via")
        bob.answer(m, 486)
        assert alice.finish(rq).status == 486
        bob.wait("ACK")


@families("TCP: the registered connection is lost: the Contact is connected to")
def _(b, host):
    s = Server(b, host=host)
    alice, bob = phone(b, s, "alice"), tcp_phone(b, s, "bob")
    bob.registered()
    bob.drop()
    time.sleep(0.2)
    rq = alice.invite(uri("bob"))
    m = bob.wait("INVITE")
    bob.answer(m, 486)
    assert alice.finish(rq).status == 486


@test("TCP: nobody listens at the Contact: the caller hears of it at once")
def _(b):
    s = Server(b)
    alice, bob = tcp_phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered(contact="<sip:bob@127.0.0.1:9;transport=tcp>;expires=600")
    began = time.monotonic()
    assert alice.finish(alice.invite(uri("bob"))).status in (480, 500)
    assert time.monotonic() - began < 3


@families("TCP: nothing is sent twice, neither requests nor answers")
def _(b, host):
    s = Server(b, host=host)
    alice, bob = tcp_phone(b, s, "alice"), tcp_phone(b, s, "bob")
    bob.registered()
    rq = alice.invite(uri("bob"))
    m = bob.wait("INVITE")
    bob.nothing("INVITE", 1.5)                  # timer A
    bob.answer(m, 486)
    alice.wait(486)
    alice.nothing(486, 1.5)                     # timer G
    bob.nothing("INVITE", 0.1)


@families("TCP: an answer outlives the connection of its request")
def _(b, host):
    s = Server(b, host=host)
    alice, bob = tcp_phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()
    rq = alice.invite(uri("bob"))
    m = bob.wait("INVITE")
    alice.wait(100)
    alice.drop()
    time.sleep(0.2)
    bob.answer(m, 486)
    assert alice.wait(486).source in alice.streams      # RFC 3261 18.2.2: to the port of its Via


@families("TCP: who forwards without state answers over the connection of the request")
def _(b, host):
    s = Server(b, host=host, script=FORWARD, tcp=True, database=False)
    alice, bob = tcp_phone(b, s, "alice", password=None), phone(b, s, "bob")
    for _ in range(8):
        rq = alice.start("MESSAGE", bob.contact)
        m = bob.wait("MESSAGE")
        bob.answer(m, 200)
        ok = alice.wait(200)
        assert ok.source is alice.conn and len(ok.all("Via")) == 1, ok.headers


@test("TCP: keepalives are answered, and a call goes on beside them")
def _(b):
    s = Server(b)
    alice = tcp_phone(b, s, "alice")
    alice.send(b"\r\n\r\n")
    alice.find("INVITE", 0.5)
    assert alice.pongs == 1
    alice.registered()


@test("TCP: lost framing is told with 400 and ends the connection (RFC 4475 ncl, mcl01), a body that never comes after a while (clerr)")
def _(b):
    s = Server(b, settings="tcp_message_timeout 1s;\n")
    for name, status in (("ncl", 400), ("mcl01", 400), ("clerr", None)):
        try:
            with open(os.path.join(SHARED, "corpus/rfc4475", name + ".dat"), "rb") as f:
                raw = f.read()
        except OSError:
            raise Skip("no corpus")
        p = b.keep(sip.TcpPhone(s.address))
        p.send(raw)
        assert p.closed(), f"{name}: still open"
        m = p.find("4xx", 0)
        assert (m and m.status) == status, f"{name}: {m}"
    tcp_phone(b, s, "alice").registered()


@test("TCP: a worker is killed: its connections end, new ones are served")
def _(b):
    s = Server(b)
    phones = [tcp_phone(b, s, "alice") for _ in range(6)]
    for p in phones:
        p.registered()
    victim = next(pid for pid in s.children() if "worker" in open(f"/proc/{pid}/comm").read())
    os.kill(victim, signal.SIGKILL)
    time.sleep(0.5)
    gone = [p for p in phones if p.closed(0.2)]
    assert len(gone) < 6, "all connections ended"
    for p in gone:
        p.connect()
    for p in phones:
        p.registered()


@families("TCP: limits of a source and of idleness, each with its counter")
def _(b, host):
    s = Server(b, host=host, settings="tcp_max_per_source 3;\ntcp_idle 3s;\ntcp_message_timeout 2s;\n")
    phones = [tcp_phone(b, s, "alice", password=None) for _ in range(3)]
    for p in phones[:2]:
        assert p.finish(p.start("OPTIONS", f"sip:{DOMAIN}")).status == 200
    refused = tcp_phone(b, s, "alice")
    assert refused.closed(), "the fourth was taken"
    assert all(p.closed(8) for p in phones), "idle or silent, and still open"
    count = counters(s)
    assert (count["net.tcp.refused_source"], count["net.tcp.closed_idle"], count["net.tcp.closed_silent"]) == (1, 2, 1), count


@families("TCP: a PROXY header, version 1 or 2, names the client; without one the connection is closed")
def _(b, host):
    v6 = ":" in host
    s = Server(b, host=host, settings=f'proxy_protocol_from "{"::1/128" if v6 else "127.0.0.0/8"}";\n')
    client = "2001:db8::77" if v6 else "127.0.0.77"
    packed = lambda a: socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, a)
    body = packed(client) + packed(host) + (4000).to_bytes(2, "big") + s.port.to_bytes(2, "big")
    one = f"PROXY TCP{6 if v6 else 4} {client} {host} 4000 {s.port}\r\n".encode()
    two = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x21 if v6 else 0x11]) + len(body).to_bytes(2, "big") + body
    for header in (one, two):
        p = tcp_phone(b, s, "alice", password=None)
        p.send(header)
        m = p.finish(p.start("OPTIONS", f"sip:{DOMAIN}"))
        assert m.status == 200 and f"received={client}" in m.get("Via"), m.headers
    p = tcp_phone(b, s, "alice", password=None)
    p.start("OPTIONS", f"sip:{DOMAIN}")
    assert p.closed() and counters(s)["net.tcp.closed_proxy_header"] == 1
