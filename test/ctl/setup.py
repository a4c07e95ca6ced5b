"""From nothing to a server: init, what the shell completes."""
import json
import os
import re
import shutil
import stat
import subprocess

import bench
from bench import CTL, TOP, at_terminal, ctl, fresh, js, on_both, sql, test

BINARY = os.path.join(TOP, "build/san/sipario")


# --- init ---

@on_both
def init_sets_everything_up(e):
    said = e.js("init", "--domain", "Example.NET", "--listen", "udp:127.0.0.1:5070")
    assert (said["domain"], said["user"], said["config"], said["server"]) == ("example.net", "alice@example.net", "sipario.cfg", "127.0.0.1:5070")
    text = open("sipario.cfg").read()
    assert 'DOMAIN     = "example.net"' in text and '"udp:127.0.0.1:5070"' in text and '"tcp:127.0.0.1:5070"' in text and e.url in text and "example.org" not in text
    r = subprocess.run([BINARY, "test", os.path.abspath("sipario.cfg")], cwd=TOP, capture_output=True, text=True)
    assert r.returncode == 0 and " 0 failed" in r.stdout, r.stdout + r.stderr
    assert "is there already: --force" in e.ctl("init", "--domain", "example.net", status=1).err
    again = e.ctl("init", "--domain", "example.net", "--force")
    assert "(the one that it has)" in again and "Type into a phone" in again
    assert len(e.rows("users")) == 1


@test
def init_refuses_what_cannot_be():
    assert "--domain" in ctl("init", status=2).err
    assert "is no domain" in ctl("init", "--domain", "a_b", status=2).err
    assert "udp:*:5060" in ctl("init", "--domain", "example.net", "--listen", "here", status=2).err
    assert "user name" in ctl("init", "--domain", "example.net", "--first-user", "a b", status=2).err
    assert "passfile" in ctl("init", "--domain", "example.net", env={"SIPARIO_DB": "postgresql://a:secret@127.0.0.1/x"}, status=2).err
    assert "cannot be read" in ctl("init", "--domain", "example.net", env={"SIPARIO_TEMPLATE": "nowhere.cfg"}, status=1).err
    assert not os.path.exists("sipario.cfg")


@test
def init_asks_on_a_terminal():
    shown, status = at_terminal(["init"], [b"example.net\n", b"\n", b"\n", b"bob\n", b"my.cfg\n"])
    assert os.waitstatus_to_exitcode(status) == 0, shown
    for part in ("Domain of your users", "Database", "[sipario.cfg]", "sipario -f my.cfg", "password"):
        assert part in shown, (part, shown)
    assert stat.S_IMODE(os.stat("var").st_mode) == 0o700 and sql("SELECT name, domain FROM users") == [("bob", "example.net")]
    shown, status = at_terminal(["init"], [b"example.net\n", b"\n", b"\n", b"bob\n", b"my.cfg\n", b"\n"])
    assert os.waitstatus_to_exitcode(status) == 1 and "my.cfg is kept" in shown, shown


# --- doctor ---

class Lone:
    """No database of its own."""
    @staticmethod
    def ctl(*args, **kw):
        return ctl(*args, **kw)


def found(e, *args, status=0):
    said = e.ctl("doctor", "--json", *args, status=None)
    assert said.status == status, said + said.err
    return {x["check"]: x for x in json.loads(said)}


@on_both
def the_doctor_looks_at_the_database(e):
    e.ctl("init", "--domain", "127.0.0.1")
    all_ = found(e, "--config", "sipario.cfg")
    assert all_["configuration"]["result"] == all_["database"]["result"] == all_["certificates"]["result"] == all_["DNS of 127.0.0.1"]["result"] == "ok", all_
    assert "ms (median of 21" in all_["database answers"]["found"]
    assert {"clock", "server", "open files", "UDP buffers"} <= set(all_)
    assert all_["server"]["result"] == "warn" and "var/control.sock" in all_["server"]["found"]
    if e.kind == "sqlite":
        os.chmod("var/sipario.db", 0o644)
        os.chmod("sipario.cfg", 0o666)
        all_ = found(e)
        assert "chmod 600" in all_["database file"]["remedy"] and all_["disk"]["found"].endswith("MB are free at var/sipario.db")
        out = e.ctl("doctor")
        assert "warn  database file" in out and " -> chmod 600" in out and out.rstrip().endswith(" 0 failed")
    else:
        assert all_["rights"]["result"] == "warn" and "superuser" in all_["rights"]["found"]


