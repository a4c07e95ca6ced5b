"""Calls seen closely: what a proxy must do to each message (RFC 3261 16), where a scenario file would be clumsy."""
import re
import time

import sip
from sipario import DOMAIN, Server, password
from suite import test


def phone(b, s, user, **kw):
    kw.setdefault("password", password(user))
    return b.keep(sip.Phone(s.address, user, DOMAIN, **kw))


def uri(user):
    return f"sip:{user}@{DOMAIN}"


def ringing(b, s, callees=("bob",), ring=True):
    """Alice calls bob; (alice, her request, [(phone, its INVITE)])."""
    alice = phone(b, s, "alice")
    phones = [phone(b, s, u) for u in callees]
    for p in phones:
        p.registered()
    rq = alice.invite(uri("bob"))
    legs = [(p, p.wait("INVITE")) for p in phones]
    if ring:
        for p, m in legs:
            p.answer(m, 180)
        alice.wait(180)
    return alice, rq, legs


def established(b, s):
    alice, rq, [(bob, m)] = ringing(b, s)
    bob.answer(m, 200, body=bob.sdp())
    ok = alice.wait(lambda x: rq.mine(x) and x.status == 200)
    d = alice.caller_dialog(rq, ok)
    d.ack()
    bob.wait("ACK")
    return alice, d, bob, bob.callee_dialog(m)


@test("what the callee gets: Max-Forwards 69, two Vias, Record-Route, an unchanged body")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()
    body = alice.sdp() + "a=strange: \t x\r\n\r\n"
    rq = alice.invite(uri("bob"), body=body, headers=[("X-Unknown", 'a, "b, c" ;d'), ("Subject", "Grüße")])
    m = bob.wait("INVITE")
    bob.answer(m, 486)
    alice.finish(rq)
    assert m.uri == bob.contact, m.uri
    assert m.get("Max-Forwards") == "69"
    vias = m.all("Via")
    assert len(vias) == 2 and s.here in vias[0] and "z9hG4bK" in vias[0] and alice.here in vias[1], vias
    assert f"received={alice.host}" in vias[1] and f"rport={alice.port}" in vias[1], vias    # RFC 3581 4
    assert len(m.all("Record-Route")) == 1 and s.here in m.get("Record-Route") and ";lr" in m.get("Record-Route")
    assert not m.all("Route")
    assert m.get("X-Unknown") == 'a, "b, c" ;d' and m.get("Subject") == "Grüße"
    assert m.body == body.encode()


@test("100 Trying comes from the server when the callee is slow; an INVITE sent again is absorbed")
def _(b):
    s = Server(b)
    alice, rq, [(bob, m)] = ringing(b, s, ring=False)
    trying = alice.wait(100)
    assert trying.tag("To") is None
    alice.send(rq.raw)
    alice.send(rq.raw)
    bob.nothing("INVITE", 0.3)
    bob.answer(m, 486)
    assert alice.finish(rq).status == 486
    bob.wait("ACK")


@test("a final answer is sent again until the ACK (timer G)")
def _(b):
    s = Server(b)
    alice, rq, [(bob, m)] = ringing(b, s)
    bob.answer(m, 486)
    bob.wait("ACK")                                     # hop by hop: from the server at once
    last = alice.wait(486)
    alice.nothing("INVITE", 1.8)
    assert alice.repeats >= 2, f"{alice.repeats} repetitions in 1.8 s"
    alice.ack_refusal(rq, last)
    time.sleep(0.1)
    alice.find("INVITE", 0.05)
    before = alice.repeats
    alice.find("INVITE", 2.5)
    assert alice.repeats == before, "still sent after the ACK"


@test("the server sends an INVITE again until the callee answers (timer A)")
def _(b):
    s = Server(b)
    alice, rq, [(bob, m)] = ringing(b, s, ring=False)
    bob.find("BYE", 1.8)
    assert bob.repeats >= 2, f"{bob.repeats} repetitions in 1.8 s"
    bob.answer(m, 180)
    alice.wait(180)
    before = bob.repeats
    bob.find("BYE", 1.5)
    assert bob.repeats <= before + 1
    bob.answer(m, 480)
    assert alice.finish(rq).status == 480


@test("CANCEL before any answer waits for the provisional one")
def _(b):
    s = Server(b)
    alice, rq, [(bob, m)] = ringing(b, s, ring=False)
    alice.finish(alice.cancel(rq))
    bob.nothing("CANCEL", 0.3)                          # RFC 3261 9.1
    bob.answer(m, 180)
    c = bob.wait("CANCEL")
    assert c.branch == m.branch and c.uri == m.uri and c.cseq == [m.cseq[0], "CANCEL"], c.headers
    bob.answer(c, 200)
    bob.answer(m, 487)
    assert alice.finish(rq).status == 487
    bob.wait("ACK")


