"""Records of calls: what is in the table after the database, the writer, a worker or the supervisor has gone at a random moment of a storm of calls."""
import json
import os
import random
import signal
import sqlite3
import threading
import time

import postgres
import sip
from sipario import DOMAIN, Server, new_database, password, role
from suite import test

SCRIPT = """
domain "@DOMAIN@";
listen "@LISTEN@";
control "@CONTROL@";
database "@DATABASE@";
module cdr { sync_interval = 20ms; }
request_route { record_route(); relay(); }
"""
LATE = 1.5      # seconds: what ended shortly before all were killed may not have been on the disk


class Storm:
    """Pairs of phones that call each other again and again; `ended` has each call whose BYE was answered, and when."""

    def __init__(self, b, s, pairs):
        self.s, self.ended, self.refused, self.lock, self.over = s, {}, {}, threading.Lock(), False
        self.pairs = [(b.keep(sip.Phone(s.address, f"a{i}")), b.keep(sip.Phone(s.address, f"b{i}"))) for i in range(pairs)]
        self.threads = [threading.Thread(target=self.run, args=p) for p in self.pairs]
        for t in self.threads:
            t.start()

    def one(self, caller, callee, n):
        rq = caller.invite(callee.contact)
        invite = callee.wait(lambda m: m.method == "INVITE" and m.get("Call-ID") == rq.call_id, 2)
        if n % 4 == 3:
            callee.answer(invite, 486)
            assert caller.finish(rq, 2).status == 486
            return self.note(self.refused, rq)
        callee.answer(invite, 200)
        d = caller.caller_dialog(rq, caller.finish(rq, 2))
        d.ack()
        by = n % 2 and callee.callee_dialog(invite) or d
        bye = by.start("BYE")
        other = caller if by is not d else callee
        other.answer(other.wait(lambda m: m.method == "BYE" and m.get("Call-ID") == rq.call_id, 2), 200)
        by.phone.wait(bye.mine, 2)
        self.note(self.ended, rq)

    def note(self, where, rq):
        with self.lock:
            where[rq.call_id] = time.monotonic()

    def run(self, caller, callee):
        n = 0
        while not self.over:
            n += 1
            try:
                self.one(caller, callee, n)
            except (AssertionError, OSError, AttributeError):
                time.sleep(0.05)        # a message was in the hands of who was killed; real phones would send it again

    def stop(self):
        self.over = True
        for t in self.threads:
            t.join()

    def count(self):
        return len(self.ended) + len(self.refused)


def wait_for(what, seconds, said):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, said
        time.sleep(0.05)


def table(s):
    db = sqlite3.connect(s.db, timeout=10)
    rows = db.execute("SELECT call_id, code, answer_ms IS NOT NULL, end_ms IS NOT NULL, ended_by FROM calls").fetchall()
    db.close()
    return rows


def check(rows, storm, until):
    """One row a call; none of those missing that had ended by then, and what they say is right."""
    by_id = {r[0]: r for r in rows}
    assert len(by_id) == len(rows), "a call has two records"
    lost = [c for c, at in storm.ended.items() if at < until and (c not in by_id or not by_id[c][3] or by_id[c][4] not in ("caller", "callee"))]
    lost += [c for c, at in storm.refused.items() if at < until and (c not in by_id or by_id[c][1:] != (486, 0, 1, "callee"))]
    assert not lost, f"{len(lost)} of {storm.count()} calls have no record, or half of one: {[(c, by_id.get(c)) for c in lost[:5]]}"


def child(s, name):
    return [p for p in s.children() if role(p).startswith(name)]


def spool_is_empty(s):
    values = {x["name"]: x["value"] for x in json.loads(s.ctl("--json", "stats"))}
    return values["cdr.spool_bytes"] == 0 and values["cdr.queued"] == 0


@test("call records: the database is away for a while, and none is lost or there twice")
def _(b):
    c = b.keep(postgres.Cluster())
    new_database(c.url("sip"))
    s = Server(b, SCRIPT, store=c.url("sip"))
    storm = Storm(b, s, 3)
    wait_for(lambda: storm.count() > 20, 20, "no calls")
    c.stop()
    before = storm.count()
    wait_for(lambda: storm.count() > before + 40, 30, "calls must go on without the database")
    time.sleep(6)
    c.start()
    wait_for(lambda: "call records are written to the database again" in s.text(), 30, "they are not written")
    storm.stop()
    wait_for(lambda: spool_is_empty(s), 30, "the spool is not emptied")
    rows = [r.split("|") for r in c.sql("sip", "SELECT call_id, code, (answer_ms IS NOT NULL)::int, (end_ms IS NOT NULL)::int, ended_by FROM calls").splitlines()]
    check([(r[0], int(r[1]), int(r[2]), int(r[3]), r[4]) for r in rows], storm, time.monotonic())
    assert s.text().count("call records wait in the spool") == 1 and "kept in" not in s.text()


