"""Bindings over the network: what becomes of those whose connection is lost, and of requests that come before all of them are in memory."""
import concurrent.futures
import os
import signal
import socket
import struct
import time

import postgres
import relay
import sip
from sipario import DOMAIN, Server, new_database, role
from suite import test, until

REGISTRAR = """listen @LISTEN@; listen @LISTEN_TCP@; domain @DOMAIN@; database "@DATABASE@"; control "@CONTROL@";
module location { durable = on; lost_connection = @LOST@; } module registrar { max_contacts = 10; }
request_route {
	if ($rm == "REGISTER") { save(); exit; }
	if (!lookup()) send_reply(480);
	relay();
}
"""


def server(b, lost="forget", **kw):
    return Server(b, REGISTRAR.replace("@LOST@", lost), **kw)


# ---------------------------------------------------------- a lost connection
def by_connection(p):
    """A Contact that only this connection leads to, as of a phone that listens nowhere."""
    return f"sip:{p.user}@{p.host}:{p.conn.getsockname()[1]};transport=tcp"


def tcp_phone(b, s, user="alice"):
    return b.keep(sip.TcpPhone(s.address, user, DOMAIN))


def fin(p):
    p.drop()


def rst(p):
    p.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    p.drop()


def rows(s):
    return sorted(x for x, in s.sql("SELECT contact FROM bindings"))


def reached(caller, user):
    """Status of a MESSAGE to that user."""
    return caller.finish(caller.start("MESSAGE", f"sip:{user}@{DOMAIN}"), 40).status


def is_lost(b, s, user, end):
    """Registers by a connection that then ends: the binding goes from memory and from the database."""
    p, caller = tcp_phone(b, s, user), b.keep(sip.Phone(s.address, "caller", DOMAIN))
    p.registered(contact=f"<{by_connection(p)}>;expires=600")
    assert rows(s) == [by_connection(p)]
    rq = caller.start("MESSAGE", f"sip:{user}@{DOMAIN}")
    p.answer(p.wait("MESSAGE"), 200)
    assert caller.finish(rq).status == 200
    end(p)
    until(lambda: rows(s) == [], 8)
    assert reached(caller, user) == 480
    assert user not in s.ctl("location", "list")


@test("a phone's connection ends: its binding goes, from memory and from the database")
def _(b):
    s = server(b)
    is_lost(b, s, "alice", fin)
    is_lost(b, s, "bob", rst)
    assert s.counter("location.lost") == 2


@test("lost_connection: which contacts go with their connection, and which stay")
def _(b):
    for lost, stay in (("forget", {"open"}), ("forget_all", set()), ("keep", {"open", "closed"})):
        s = server(b, lost)
        phones = {x: tcp_phone(b, s, x) for x in ("open", "closed")}
        contact = {"open": phones["open"].contact, "closed": by_connection(phones["closed"])}
        for x, p in phones.items():
            p.registered(contact=f"<{contact[x]}>;expires=600")
        assert len(rows(s)) == 2
        rst(phones["open"])
        fin(phones["closed"])
        until(lambda: s.counter("location.lost") == 2 - len(stay), 8)
        until(lambda: rows(s) == sorted(contact[x] for x in stay), 8)
        assert s.counter("location.bindings") == len(stay)
        if "open" in stay:      # it is connected to
            caller, p = b.keep(sip.Phone(s.address, "caller", DOMAIN)), phones["open"]
            rq = caller.start("MESSAGE", f"sip:open@{DOMAIN}")
            p.answer(p.wait("MESSAGE"), 200)
            assert caller.finish(rq).status == 200
        s.close()


@test("a phone that comes back by another connection, as the same instance, stays registered")
def _(b):
    s = server(b)
    caller = b.keep(sip.Phone(s.address, "caller", DOMAIN))
    for end in (fin, rst):
        old, new = tcp_phone(b, s), tcp_phone(b, s)
        for p in (old, new):
            p.registered(call_id="same@phone", cseq=1 if p is old else 2, headers=[("Supported", "outbound, path")],
                         contact=f'<{by_connection(p)}>;expires=600;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-{end.__name__:0>12}>"')
        assert rows(s) == [by_connection(new)]
        end(old)
        time.sleep(1)
        assert rows(s) == [by_connection(new)] and s.counter("location.bindings") == 1
        rq = caller.start("MESSAGE", f"sip:alice@{DOMAIN}")
        new.answer(new.wait("MESSAGE"), 200)
        assert caller.finish(rq).status == 200
        end(new)
        until(lambda: rows(s) == [], 8)
        assert reached(caller, "alice") == 480


@test("a connection that is lost with the worker that had it")
def _(b):
    s = server(b)
    p, caller = tcp_phone(b, s), b.keep(sip.Phone(s.address, "caller", DOMAIN))
    p.registered(contact=f"<{by_connection(p)}>;expires=600")
    for x in [x for x in s.children() if "worker" in role(x)]:
        os.kill(x, signal.SIGKILL)
    until(lambda: rows(s) == [], 8)
    assert reached(caller, "alice") == 480


