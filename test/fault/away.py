"""PostgreSQL away when the server starts, or when a part of it starts anew: it serves what it can, and is whole when the database comes."""
import json
import os
import re
import signal
import subprocess
import time

import deaf
import postgres
import sip
from sipario import BIN, DOMAIN, Server, ctl, new_database, password, role
from suite import test, until

# Its domains are in the database alone.
FOREIGN = """listen @LISTEN@; database "@DATABASE@"; control "@CONTROL@"; domains_of_profile;
module permissions { refresh = 1h; }
module location { durable = on; } module registrar {}
request_route {
	if ($rm == "REGISTER") { save(); exit; }
	if ($rm == "INFO") send_reply(480, trusted_peer() ?? "nobody");
	if ($rm == "SUBSCRIBE") send_reply(480, call_class($ru) ?? "none");
	if (!is_local($rd)) send_reply(403, "Relay denied");
	if (profile($ru) == null) send_reply(404);
	record_route();
	if (!lookup()) send_reply(480);
	relay();
}
""".replace("domains_of_profile;", "module profile { domains_refresh = 1h; }")


def cluster(b, name="sip", peers=()):
    """One that has everything, on 127.0.0.1, and is stopped. peers: networks to be trusted, which need no password."""
    c = b.keep(postgres.Cluster())
    if name:
        new_database(c.url(name))
        c.sql(name, "INSERT INTO call_prefixes (prefix, class) VALUES ('+39', 'national')")
        for net in peers:
            c.sql(name, f"INSERT INTO trusted_peers (network, name) VALUES ('{net}', 'pbx')")
    c.stop()
    return c


def tcp_url(port, name="sip", **options):
    return f"postgresql://sipario@127.0.0.1:{port}/{name}?" + "&".join(["sslmode=disable", *(f"{k}={v}" for k, v in options.items())])


def phone(b, s, user, **kw):
    return b.keep(sip.Phone(s.address, user, DOMAIN, password=password(user), **kw))


def later(m):
    assert m.status == 503 and m.get("Retry-After"), m.raw


def asks(p, method, uri):
    return p.finish(p.start(method, uri, [("Event", "x")] if method == "SUBSCRIBE" else []))


def status(s):
    return json.loads(s.ctl("--json", "status"))


def calls(b, s):
    """Both register, one calls the other and hangs up."""
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    until(lambda: alice.register().status == 200)
    until(lambda: bob.register().status == 200)
    rq = alice.invite(f"sip:bob@{DOMAIN}")
    bob.answer(bob.wait("INVITE"), 200, body=bob.sdp())
    d = alice.caller_dialog(rq, alice.wait(lambda m: rq.mine(m) and m.status == 200))
    d.ack()
    bob.wait("ACK")
    bye = d.start("BYE")
    bob.answer(bob.wait("BYE"), 200)
    assert alice.finish(bye).status == 200


def said(s, *words):
    """How often each of them is in the log."""
    return [s.text().count(w) for w in words]


def starts_without(b, s, come):
    alice, probe = phone(b, s, "alice"), b.keep(sip.Phone(s.address, "probe", "probe.invalid"))
    later(alice.register())
    assert asks(probe, "OPTIONS", f"sip:{s.here}").status == 200
    assert alice.finish(alice.start("REGISTER", f"sip:{DOMAIN}", to=f"<{alice.aor}>")).status == 401      # asking for a password needs no database
    assert asks(probe, "INVITE", "sip:x@elsewhere.example").status == 503     # whose it is, is not known: neither relayed nor refused for good
    st = status(s)
    assert st["database_state"] == "away" and st["database_why"] and st["database_without_it"] >= 2, st
    time.sleep(3)
    assert said(s, "is away", "no connection to", "not heard", "cannot be written", "database is back") == [1, 0, 0, 0, 0], s.text()
    come()
    calls(b, s)
    until(lambda: status(s)["database_state"] == "there")
    assert said(s, "is away", "the database is back") == [1, 1], s.text()


@test("a server starts while PostgreSQL refuses connections, and serves when it comes")
def _(b):
    c = cluster(b)
    s = Server(b, store=tcp_url(c.port))
    starts_without(b, s, c.start)
    assert c.sql("sip", "SELECT count(*) FROM registered") == "2"


