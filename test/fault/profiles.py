"""Profiles in shared memory: how soon a change holds, how often the database is asked, and what holds while it is away."""
import concurrent.futures
import json
import os
import signal
import statistics
import time

import postgres
import relay
import sip
from sipario import DOMAIN, Server, new_database, password, role
from suite import test, until

CACHED = """listen @LISTEN@; domain @DOMAIN@; database "@DATABASE@"; control "@CONTROL@";
module profile { grace = @GRACE@; domains_refresh = 1h; }
module permissions { refresh = 1h; }
module auth {} module location { durable = off; } module registrar {}
request_route {
	if ($rm == "REGISTER") { authenticate(); save(); }
	if ($rm == "INFO" && is_local($rd)) send_reply(200);
	if ($rm == "INFO") send_reply(403, call_class($ru) ?? "none");
	let user = profile($ru) ?? send_reply(404);
	if (user.forward_always) send_reply(302, user.forward_always);
	send_reply(480, user.name);
}
"""


def server(b, store, grace="1h", workers=2, **kw):
    s = Server(b, script=CACHED.replace("@GRACE@", grace), store=store, workers=workers, **kw)
    return s


def phone(b, s, user):
    return b.keep(sip.Phone(s.address, user, DOMAIN, password=password(user)))


def asks(p, user):
    """Status and reason of a MESSAGE to that user."""
    m = p.finish(p.start("MESSAGE", f"sip:{user}@{DOMAIN}"))
    return m.status, m.start.split(" ", 2)[2]


def cluster(b):
    c = b.keep(postgres.Cluster())
    new_database(c.url("sip"))
    return c


def heard(s, p, user="alice"):
    """From now on changes are heard: a second question for the same user is not asked."""
    def quiet():
        asks(p, user)
        before = s.counter("profile.queries")
        asks(p, user)
        return s.counter("profile.queries") == before
    until(quiet)


def changes_hold_soon(b, s, sql):
    """Forwarding set and removed by SQL, each time asked until it holds, in both workers."""
    p, ms = [phone(b, s, "carol") for _ in range(4)], []
    heard(s, p[0], "bob")
    for i in range(12):
        assert asks(p[i % 4], "bob")[0] in (302, 480)
        sql(f"UPDATE users SET forward_always = 'sip:n{i}@{DOMAIN}' WHERE name = 'bob'")
        started = time.monotonic()
        while asks(p[i % 4], "bob") != (302, f"sip:n{i}@{DOMAIN}"):
            assert time.monotonic() < started + 2, "a change does not hold"
        ms.append((time.monotonic() - started) * 1000)
        assert all(asks(x, "bob") == (302, f"sip:n{i}@{DOMAIN}") for x in p)
    print(f"# a change holds after {statistics.median(ms):.0f} ms, at most {max(ms):.0f} ms", flush=True)
    sql("INSERT INTO aliases (name, domain, user_id) SELECT 'sales', domain, id FROM users WHERE name = 'dave'")
    until(lambda: asks(p[0], "sales") == (480, "dave"), 2)
    sql("UPDATE users SET status = 'disabled' WHERE name = 'dave'")
    until(lambda: asks(p[0], "sales")[0] == 404, 2)
    sql("DELETE FROM aliases")
    sql("INSERT INTO domains (name) VALUES ('new.example')")
    until(lambda: all(x.finish(x.start("INFO", "sip:a@new.example")).status == 200 for x in p), 2)
    sql("INSERT INTO call_prefixes (prefix, class) VALUES ('+39', 'national')")
    until(lambda: all(x.finish(x.start("INFO", "sip:+39@elsewhere.example")).reason == "national" for x in p), 2)
    alice = phone(b, s, "alice")
    alice.registered()
    before = s.counter("profile.queries")
    for _ in range(10):
        alice.registered()
    assert s.counter("profile.queries") == before
    sql("UPDATE users SET ha1_md5 = NULL, ha1_sha256 = NULL WHERE name = 'alice'")
    until(lambda: alice.register().status != 200, 2)


@test("a change of a profile by SQL holds soon, and nobody asks twice: PostgreSQL", alone=True)
def _(b):
    c = cluster(b)
    changes_hold_soon(b, server(b, c.url("sip")), lambda text: c.sql("sip", text))


@test("a change of a profile by SQL holds soon, and nobody asks twice: SQLite", alone=True)
def _(b):
    s = server(b, None)
    changes_hold_soon(b, s, s.sql)