@test("CANCEL that crosses the 200: the call is made")
def _(b):
    s = Server(b)
    alice, rq, [(bob, m)] = ringing(b, s)
    assert alice.finish(alice.cancel(rq)).status == 200
    bob.wait("CANCEL")
    bob.answer(m, 200, body=bob.sdp())
    ok = alice.wait(lambda x: rq.mine(x) and x.status >= 200)
    assert ok.status == 200, ok
    d = alice.caller_dialog(rq, ok)
    d.ack()
    bob.wait("ACK")
    bye = d.start("BYE")
    bob.answer(bob.wait("BYE"), 200)
    assert alice.finish(bye).status == 200


@test("CANCEL for nothing: 481")
def _(b):
    s = Server(b)
    alice = phone(b, s, "alice", password=None)
    rq = alice.start("CANCEL", uri("bob"))
    assert alice.finish(rq).status == 481


@test("forking: the best of several refusals")
def _(b):
    for codes, want in (((486, 480), (480, 486)), ((404, 603), (603,)), ((503, 486), (486,)), ((500, 503), (500,))):
        s = Server(b)
        alice, rq, legs = ringing(b, s, ("bob", "bob"))
        for (p, m), code in zip(legs, codes):
            p.answer(m, code)
            p.wait(lambda x: x.method in ("ACK", "CANCEL"))
        got = alice.finish(rq)
        assert got.status in want, f"{codes}: {got}"


@test("forking: 603 of one phone ends the ringing of the other")
def _(b):
    s = Server(b)
    alice, rq, [(one, m1), (two, m2)] = ringing(b, s, ("bob", "bob"))
    one.answer(m1, 603)
    c = two.wait("CANCEL")                              # RFC 3261 16.7 step 5
    two.answer(c, 200)
    two.answer(m2, 487)
    assert alice.finish(rq).status == 603


@test("forking: a 2xx of each of two phones reaches the caller")
def _(b):
    s = Server(b)
    alice, rq, [(one, m1), (two, m2)] = ringing(b, s, ("bob", "bob"))
    one.answer(m1, 200, body=one.sdp())
    two.wait("CANCEL")
    two.answer(m2, 200, body=two.sdp())
    oks = [alice.wait(lambda x: rq.mine(x) and x.status == 200) for _ in range(2)]
    assert oks[0].tag("To") != oks[1].tag("To")
    for ok in oks:
        d = alice.caller_dialog(rq, ok)
        d.ack()
    for p in (one, two):
        p.wait("ACK")


@test("phones with different q: the default rings them in parallel, all get the INVITE")
def _(b):
    s = Server(b)
    alice, one, two = phone(b, s, "alice"), phone(b, s, "bob"), phone(b, s, "bob")
    one.registered(contact=f"<{one.contact}>;q=0.2")
    two.registered(contact=f"<{two.contact}>;q=0.9")
    rq = alice.invite(uri("bob"))
    for p in (one, two):
        p.answer(p.wait("INVITE"), 486)
    assert alice.finish(rq).status == 486


@test("in-dialog requests from both sides follow the route set")
def _(b):
    s = Server(b)
    alice, ad, bob, bd = established(b, s)
    for asker, d, other in ((alice, ad, bob), (bob, bd, alice)):
        rq = d.start("INFO", [("Content-Type", "text/x"), ("Route-Like", "x")], "ping")
        m = other.wait("INFO")
        assert m.body == b"ping" and not m.all("Route") and m.get("Max-Forwards") == "69" and m.uri == other.contact, m.raw
        other.answer(m, 200)
        assert asker.finish(rq).status == 200
    bye = bd.start("BYE")
    alice.answer(alice.wait("BYE"), 200)
    assert bob.finish(bye).status == 200


@test("a 200 sent again goes to the caller again, its ACK to the callee again")
def _(b):
    s = Server(b)
    alice, rq, [(bob, m)] = ringing(b, s)
    bob.answer(m, 200, body=bob.sdp())
    ok = alice.wait(lambda x: rq.mine(x) and x.status == 200)
    before = alice.repeats
    bob.answer(m, 200, body=bob.sdp())
    alice.find("BYE", 0.4)
    assert alice.repeats == before + 1, "the second 200 did not arrive"      # RFC 6026 7.2
    d = alice.caller_dialog(rq, ok)
    d.ack()
    bob.wait("ACK")