@test
def the_doctor_says_what_does_not_work():
    database = found(Lone(), status=1)["database"]
    assert "db migrate" in database["found"] and not database["remedy"]
    missing = found(Lone(), "--config", "nowhere.cfg", status=1)["configuration"]
    assert "nowhere.cfg cannot be read: No such file" in missing["found"] and "--config" in missing["remedy"]
    with open("bad.cfg", "w") as f:
        f.write("request_route { frobnicate(); }")
    assert "`sipario -c`" in found(Lone(), "--config", "bad.cfg", status=1)["configuration"]["remedy"]


@test
def the_doctor_follows_the_dns():
    import dns
    fresh()
    d = dns.Dns({("unrelated.example", "A"): ["127.0.0.1"]})
    try:
        with open("sipario.cfg", "w") as f:
            f.write(d.setting() + 'domain "Example.ORG";\nlisten udp:127.0.0.1:5060;\nrequest_route { drop; }\n')
        rows = (
            ({}, "fail", "nobody finds example.org"),
            ({("example.org", "A"): ["127.0.0.1"]}, "ok", "example.org:5060 (127.0.0.1)"),
            ({("_sip._udp.example.org", "SRV"): ["0 0 5070 sip.example.org"], ("sip.example.org", "AAAA"): ["::1"]}, "ok", "sip.example.org:5070 (::1)"),
            ({("example.org", "NAPTR"): ["10 10 s SIP+D2T _sip._tcp.x.example"], ("_sip._tcp.x.example", "SRV"): ["0 0 5060 a.example", "1 0 5060 b.example"],
              ("a.example", "A"): ["203.0.113.9"], ("b.example", "A"): ["127.0.0.1"]}, "ok", "a.example:5060 (203.0.113.9), b.example:5060 (127.0.0.1)"),
            ({("_sip._udp.example.org", "SRV"): ["0 0 5060 a.example", "1 0 5060 gone.example"], ("a.example", "A"): ["127.0.0.1"]}, "warn", "gone.example:5060 (no address)"),
            ({("example.org", "A"): ["203.0.113.9"]}, "warn", "none is an address of this host"),
        )
        for zone, result, want in rows:
            d.zone = zone
            got = found(Lone(), status=1 if result == "fail" else 0)
            got = next(v for k, v in got.items() if k.lower() == "dns of example.org")
            assert got["result"] == result and want in got["found"].lower(), (zone, got)
    finally:
        d.close()


@test
def the_doctor_reads_certificates():
    c = bench.cluster()
    c.sql("postgres", "CREATE DATABASE doctor")
    env = {"SIPARIO_DB": c.url("doctor")}
    ctl("db", "migrate", env=env)
    for days, result, want in ((100, "ok", r"valid for (99|100) days"), (3, "warn", r"valid for [23] days")):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days), "-subj", "/CN=x", "-keyout", "k.pem",
                        "-out", "c.pem"], check=True, capture_output=True)
        got = json.loads(ctl("doctor", "--json", env={"SIPARIO_DB": c.url("doctor", sslrootcert="c.pem", sslmode="disable")}, status=None))
        got = next(x for x in got if x["check"] == "certificate sslrootcert")
        assert got["result"] == result and re.search(want, got["found"]), got
    for path, want in (("nowhere.pem", "cannot be read"), ("sipario.txt", "no certificate")):
        open("sipario.txt", "w").close()
        got = json.loads(ctl("doctor", "--json", env={"SIPARIO_DB": c.url("doctor", sslrootcert=path, sslmode="disable")}, status=None))
        assert want in next(x for x in got if x["check"] == "certificate sslrootcert")["found"]


@test
def the_doctor_looks_at_the_way_to_the_database():
    c = bench.cluster()
    c.sql("postgres", "CREATE DATABASE way")
    ctl("db", "migrate", env={"SIPARIO_DB": c.url("way")})
    got = json.loads(ctl("doctor", "--json", env={"SIPARIO_DB": c.url("way")}, status=None))
    got = next(x for x in got if x["check"] == "TLS to database")
    assert got["result"] == "ok" and "on this host" in got["found"], got


# --- completion ---

def words(*line, e=None):
    return (e.ctl if e else ctl)("completion", "words", "--", *line).split()


