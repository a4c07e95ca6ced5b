"""Kinds of routes where the wire matters: dialog_route, branch_route, reply_route."""
import re

import sip
from sipario import DOMAIN, Server
from suite import test

SCRIPT = """
domain "@DOMAIN@";
listen @LISTEN@;
control "@CONTROL@";
request_route {
    record_route();
    if ($rU == "two") { add_branch($ru.with(user = "second")); relay(on_branch = EDIT, on_reply = NOTE); }
    relay();
}
dialog_route {
    if (is_method("INFO")) send_reply(405, "No INFO here");
    append_hf("X-Dialog", "$rm");
    let a = relay();
    if (a.code == 481) log("gone", method = $rm);
}
branch_route[EDIT] {
    append_hf("X-Branch", "$rU");
    if ($rU == "second") { $ru = $ru.with(user = "other"); $hdr(Subject) = null; }
}
reply_route {
    if ($rs == 183) drop;
    append_hf("X-Status", "$rs $rr");
    if ($rs == 200 && $body) { $body = subst($body, /telephone-event/, "tones"); remove_hf("Server"); }
}
reply_route[NOTE] { append_hf("X-Noted: yes"); }
"""


def world(b, **kw):
    s = Server(b, script=SCRIPT, database=False, **kw)
    return s, b.keep(sip.Phone(s.address, "alice", DOMAIN)), b.keep(sip.Phone(s.address, "bob", DOMAIN))


@test("routes: dialog_route sees what belongs to a dialog, from both sides, and may answer it; an ACK passes it by")
def _(b):
    s, alice, bob = world(b)
    rq = alice.invite(f"sip:bob@{bob.here}")
    m = bob.wait("INVITE")
    assert not m.get("X-Dialog")
    bob.answer(m, 200, body=bob.sdp())
    ok = alice.wait(lambda x: rq.mine(x) and x.status == 200)
    ad, bd = alice.caller_dialog(rq, ok), bob.callee_dialog(m)
    ad.ack()
    assert not bob.wait("ACK").get("X-Dialog")
    assert alice.finish(ad.start("INFO")).status == 405
    bob.nothing("INFO", 0.3)
    up = bd.start("UPDATE")
    m = alice.wait("UPDATE")
    assert m.get("X-Dialog") == "UPDATE" and not m.all("Route"), m.raw
    alice.answer(m, 481)
    assert bob.finish(up).status == 481
    bye = ad.start("BYE")
    m = bob.wait("BYE")
    assert m.get("X-Dialog") == "BYE" and m.uri == bob.contact, m.raw
    bob.answer(m, 200)
    assert alice.finish(bye).status == 200
    assert re.search(r"gone.*method=UPDATE", s.text())


@test("routes: two branches edited differently, their answers noted, a 183 kept back, a body changed on its way")
def _(b):
    s, alice, bob = world(b)
    body = bob.sdp() + "a=rtpmap:101 telephone-event/8000\r\n"
    rq = alice.invite(f"sip:two@{bob.here}", headers=[("Subject", "private")])
    one, two = bob.wait(lambda m: m.method == "INVITE" and ":two@" in m.uri), bob.wait(lambda m: m.method == "INVITE" and ":other@" in m.uri)
    assert one.get("X-Branch") == "two" and one.get("Subject") == "private", one.raw
    assert two.get("X-Branch") == "second" and not two.get("Subject"), two.raw
    bob.answer(one, 183)
    alice.nothing(183, 0.3)
    bob.answer(two, 180)
    m = alice.wait(180)
    assert m.get("X-Noted") == "yes" and m.get("X-Status") == "180 Because", m.raw
    bob.answer(one, 200, body=body, headers=[("Server", "x")])
    ok = alice.wait(lambda x: rq.mine(x) and x.status == 200)
    assert b"tones/8000" in ok.body and b"telephone" not in ok.body and not ok.get("Server") and int(ok.get("Content-Length")) == len(ok.body), ok.raw
    alice.caller_dialog(rq, ok).ack()
    bob.wait("ACK")