@test("call records: kill -9 of the writer and of workers at random moments of a storm of calls")
def _(b):
    s = Server(b, SCRIPT)
    storm = Storm(b, s, 3)
    for i in range(10):
        time.sleep(random.uniform(0.1, 0.5))
        wait_for(lambda: child(s, "writer") and len(child(s, "worker")) == 2, 15, "they do not come back")
        os.kill(random.choice(child(s, "worker" if i % 3 == 0 else "writer")), signal.SIGKILL)
    before = storm.count()
    wait_for(lambda: storm.count() > before + 10, 20, "no calls any more")
    storm.stop()
    wait_for(lambda: spool_is_empty(s), 30, "the spool is not emptied")
    rebuilt = "building it anew" in s.text()        # killed within a critical section: what was in memory has gone
    check(table(s), storm, 0 if rebuilt else time.monotonic())
    s.expect_complaint = rebuilt


@test("call records: kill -9 of the supervisor in a storm, a call goes on over the restart, and its BYE completes its record")
def _(b):
    s = Server(b, SCRIPT)
    alice, bob = b.keep(sip.Phone(s.address, "alice")), b.keep(sip.Phone(s.address, "bob"))
    rq = alice.invite(bob.contact)
    invite = bob.wait("INVITE")
    bob.answer(invite, 200)
    alice.caller_dialog(rq, alice.finish(rq)).ack()
    storm = Storm(b, s, 3)
    wait_for(lambda: storm.count() > 30, 20, "no calls")
    time.sleep(random.uniform(0, 1))
    killed = time.monotonic()
    left = s.kill()
    storm.stop()
    wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in left), 15, "somebody stays behind")
    s.start()
    assert "calls under way are known again" in s.text()
    bye = bob.callee_dialog(invite).start("BYE")
    alice.answer(alice.wait("BYE"), 200)
    bob.wait(bye.mine)
    wait_for(lambda: spool_is_empty(s), 30, "the spool is not emptied")
    rows = table(s)
    check(rows, storm, killed - LATE)
    assert [r[1:] for r in rows if r[0] == rq.call_id] == [(200, 1, 1, "callee")], rows


@test("call records: a spool that cannot be written is said at the start, with its folder and its setting")
def _(b):
    s = Server(b, SCRIPT.replace("sync_interval", 'spool = "/dev/null/x"; sync_interval'), start=False)
    try:
        s.start()
        raise RuntimeError("it started")
    except AssertionError:
        pass
    text = s.text()
    assert "/dev/null/x" in text and "change spool" in text, text
    s.proc = None


def call(alice, bob):
    """A call that is answered; the caller's dialog."""
    rq = alice.invite(bob.uri_of)
    invite = bob.wait(lambda m: m.method == "INVITE")
    bob.answer(invite, 200)
    d = alice.caller_dialog(rq, alice.finish(rq))
    d.ack()
    bob.wait("ACK")
    return d


def hang_up(d, alice, bob):
    bye = d.start("BYE")
    bob.answer(bob.wait("BYE"), 200)
    alice.wait(bye.mine)


def busy(alice, to):
    rq = alice.invite(to)
    m = alice.finish(rq)
    return m.status == 486 and m.reason == "Too many calls"


def limited(b, most):
    """Alice, who may have so many calls at a time, and bob."""
    s = Server(b)
    s.ctl("user", "set", f"alice@{DOMAIN}", f"max_calls={most}")
    alice, bob = (b.keep(sip.Phone(s.address, u, DOMAIN, password=password(u))) for u in ("alice", "bob"))
    bob.registered()
    bob.uri_of = f"sip:bob@{DOMAIN}"
    return s, alice, bob


@test("max_calls: the third of two calls is refused, whatever workers die and however often the script is read anew; a BYE makes room")
def _(b):
    s, alice, bob = limited(b, 2)
    one, two = call(alice, bob), call(alice, bob)
    assert busy(alice, bob.uri_of)
    for pid in child(s, "worker"):
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in child(s, "worker") and len(child(s, "worker")) == 2, 15, "it does not come back")
    s.ctl("reload")
    assert busy(alice, bob.uri_of)
    hang_up(one, alice, bob)
    three = call(alice, bob)
    assert busy(alice, bob.uri_of)
    for d in (two, three):
        hang_up(d, alice, bob)
    hang_up(call(alice, bob), alice, bob)
    s.expect_complaint = "building it anew" in s.text()


@test("max_calls: of many INVITEs at once exactly as many ring as are allowed")
def _(b):
    s, alice, bob = limited(b, 3)
    phones = [alice] + [b.keep(sip.Phone(s.address, "alice", DOMAIN, password=password("alice"))) for _ in range(9)]
    rqs = [None] * len(phones)

    def invite(i):
        rqs[i] = phones[i].invite(bob.uri_of)
    for _ in range(3):
        threads = [threading.Thread(target=invite, args=(i,)) for i in range(len(phones))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        ringing = [bob.wait("INVITE") for _ in range(3)]
        bob.nothing("INVITE", 0.3)
        for m in ringing:
            bob.answer(m, 480)
        codes = sorted(p.finish(rq).status for p, rq in zip(phones, rqs))
        assert codes == [480] * 3 + [486] * 7, codes


@test("a disabled user neither registers nor calls")
def _(b):
    s, alice, bob = limited(b, 2)
    s.ctl("user", "set", f"alice@{DOMAIN}", "status=disabled")
    assert alice.do("REGISTER", f"sip:{DOMAIN}").status in (401, 403)      # with the right password
    assert alice.finish(alice.invite(bob.uri_of)).status in (403, 407)
    bob.nothing("INVITE", 0.3)
