"""Two servers on one PostgreSQL: what a phone does at one of them is known at the other."""
import os
import time

import relay
import sip
from profiles import cluster
from sipario import DOMAIN, Server, password
from suite import test, until

NODE = """listen "@LISTEN@"; domain @DOMAIN@; database "@DATABASE@"; control "@CONTROL@";
module location { durable = on; } module registrar { min_expires = 1s; }
request_route {
	if ($rm == "REGISTER") { save(); exit; }
	if (!lookup()) send_reply(480);
	relay();
}
"""


def phone(b, s, user):
    return b.keep(sip.Phone(s.address, user, DOMAIN))


def reaches(caller, callee):
    """A MESSAGE by way of the caller's server arrives."""
    rq = caller.start("MESSAGE", f"sip:{callee.user}@{DOMAIN}")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        m = callee.find("MESSAGE", 0.02)
        if m:
            callee.answer(m, 200)
        final = caller.find(lambda x: rq.mine(x) and x.status >= 200, 0.02)
        if final:
            return final.status == 200
    raise AssertionError(f"a MESSAGE to {callee.user} got no answer")


def status(caller, user):
    return caller.finish(caller.start("MESSAGE", f"sip:{user}@{DOMAIN}")).status


@test("two servers on one PostgreSQL: who registers at one is called at the other, and who leaves is not")
def _(b):
    c = cluster(b)
    here, there = (Server(b, script=NODE, store=c.url("sip")) for _ in range(2))
    alice, bob, carol = phone(b, here, "alice"), phone(b, there, "bob"), phone(b, there, "carol")
    assert status(bob, "alice") == 480 and status(alice, "bob") == 480
    alice.registered()
    bob.registered()
    until(lambda: reaches(bob, alice))
    until(lambda: reaches(alice, bob))
    elsewhere = phone(b, here, "alice")         # a second phone of hers, at the other server
    elsewhere.server = there.address
    elsewhere.registered()
    assert alice.register(expires=0).status == 200
    until(lambda: reaches(carol, elsewhere) and not alice.find("MESSAGE", 0.2))
    assert elsewhere.register(expires=0).status == 200
    until(lambda: not reaches(bob, elsewhere) and not reaches(carol, elsewhere))


@test("two servers on one PostgreSQL: who refreshes at one stays known at the other, and who does not is forgotten by both")
def _(b):
    c = cluster(b)
    here, there = (Server(b, script=NODE, store=c.url("sip")) for _ in range(2))
    alice, bob, carol = phone(b, here, "alice"), phone(b, there, "bob"), phone(b, here, "carol")
    alice.registered(expires=5)
    until(lambda: reaches(bob, alice))
    alice.registered(expires=600)
    end = time.monotonic() + 8
    while time.monotonic() < end:
        assert reaches(bob, alice), "a refresh at one server was not known at the other"
        time.sleep(0.1)
    carol.registered(expires=5)
    until(lambda: reaches(bob, carol))
    until(lambda: not reaches(bob, carol) and not reaches(alice, carol), 30)


@test("a server that was cut off from the database learns what it has missed")
def _(b):
    c = cluster(b)
    wire = b.keep(relay.Relay(os.path.join(c.dir, f".s.PGSQL.{c.port}"), 0))
    here = Server(b, script=NODE, store=c.url("sip"))
    there = Server(b, script=NODE, store=f"postgresql://sipario@/sip?host=127.0.0.1&port={wire.port}&sslmode=disable")
    alice, bob, carol = phone(b, here, "alice"), phone(b, there, "bob"), phone(b, here, "carol")
    carol.registered()
    until(lambda: reaches(bob, carol))
    wire.cut()
    alice.registered()
    assert carol.register(expires=0).status == 200
    assert reaches(bob, carol), "it knows what it knew"
    wire.mend()
    until(lambda: reaches(bob, alice), 30)
    until(lambda: not reaches(bob, carol), 30)