@test("PostgreSQL away: who is known goes on, who is not gets 503, after the grace all do")
def _(b):
    c = cluster(b)
    s = server(b, c.url("sip"), grace="6s")
    p, alice = phone(b, s, "carol"), phone(b, s, "alice")
    heard(s, p, "bob")
    alice.registered()
    c.stop("immediate")
    away = time.monotonic()
    assert asks(p, "bob")[0] == 480 and alice.register().status == 200
    m = p.finish(p.start("MESSAGE", f"sip:dave@{DOMAIN}"))
    assert m.status == 503 and m.get("Retry-After"), m.start
    assert alice.register().status == 200 or time.monotonic() > away + 5
    until(lambda: asks(p, "bob")[0] == 503, 20)
    assert time.monotonic() > away + 5
    assert s.counter("profile.stale") > 0
    c.start()
    until(lambda: asks(p, "bob")[0] == 480 and asks(p, "dave")[0] == 480, 20)
    c.sql("sip", f"UPDATE users SET forward_always = 'sip:x@{DOMAIN}' WHERE name = 'bob'")
    until(lambda: asks(p, "bob")[0] == 302)


@test("what changed while nobody could listen holds afterwards")
def _(b):
    c = cluster(b)
    s = server(b, c.url("sip"))
    p = phone(b, s, "carol")
    heard(s, p, "bob")
    c.sql("sip", f"BEGIN; UPDATE users SET forward_always = 'sip:y@{DOMAIN}' WHERE name = 'bob'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
          "WHERE query LIKE '%LISTEN%' AND pid <> pg_backend_pid(); COMMIT")
    until(lambda: asks(p, "bob")[0] == 302)
    heard(s, p, "bob")
    c.stop()
    c.start()
    c.sql("sip", "UPDATE users SET forward_always = NULL WHERE name = 'bob'")
    until(lambda: asks(p, "bob")[0] == 480)
    heard(s, p, "bob")


@test("a hundred who want the same user at once ask the database once")
def _(b):
    c = cluster(b)
    far = b.keep(relay.Relay(os.path.join(c.dir, f".s.PGSQL.{c.port}"), 0.2))
    s = server(b, f"postgresql://sipario@127.0.0.1:{far.port}/sip?sslmode=disable")
    group = [phone(b, s, "bob") for _ in range(100)]
    heard(s, group[0], "alice")
    before = s.counter("profile.queries")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        todo = [p.start("MESSAGE", f"sip:bob@{DOMAIN}") for p in group]
        assert all(m.status == 480 for m in pool.map(lambda x: x[0].finish(x[1]), zip(group, todo)))
    assert s.counter("profile.queries") == before + 1, s.counter("profile.queries") - before


@test("kill -9 of workers while they ask leaves nobody waiting")
def _(b):
    c = cluster(b)
    far = b.keep(relay.Relay(os.path.join(c.dir, f".s.PGSQL.{c.port}"), 0.1))
    s = server(b, f"postgresql://sipario@127.0.0.1:{far.port}/sip?sslmode=disable")
    group = [phone(b, s, f"u{i}") for i in range(8)]
    for i in range(4):
        for n, p in enumerate(group):
            p.start("MESSAGE", f"sip:n{i}.{n % 2}@{DOMAIN}")
        time.sleep(0.05)
        victim = [x for x in s.children() if role(x) == f"worker {1 + i % 2}"][0]
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.5)
    for i in range(4):
        for n in range(2):
            assert [p for p in group if asks(p, f"n{i}.{n}")[0] == 404] == group


@test("siparioctl profile: what is in memory, without secrets, and away with it")
def _(b):
    s = server(b, None)
    p = phone(b, s, "carol")
    s.sql("INSERT INTO preferences (user_id, name, value) SELECT id, 'language', 'it' FROM users WHERE name = 'bob'")
    show = lambda user: json.loads(s.ctl("--json", "profile", "show", f"{user}@{DOMAIN}"))
    assert show("bob") == {"user": f"bob@{DOMAIN}", "state": "not cached"}
    heard(s, p, "bob")
    asks(p, "nobody")
    bob = show("bob")
    assert bob["state"] == "fresh" and bob["exists"] and bob["name"] == "bob" and bob["max_calls"] is None and "MD5" in bob["digests"], bob
    assert abs(bob["from_unix"] - time.time()) < 60 and 0 < bob["fresh_for_s"] <= 3600 and "ha1" not in json.dumps(bob), bob
    assert bob["preferences"] == [{"name": "language", "value": "it"}], bob
    assert "language" in s.ctl("profile", "show", f"bob@{DOMAIN}")
    assert show("nobody")["exists"] is False
    assert "is forgotten" in s.ctl("profile", "flush", f"bob@{DOMAIN}") and show("bob")["state"] == "not cached"
    before = s.counter("profile.queries")
    asks(p, "bob")
    assert s.counter("profile.queries") == before + 1 and show("bob")["state"] == "fresh"
    s.ctl("profile", "flush")
    assert show("bob")["state"] == show("nobody")["state"] == "not cached"
