"""What happened to a call: siparioctl why and trace."""
import json
import signal
import subprocess
import time

from calls import phone, uri
from sipario import CTL, DOMAIN, Server
from suite import test


def busy(alice, bob):
    """A call that rings and is refused."""
    rq = alice.invite(uri("bob"))
    m = bob.wait("INVITE")
    bob.answer(m, 180)
    bob.answer(m, 486)
    assert alice.finish(rq).status == 486
    bob.wait("ACK")
    return rq


def events(s, *args):
    return json.loads(s.ctl(*args, "--json"))


def has(all, **want):
    return [e for e in all if all and all_in(e, want)]


def all_in(event, want):
    return all(v in event.get(k, "") for k, v in want.items())


@test("why: a recent call is told with its messages, the script's lines and answers")
def _(b):
    s = Server(b)
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()
    rq = busy(alice, bob)
    got = events(s, "why", rq.call_id)
    for want in ({"event": "received", "text": "INVITE sip:bob@" + DOMAIN, "peer": f"UDP {alice.here}"},
                 {"event": "begin", "from": "alice@" + DOMAIN, "to": "bob@" + DOMAIN, "call_id": rq.call_id},
                 {"event": "sent", "text": "407"}, {"event": "called", "text": "lookup = true", "at": "sipario.cfg:"},
                 {"event": "waits", "text": "relay"}, {"event": "sent", "text": "INVITE sip:bob@", "peer": f"UDP {bob.here}"},
                 {"event": "received", "text": "180"}, {"event": "resumed", "text": "code 486"}, {"event": "sent", "text": "486", "peer": alice.here},
                 {"event": "end"}):
        assert has(got, **want), (want, got)
    times = [e["time"] for e in got]
    assert times == sorted(times)
    text = s.ctl("why", rq.call_id)
    assert "lookup = true" in text and "--> 486" in text, text
    assert rq.call_id in s.ctl("why"), s.ctl("why")
    r = s.ctl("why", "no-such@call", check=False)
    assert r.returncode == 1 and "nothing is known" in r.stderr, r


@test("why: an address that stays silent is named, with the timer")
def _(b):
    s = Server(b, settings="branch_timeout 300ms;\n")
    alice, bob = phone(b, s, "alice"), phone(b, s, "bob")
    bob.registered()
    rq = alice.invite(uri("bob"))
    assert alice.finish(rq, seconds=10).status == 408
    assert has(events(s, "why", rq.call_id), event="timer", text=f"not a word (branch_timeout) from {bob.here}")


@test("trace: the calls of one user, line by line, live and afterwards; others leave nothing")
def _(b):
    s = Server(b)
    alice, bob, carol = phone(b, s, "alice"), phone(b, s, "bob"), phone(b, s, "carol")
    bob.registered()
    live = subprocess.Popen([CTL, "--socket", s.control, "trace", "follow", "--user", "bob@" + DOMAIN, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "waiting" in live.stderr.readline()
    n = events(s, "trace", "start", "--number", "4711", "--for", "1h")["trace"]
    first = busy(alice, bob)
    other = alice.finish(alice.invite(uri("dave")))
    numbered = alice.invite(uri("+47(11)"))
    alice.finish(numbered)
    seen = []
    while not has(seen, event="received", text="ACK") or not has(seen, event="sent", text="486"):
        seen.append(json.loads(live.stdout.readline()))
    live.send_signal(signal.SIGINT)
    seen += [json.loads(x) for x in live.communicate(timeout=20)[0].splitlines() if x.startswith("{")]
    assert live.returncode == 0
    assert has(seen, event="line", source="let answer = relay("), seen
    assert has(seen, event="value", text="condition = false") and has(seen, event="called", text='is_local("example.org") = true')
    assert has(seen, event="value", text="value = code 486")
    assert not has(seen, to="dave"), other
    later = events(s, "trace", "show", str(n))
    assert has(later, event="begin", call_id=numbered.call_id) and not has(later, call_id=first.call_id), later
    assert [t["number"] for t in events(s, "trace", "list")] == ["4711"]
    s.ctl("trace", "stop", str(n))
    assert events(s, "trace", "list") == []
    assert s.ctl("trace", "stop", str(n), check=False).returncode == 1


@test("trace: by source and by Call-ID; what is no such thing is refused")
def _(b):
    s = Server(b)
    alice = phone(b, s, "alice")
    by_source = events(s, "trace", "start", "--source", "127.0.0.0/8")["trace"]
    by_id = events(s, "trace", "start", "--call-id", "wanted@test")["trace"]
    alice.finish(alice.start("OPTIONS", f"sip:{DOMAIN}", call_id="wanted@test"))
    alice.finish(alice.start("OPTIONS", f"sip:{DOMAIN}", call_id="other@test"))
    assert len(has(events(s, "trace", "show", str(by_source)), event="received", text="OPTIONS")) == 2
    assert len(has(events(s, "trace", "show", str(by_id)), event="received", text="OPTIONS")) == 1
    for args, why in ((("--source", "nowhere"), "192.0.2.1"), ((), "which calls?"), (("--number", "abc"), "digits"), (("--user", "x", "--for", "soon"), "duration")):
        r = s.ctl("trace", "start", *args, check=False)
        assert r.returncode and why in r.stderr, (args, r)