@test("a To tag and a Route that names us open no relay: the script judges what is not of a dialog through here")
def _(b):
    s = Server(b)
    mallory, victim = phone(b, s, "mallory", password=None), phone(b, s, "victim", password=None, host="127.0.0.2")
    for route in (f"<sip:{s.here};lr>", f"<sip:0123456789abcdef@{s.here};lr>"):
        rq = mallory.start("MESSAGE", f"sip:x@{victim.here}", from_="<sip:m@elsewhere.example>;tag=1", to="<sip:x@elsewhere.example>;tag=2", routes=[route])
        m = mallory.finish(rq)
        assert m.status == 403, m
    mallory.start("ACK", f"sip:x@{victim.here}", from_="<sip:m@elsewhere.example>;tag=1", to="<sip:x@elsewhere.example>;tag=2", routes=[f"<sip:{s.here};lr>"])
    assert not victim.find(lambda m: True, 0.5)
    assert re.search(r"proxy.unsealed +2\b", s.ctl("stats", "proxy.unsealed"))


@test("a call outlives a restart of the server: the proof in its Record-Route is kept in the database")
def _(b):
    s = Server(b)
    alice, ad, bob, bd = established(b, s)
    assert s.stop() == 0
    s.start()
    rq = ad.start("BYE")
    bob.answer(bob.wait("BYE"), 200)
    assert alice.finish(rq).status == 200
    s.sql("UPDATE secrets SET value = 'another one, which is long enough'")
    alice, ad, bob, bd = established(b, s)
    assert s.stop() == 0
    s.start()
    bob.finish(bd.start("BYE"))
    assert not alice.find("BYE", 0.5), "relayed by a seal of another secret"


@test("a strict router in front: the Request-URI is taken from the last Route")
def _(b):
    s = Server(b)
    alice, ad, bob, _ = established(b, s)
    # What a strict router sends (RFC 3261 16.4): our own Record-Route value as Request-URI, the target as last Route.
    own = re.search(r"<([^>]+)>", ad.routes[0]).group(1)
    ad.cseq += 1
    rq = alice.start("BYE", own, call_id=ad.call_id, cseq=ad.cseq, from_=ad.local, to=ad.remote, routes=[f"<{ad.target}>"])
    m = bob.wait("BYE")
    assert m.uri == bob.contact and not m.all("Route"), m.raw
    bob.answer(m, 200)
    assert alice.finish(rq).status == 200


@test("Max-Forwards 0 is answered 483, and 1 goes no further than one hop")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice", password=None), phone(b, s, "bob")
    bob.registered()
    rq = alice.start("MESSAGE", uri("bob"), max_forwards=0)
    assert alice.finish(rq).status == 483
    carol = phone(b, s, "carol")
    rq = carol.begin("MESSAGE", uri("bob"), max_forwards=1)
    m = bob.wait("MESSAGE")
    assert m.get("Max-Forwards") == "0"
    bob.answer(m, 200)
    assert carol.finish(rq).status == 200


@test("requests with mistakes get the right answer")
def _(b):
    s = Server(b)
    p = phone(b, s, "x", password=None)
    good = ["OPTIONS sip:{here} SIP/2.0", "Via: SIP/2.0/UDP {me};rport;branch=z9hG4bK{n}", "Max-Forwards: 70", "From: <sip:x@y.example>;tag=1", "To: <sip:{here}>", "Call-ID: {n}@bad",
            "CSeq: 1 OPTIONS", "Content-Length: 0"]
    for change, want in (({}, 200), ({5: None}, 400), ({6: None}, 400), ({6: "CSeq: 1 INVITE"}, 400), ({3: None}, 400), ({0: "OPTIONS sip:{here} SIP/7.0"}, 505),
                         ({7: "Content-Length: 10"}, 400), ({2: "Max-Forwards: x"}, 400), ({0: "OPTIONS strange:{here} SIP/2.0"}, 416),
                         ({7: "Proxy-Require: teleport\r\nContent-Length: 0", 0: "OPTIONS sip:bob@" + DOMAIN + " SIP/2.0"}, 420)):
        n = sip.token()
        lines = [x for x in (change.get(i, line) for i, line in enumerate(good)) if x]
        p.send("\r\n".join(x.format(here=s.here, me=p.here, n=n) for x in lines) + "\r\n\r\n")
        m = p.wait(lambda x: x.status and x.branch == "z9hG4bK" + n, 3)
        assert m.status == want, f"{change}: {m}"
        if want == 420:
            assert "teleport" in m.get("Unsupported")