# -------------------------------------- before all bindings are in memory
MANY, DELAY = 30000, 0.15       # fifteen pages of a third of a second each, and more


def insert(c, values):
    c.sql("sip", "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) " + values)


def distant(b):
    """A server on a database that is far away and full of bindings: it has just begun to load them."""
    c, far_away = b.keep(postgres.Cluster()), int(time.time()) + 3600
    new_database(c.url("sip"), users=())
    insert(c, f"SELECT 'sip:p' || n || '@{DOMAIN}', 'sip:p' || n || '@192.0.2.1', 'c' || n, 1, {far_away} FROM generate_series(1, {MANY}) n")
    phones = [b.keep(sip.Phone(("127.0.0.1", 9), f"z{n}", DOMAIN)) for n in range(8)]
    for p in phones:        # of each user there are two contacts, both lead to the phone
        insert(c, "VALUES " + ", ".join(f"('sip:{p.user}@{DOMAIN}', '{p.contact}{x}', 'c', 1, {far_away})" for x in (";line=1", ";line=2")))
    far = b.keep(relay.Relay(os.path.join(c.dir, f".s.PGSQL.{c.port}"), DELAY))
    s = server(b, store=f"postgresql://sipario@127.0.0.1:{far.port}/sip?sslmode=disable", ready=40)
    for p in phones:
        p.server = s.address
    return c, s, phones


def loading(s):
    return "bindings loaded" not in s.text()


@test("requests that come before all bindings are loaded get the right answer: each is asked for", alone=True)
def _(b):
    c, s, phones = distant(b)
    callers = [b.keep(sip.Phone(s.address, f"c{n}", DOMAIN)) for n in range(len(phones))]
    assert loading(s)

    def calls(caller, p):
        """Both contacts of the user are asked."""
        rq = caller.start("MESSAGE", f"sip:{p.user}@{DOMAIN}")
        got = [p.wait(lambda m: m.method == "MESSAGE" and ";line=2" in m.uri), p.wait(lambda m: m.method == "MESSAGE" and ";line=1" in m.uri)]
        for m in got:
            p.answer(m, 200)
        return caller.finish(rq).status
    with concurrent.futures.ThreadPoolExecutor(len(phones)) as pool:
        assert list(pool.map(calls, callers, phones)) == [200] * len(phones)
    assert reached(callers[0], "zz") == 480         # nobody, which the database says
    asked = s.counter("location.asked")
    assert loading(s), "all was loaded before anything could be asked"
    assert asked >= len(phones) + 1, asked
    until(lambda: not loading(s), 60)
    assert calls(callers[0], phones[0]) == 200 and reached(callers[0], "zz") == 480
    assert s.counter("location.asked") == asked
    assert s.counter("location.bindings") == MANY + 2 * len(phones)


@test("who registers before all bindings are loaded is told of all its contacts, and keeps them", alone=True)
def _(b):
    c, s, phones = distant(b)
    assert loading(s)
    p, q, gone = phones[:3]
    m = p.registered(contact=f"<{p.contact};line=3>;expires=600")
    assert len(m.all("Contact")) == 3, m.raw
    m = q.register(contact="")                      # asks only
    assert m.status == 200 and len(m.all("Contact")) == 2, m.raw
    m = gone.registered(contact="*", headers=[("Expires", "0")])
    assert not m.all("Contact"), m.raw
    assert loading(s), "all was loaded before anything could be asked"
    until(lambda: not loading(s), 60)
    assert [len(x.register(contact="").all("Contact")) for x in (p, q, gone)] == [3, 2, 0]
    count = f"SELECT count(*) FROM bindings WHERE aor IN ('sip:{p.user}@{DOMAIN}', 'sip:{q.user}@{DOMAIN}', 'sip:{gone.user}@{DOMAIN}')"
    assert c.sql("sip", count) == "5"


@test("a worker that is killed while it asks for bindings: who asks again is answered rightly", alone=True)
def _(b):
    c, s, phones = distant(b)
    caller, p = b.keep(sip.Phone(s.address, "caller", DOMAIN)), phones[0]
    assert loading(s)
    rq = caller.start("MESSAGE", f"sip:zz@{DOMAIN}")
    time.sleep(DELAY)
    for x in [x for x in s.children() if "worker" in role(x)]:
        os.kill(x, signal.SIGKILL)
    assert caller.finish(rq, 30).status in (480, 503)       # its run died with the worker: the transaction that stays ends by itself
    assert reached(caller, "zz") == 480
    rq = caller.start("MESSAGE", f"sip:{p.user}@{DOMAIN}")
    for _ in range(2):
        p.answer(p.wait("MESSAGE"), 200)
    assert caller.finish(rq).status == 200