@test("the same while the database's host swallows all that is sent to it")
def _(b):
    c, hole = cluster(b), b.keep(deaf.BlackHole())
    c.port = hole.port
    s = Server(b, store=tcp_url(hole.port, connect_timeout=2))
    starts_without(b, s, lambda: (hole.close(), c.start()))


@test("the same without a name for the database's host: it is said, and OPTIONS is answered")
def _(b):
    s = Server(b, store="postgresql://sipario:hush@db.invalid/sip")
    assert said(s, "is away", "hush") == [1, 0], s.text()
    later(phone(b, s, "alice").register())


@test("what the database knows alone is asked for later: domains, peers, prefixes, bindings")
def _(b):
    c = cluster(b, peers=["127.0.0.0/8"])
    s = Server(b, FOREIGN, store=tcp_url(c.port))
    p = b.keep(sip.Phone(s.address, "alice", DOMAIN))
    later(asks(p, "MESSAGE", f"sip:bob@{DOMAIN}"))
    later(asks(p, "MESSAGE", "sip:bob@elsewhere.example"))
    later(asks(p, "SUBSCRIBE", "sip:+39@elsewhere.example"))
    later(p.register())
    assert asks(p, "INFO", "sip:x@elsewhere.example").reason == "nobody"
    c.start()
    until(lambda: asks(p, "MESSAGE", f"sip:bob@{DOMAIN}").status == 480)
    until(lambda: asks(p, "MESSAGE", "sip:bob@elsewhere.example").status == 403)
    until(lambda: all(asks(p, "INFO", "sip:x@elsewhere.example").reason == "pbx" for _ in range(8)))
    until(lambda: all(asks(p, "SUBSCRIBE", "sip:+39@elsewhere.example").reason == "national" for _ in range(8)))
    p.registered()


@test("a database that turns out to be another one's is said once, and served without; it is taken when it is put right")
def _(b):
    c = cluster(b, None)
    c.start()
    c.sql("postgres", "CREATE DATABASE late")
    c.stop()
    url = tcp_url(c.port, "late")
    s = Server(b, store=url)
    children = set(s.children())
    c.start()
    until(lambda: "has schema 0, this server needs" in s.text())
    alice = phone(b, s, "alice")
    later(alice.register())
    st = status(s)
    assert st["database_state"] == "unfit" and "db migrate" in st["database_why"], st
    time.sleep(3)
    assert said(s, "has schema 0", "is away", "database is back") == [1, 1, 0], s.text()
    assert set(s.children()) == children, "a process has died of it"
    new_database(url)
    calls(b, s)
    until(lambda: status(s)["database_state"] == "there")


@test("what waiting will not help is refused at the start, with what does")
def _(b):
    c = b.keep(postgres.Cluster())
    new_database(c.url("sip"))
    for url, words in ((tcp_url(c.port, "nowhere"), "db migrate"), (tcp_url(c.port).replace("sipario@", "locked:wrong@"), "right password"),
                       (tcp_url(c.port).replace("sipario@", "nobody@"), "createuser"), ("postgresql://x@127.0.0.1:1:2/sip", "invalid")):
        port = sip.free_port()
        with open(b.path("x.cfg"), "w") as f:
            f.write(f'domain "{DOMAIN}"; listen udp:127.0.0.1:{port}; database "{url}"; module profile {{}} request_route {{ send_reply(404); }}\n')
        r = subprocess.run([BIN, "-f", b.path("x.cfg")], capture_output=True, text=True, timeout=30)
        assert r.returncode == 3 and words in r.stdout + r.stderr and "wrong@" not in r.stderr, (url, r)