@test("keep-alives and noise are no trouble")
def _(b):
    s = Server(b)
    p = phone(b, s, "x", password=None)
    for junk in (b"\r\n\r\n", b"\0" * 40, b"\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"x", b"INVITE\r\n\r\n", b"\xff" * 1400, b"ACK sip:x SIP/2.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        p.send(junk)
    assert p.finish(p.start("OPTIONS", f"sip:{s.here}")).status == 200


@test("our own users must show credentials before they call; a stranger may call them")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice", password=None), phone(b, s, "bob")
    bob.registered()
    assert alice.finish(alice.invite(uri("bob"))).status == 407
    thief = phone(b, s, "alice", password="guessed")
    assert thief.do("INVITE", uri("bob")).status in (403, 407)
    bob.nothing("INVITE", 0.2)
    friend = b.keep(sip.Phone(s.address, "friend", "elsewhere.example"))
    rq = friend.invite(uri("bob"))
    bob.answer(bob.wait("INVITE"), 486)
    assert friend.finish(rq).status == 486


@test("nobody calls in another user's name")
def _(b):
    s = Server(b)
    mallory, bob = phone(b, s, "carol"), phone(b, s, "bob")
    bob.registered()
    assert mallory.do("INVITE", uri("bob"), from_=f"<{uri('alice')}>;tag=1").status == 403
    bob.nothing("INVITE", 0.2)


@test("forward always: another user's phone rings, one's own does not")
def _(b):
    s = Server(b)
    s.sql("UPDATE users SET forward_always = ? WHERE name = 'bob'", uri("carol"))
    alice, bob, carol = (phone(b, s, u) for u in ("alice", "bob", "carol"))
    bob.registered()
    carol.registered()
    rq = alice.invite(uri("bob"))
    carol.answer(carol.wait("INVITE"), 486)
    assert alice.finish(rq).status == 486
    bob.nothing("INVITE", 0.2)


@test("forwarded while busy: a caller who gives up then cancels the second phone")
def _(b):
    s = Server(b)
    s.sql("UPDATE users SET forward_busy = ? WHERE name = 'bob'", uri("carol"))
    alice, bob, carol = (phone(b, s, u) for u in ("alice", "bob", "carol"))
    bob.registered()
    carol.registered()
    rq = alice.invite(uri("bob"))
    bob.answer(bob.wait("INVITE"), 486)
    m = carol.wait("INVITE")
    carol.answer(m, 180)
    alice.wait(180)
    assert alice.finish(alice.cancel(rq)).status == 200
    carol.answer(carol.wait("CANCEL"), 200)
    carol.answer(m, 487)
    assert alice.finish(rq).status == 487


@test("no answer and nobody to forward to: 408, the phone gets CANCEL")
def _(b):
    s = Server(b)
    s.sql("UPDATE users SET ring_time = 1 WHERE name = 'bob'")
    alice, rq, [(bob, m)] = ringing(b, s)
    c = bob.wait("CANCEL", 4)
    bob.answer(c, 200)
    bob.answer(m, 487)
    assert alice.finish(rq).status == 408


@test("a phone that is gone (port unreachable): the caller hears of it soon")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()
    bob.close()
    b.things.remove(bob)
    started = time.monotonic()
    got = alice.finish(alice.invite(uri("bob")), 20)
    assert got.status in (408, 480, 500, 503) and time.monotonic() - started < 5, (got, time.monotonic() - started)


@test("a message of 40 kB arrives whole")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()
    text = ("x" * 99 + "\n") * 400
    rq = alice.begin("MESSAGE", uri("bob"), [("Content-Type", "text/plain")], text)
    m = bob.wait("MESSAGE")
    assert m.body == text.encode()
    bob.answer(m, 200)
    assert alice.finish(rq).status == 200


@test("200 calls in a row leave no transaction and no memory behind")
def _(b):
    s = Server(b, settings="t1 50ms;\nt2 100ms;\nt4 100ms;\n")
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()

    def calls(n):
        for _ in range(n):
            rq = alice.invite(uri("bob"))
            m = bob.wait("INVITE")
            bob.answer(m, 200, body=bob.sdp())
            d = alice.caller_dialog(rq, alice.wait(lambda x: rq.mine(x) and x.status == 200))
            d.ack()
            bob.wait("ACK")
            bye = d.start("BYE")
            bob.answer(bob.wait("BYE"), 200)
            alice.finish(bye)
        time.sleep(5)                                   # 64 * T1 and the tables' own delays

    calls(100)
    first = owners(s)
    calls(100)
    second = owners(s)
    grown = {k: (first.get(k, 0), v) for k, v in second.items() if v > first.get(k, 0) * 1.1 + 4096}
    assert not grown, f"grew between the first hundred calls and the second: {grown}"


def owners(s):
    """Bytes by owner, as `siparioctl memory` tells."""
    import json
    d = json.loads(s.ctl("--json", "memory"))
    rows = d["owners"] if isinstance(d, dict) else d
    return {r["owner"]: r["bytes"] for r in rows}