@on_both
def words_come_from_the_tables(e):
    e.ctl("domain", "add", "example.org")
    for name in ("alice", "albert", "bob"):
        e.ctl("user", "add", name + "@example.org", "--generate")
    e.ctl("group", "add", "staff")
    e.ctl("peer", "add", "192.0.2.0/24", "x")
    for line, want in (("us", ["user"]), ("user pa", ["passwd"]), ("user show al", ["albert@example.org", "alice@example.org"]), ("user list ", ["example.org"]),
                       ("group join ", ["staff"]), ("group join staff b", ["bob@example.org"]), ("forward set bob@example.org o", ["offline"]),
                       ("user set bob@example.org max_", ["max_contacts=", "max_calls="]), ("user set bob@example.org status=active max_con", ["max_contacts="]),
                       ("peer remove ", ["192.0.2.0/24"]), ("domain remove --f", ["--force"]), ("import x --dr", ["--dry-run"]), ("--db ", []), ("user show bob@example.org ", []),
                       ("frobnicate x", []), ("permission grant --json bob@example.org nat", ["national"])):
        got = words(*line.split(" "), e=e)
        assert got == want, (line, got)
    commands = {c["command"].split()[0] for c in js("help")["commands"]}
    assert set(words("")) == commands
    assert words("user", "show", "'; DROP", e=e) == []


@test
def without_a_database_nothing_is_offered():
    assert words("user", "show", "al") == [] and words("user", "sh") == ["show"]


@test
def bash_completes_what_is_typed():
    fresh()
    ctl("user", "add", "alice@example.org", "--generate")
    driver = """source <("$CTL" completion bash)
complete -p siparioctl
siparioctl() { :; }
try() { COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=0; COMP_LINE=${1/#siparioctl/$CTL}; COMP_POINT=${#COMP_LINE}; _siparioctl 2>&1; echo "${COMPREPLY[*]}"; }
compopt() { echo nospace; }
try 'siparioctl us'; try 'siparioctl user show alice@ex'; try 'siparioctl user show '; try 'siparioctl user set alice@example.org display_n'; try 'siparioctl domain remove --fo'
COMP_WORDBREAKS=${COMP_WORDBREAKS//@}
try 'siparioctl user show alice@ex'
"""
    r = subprocess.run(["bash", "--norc", "-c", driver], env=dict(os.environ, CTL=CTL), capture_output=True, text=True)
    assert r.returncode == 0 and not r.stderr, r.stderr
    assert r.stdout.splitlines() == ["complete -o default -F _siparioctl siparioctl", "user", "example.org", "alice@example.org", "nospace", "display_name=", "--force", "alice@example.org"], r.stdout


@test
def the_script_for_zsh_is_one():
    text = ctl("completion", "zsh")
    assert text.startswith("#compdef siparioctl\n")
    if shutil.which("zsh"):
        r = subprocess.run(["zsh", "-n"], input=text, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
    assert json.loads(ctl("--json", "help", "completion"))


@test
def zsh_completes_what_is_typed():
    if not shutil.which("zsh"):
        return
    fresh()
    ctl("user", "add", "alice@example.org", "--generate")
    os.mkdir("functions")
    with open("functions/_siparioctl", "w") as f:
        f.write(ctl("completion", "zsh"))
    # a terminal of its own, in which TAB is pressed; what stands on the line then is what echo is given
    driver = r"""zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; path=(${CTL:h} \$path) fpath=($PWD/functions \$fpath); autoload -U compinit; compinit -u -d $PWD/dump; show() { print -r -- \"<\$BUFFER>\"; BUFFER=; zle accept-line }; zle -N show; bindkey '^G' show; print ready''"
zpty -r -m shell line '*ready*'
for typed in "$@"; do zpty -n -w shell "$typed"$'	'; zpty -r -m shell line '*<siparioctl*>*'; print -r -- "${${line##*<}%%>*}"; done
zpty -d shell
"""
    r = subprocess.run(["zsh", "-f", "-c", driver, "driver", "siparioctl user show al", "siparioctl user set alice@example.org max_ca", "siparioctl imp"],
                       env=dict(os.environ, CTL=CTL, TERM="dumb"), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert r.stdout.splitlines() == ["siparioctl user show alice@example.org ", "siparioctl user set alice@example.org max_calls=", "siparioctl import "], (r.stdout, r.stderr)