@test("processes that are killed while the database is away start anew, also all of them; then it comes")
def _(b):
    c = cluster(b, peers=["127.0.0.0/8"])
    c.start()
    s = Server(b, FOREIGN, store=tcp_url(c.port))
    p = b.keep(sip.Phone(s.address, "alice", DOMAIN))
    p.registered()
    c.stop("immediate")
    for name in ("writer", "worker 1", "worker 2"):
        old = set(s.children())
        os.kill(next(x for x in old if role(x) == name), signal.SIGKILL)
        until(lambda: any(role(x) == name for x in set(s.children()) - old))
    time.sleep(1)
    later(asks(p, "MESSAGE", f"sip:bob@{DOMAIN}"))
    assert asks(p, "MESSAGE", "sip:bob@elsewhere.example").status == 403      # the domains of before
    old = set(s.children())
    os.kill(next(x for x in old if role(x) == "worker 2"), signal.SIGABRT)     # as a memory fault: shared memory is built anew
    until(lambda: len(s.children()) == len(old) and not set(s.children()) & old)
    until(lambda: asks(p, "MESSAGE", "sip:bob@elsewhere.example").status == 403)
    later(p.register())
    assert asks(p, "INFO", "sip:x@elsewhere.example").reason == "pbx"
    c.start()
    until(lambda: p.register().status == 200)
    assert int(c.sql("sip", "SELECT count(*) FROM registered")) == 1


@test("a reload while the database is away loses nothing that is loaded")
def _(b):
    c = cluster(b, peers=["127.0.0.0/8"])
    c.start()
    s = Server(b, FOREIGN, store=tcp_url(c.port))
    p, bob = (b.keep(sip.Phone(s.address, x, DOMAIN)) for x in ("alice", "bob"))
    bob.registered()
    rq = p.start("MESSAGE", f"sip:bob@{DOMAIN}")
    bob.answer(bob.wait("MESSAGE"), 200)
    assert p.finish(rq).status == 200
    c.stop("immediate")
    with open(s.file, "a") as f:
        f.write("# changed\n")
    s.ctl("reload")
    rq = p.start("MESSAGE", f"sip:bob@{DOMAIN}")
    bob.answer(bob.wait("MESSAGE"), 202)
    assert p.finish(rq).status == 202
    assert asks(p, "MESSAGE", "sip:bob@elsewhere.example").status == 403
    assert asks(p, "INFO", "sip:x@elsewhere.example").reason == "pbx"
    assert asks(p, "SUBSCRIBE", "sip:+39@elsewhere.example").reason == "national"


def talk(alice, bob):
    rq = alice.invite(f"sip:bob@{DOMAIN}")
    m = bob.wait("INVITE")
    bob.answer(m, 200, body=bob.sdp())
    d = alice.caller_dialog(rq, alice.wait(lambda x: rq.mine(x) and x.status == 200))
    d.ack()
    bob.wait("ACK")
    return d


CALLS = """listen @LISTEN@; domain @DOMAIN@; database "@DATABASE@"; control "@CONTROL@";
module cdr { spool = "@SPOOL@"; sync_interval = 10ms; }
const CALLEE = "";
request_route { if (CALLEE == "") send_reply(480); record_route(); relay(to = CALLEE); }
"""


@test("a call of before a restart goes on when the database comes, and ends on record; one of meanwhile goes on as well")
def _(b):
    c = cluster(b)
    c.start()
    bob = b.keep(sip.Phone(("127.0.0.1", 9), "bob", DOMAIN))
    s = Server(b, CALLS.replace('CALLEE = ""', f'CALLEE = "sip:{bob.here}"'), store=tcp_url(c.port))
    bob.server = s.address
    alice = b.keep(sip.Phone(s.address, "alice", DOMAIN))
    before = talk(alice, bob)
    until(lambda: c.sql("sip", "SELECT count(*) FROM calls WHERE end_ms IS NULL") == "1")
    c.stop()
    assert s.stop() == 0
    s.start()
    later(before.do("BYE"))                 # whether it is one of ours cannot be told yet
    meanwhile = talk(alice, bob)
    c.start()
    until(lambda: "the database is back" in s.text())
    until(lambda: s.counter("cdr.open") == 2)
    for d in (before, meanwhile):
        bye = d.start("BYE")
        bob.answer(bob.wait("BYE"), 200)
        assert alice.finish(bye).status == 200
    until(lambda: c.sql("sip", "SELECT count(*) FROM calls WHERE ended_by = 'caller'") == "2")
