"""The server on PostgreSQL, and on one that is far away, killed, or of another schema."""
import concurrent.futures
import os
import re
import statistics
import subprocess
import threading
import time

import postgres
import relay
import sip
from sipario import BIN, DOMAIN, TOP, Server, ctl, new_database, password
from suite import test


def cluster(b):
    """One for each test that harms it."""
    return b.keep(postgres.Cluster())


def store(c, name="sip"):
    new_database(c.url(name))
    return c.url(name)


def phones(b, s, n):
    return [b.keep(sip.Phone(s.address, f"p{i}", DOMAIN, password=password(f"p{i}"))) for i in range(n)]


def add_users(url, n):
    for i in range(n):
        ctl("--db", url, "user", "add", f"p{i}@{DOMAIN}", "--stdin", input=password(f"p{i}") + "\n")


def soon(what, want, seconds=15):
    end = time.monotonic() + seconds
    while what() != want:
        assert time.monotonic() < end, f"{what()} is not {want}"
        time.sleep(0.1)


@test("PostgreSQL: users, calls and bindings, and siparioctl sees them")
def _(b):
    c = cluster(b)
    s = Server(b, store=store(c))
    alice, bob = (b.keep(sip.Phone(s.address, u, DOMAIN, password=password(u))) for u in ("alice", "bob"))
    alice.registered()
    bob.registered()
    rq = alice.invite(f"sip:bob@{DOMAIN}")
    bob.answer(bob.wait("INVITE"), 486)
    assert alice.finish(rq).status == 486
    assert c.sql("sip", "SELECT count(*) FROM registered") == "2"
    assert "sip:bob@" in s.ctl("location", "list") and "alice@" in s.ctl("user", "list")
    c.sql("sip", f"UPDATE users SET forward_always = 'sip:alice@{DOMAIN}' WHERE name = 'bob'")
    rq = alice.invite(f"sip:bob@{DOMAIN}")
    alice.answer(alice.wait("INVITE"), 603)
    assert alice.finish(rq).status == 603
    c.sql("sip", "UPDATE users SET status = 'disabled' WHERE name = 'bob'")
    soon(lambda: bob.register().status in (401, 403), True)


@test("PostgreSQL: the role sipario_server is enough for all that the server does, and a record waits for a GRANT that is missing")
def _(b):
    c = cluster(b)
    store(c)
    c.sql("sip", "CREATE ROLE least LOGIN IN ROLE sipario_server")
    s = Server(b, store=c.url("sip", user="least"))
    alice, bob = (b.keep(sip.Phone(s.address, u, DOMAIN, password=password(u))) for u in ("alice", "bob"))
    alice.registered()
    bob.registered()

    def call(status):
        rq = alice.invite(f"sip:bob@{DOMAIN}")
        bob.answer(bob.wait("INVITE"), 486)
        assert alice.finish(rq).status == status

    records = lambda: c.sql("sip", "SELECT count(*) FROM calls")
    call(486)
    soon(records, "1")
    c.sql("sip", "UPDATE users SET forward_always = 'sip:alice@example.org' WHERE name = 'bob'")    # heard of, and no phone of bob's is asked any more
    rq = alice.invite(f"sip:bob@{DOMAIN}")
    alice.answer(alice.wait("INVITE"), 603)
    assert alice.finish(rq).status == 603
    soon(records, "2")
    c.sql("sip", "UPDATE users SET forward_always = NULL")
    c.sql("sip", "REVOKE INSERT, UPDATE ON calls FROM sipario_server")
    call(486)
    soon(lambda: "call records wait in the spool" in open(s.log).read(), True)
    assert "GRANT sipario_server TO this database user" in open(s.log).read()
    alice.registered()    # nobody else's changes wait for it
    c.sql("sip", "GRANT INSERT, UPDATE ON calls TO sipario_server")
    soon(records, "3")
    assert not [f for f in os.listdir(b.dir) if f.endswith(".cdr") and os.path.exists(b.path(f) + "/rejected")]


@test("PostgreSQL 100 ms away: many register at once, and OPTIONS is answered as ever", alone=True)
def _(b):
    c, n, each = cluster(b), 20, 4
    url = store(c)
    add_users(url, n)
    far = b.keep(relay.Relay(os.path.join(c.dir, f".s.PGSQL.{c.port}"), 0.05))      # there and back again
    s = Server(b, store=f"postgresql://sipario@127.0.0.1:{far.port}/sip?sslmode=disable")
    group, ms = phones(b, s, n), []
    probe = b.keep(sip.Phone(s.address, "probe", "probe.invalid"))
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        work = [pool.submit(lambda p=p: [p.registered() for _ in range(each)]) for p in group]
        while not all(w.done() for w in work):
            at = time.monotonic()
            probe.wait(probe.start("OPTIONS", f"sip:{s.here}").mine, 5)
            ms.append((time.monotonic() - at) * 1000)
        for w in work:
            w.result()
    took = time.monotonic() - started
    one_by_one = n * each * 0.2 / 2     # two ways to the database and back for each, two workers that would wait
    assert took < one_by_one, f"{n * each} REGISTERs took {took:.1f} s"
    assert statistics.median(ms) < 25, f"OPTIONS took {statistics.median(ms):.1f} ms in the middle"


@test("kill -9 of PostgreSQL while phones register: what was answered 200 is there afterwards")
def _(b):
    c, n = cluster(b), 8
    url = store(c)
    c.sql("postgres", "ALTER SYSTEM SET fsync = on")
    c.stop()
    c.start()
    add_users(url, n)
    s = Server(b, store=url)
    group, stop, good, count = phones(b, s, n), threading.Event(), {}, [0]

    def storm(p):
        while not stop.is_set():
            try:
                if p.register(expires=3600).status == 200:
                    good[p.user] = p.cseq
                    count[0] += 1
            except AssertionError:
                pass    # no answer in time, or 503 for the first of the two
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        work = [pool.submit(storm, p) for p in group]
        for _ in range(2):
            time.sleep(1.5)
            c.kill()
            time.sleep(0.5)
            c.start()
        time.sleep(4)
        stop.set()
        for w in work:
            w.result()
    rows = dict(re.findall(r"sip:(p\d+)@[^|]*\|(\d+)", c.sql("sip", "SELECT aor, cseq FROM bindings")))
    assert len(good) == n and count[0] > 50, good
    assert all(int(rows[u]) >= cseq for u, cseq in good.items()), f"lost: {good} {rows}"
    text = s.text()
    assert text.count("no connection to the database") <= 2 * 3 and "database is back" in text, text[-3000:]


@test("a server on a schema of before says the command that helps, and no password")
def _(b):
    c = cluster(b)
    c.sql("postgres", "CREATE DATABASE old")
    url = c.url("old").replace("sipario@", "sipario:hush@")
    r = subprocess.run([BIN, "-f", os.path.join(TOP, "etc/sipario.cfg"), "-D", f"DATABASE={url}", "-D", f"LISTEN=udp:127.0.0.1:{sip.free_port('127.0.0.1')}",
                        "-D", f"LISTEN_TCP=tcp:127.0.0.1:{sip.free_port('127.0.0.1')}", "-D", f"CONTROL={b.path('s')}"], capture_output=True, text=True, timeout=30)
    said = r.stdout + r.stderr
    assert r.returncode != 0 and "has schema 0, this server needs" in said and "db migrate" in said and "hush" not in said, said
