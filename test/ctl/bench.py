"""What the tests of siparioctl share: running it, its database, a terminal."""
import hashlib
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import time

TOP = os.environ.get("SIPARIO_TOP") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test/lib"))
CTL = os.path.join(TOP, "build/san/siparioctl")
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Said(str):
    """Standard output, with .err and .status."""


def ctl(*args, stdin=None, env=None, status=0):
    e = {k: v for k, v in os.environ.items() if not k.startswith("SIPARIO_")}
    e.update(env or {})
    r = subprocess.run([CTL, *args], input=stdin, capture_output=True, text=True, errors="backslashreplace", env=e, timeout=120, start_new_session=True)
    said = Said(r.stdout)
    said.err, said.status = r.stderr, r.returncode
    assert status is None or r.returncode == status, f"{args}: status {r.returncode}, expected {status}\n{r.stdout}{r.stderr}"
    if status:
        assert r.stderr and not r.stdout, f"{args}: an error belongs on standard error"
        assert r.stderr.count("\n") == 1, f"{args}: an error is one line: {r.stderr}"
    return said


def js(*args, **kw):
    return json.loads(ctl(*args, "--json", **kw))


def sql(text, *args):
    db = sqlite3.connect("var/sipario.db")
    with db:
        rows = db.execute(text, args).fetchall()
    db.close()
    return rows


# --- the same on both engines ---

CLUSTER = []    # one for all tests, made when the first asks


def cluster():
    import postgres
    if not CLUSTER:
        CLUSTER.append(postgres.Cluster())
    return CLUSTER[0]


class Engine:
    """A new database; .env for ctl(), .rows() whatever lies in its tables, as texts."""

    def __init__(self, kind):
        self.kind = kind
        if kind == "sqlite":
            os.makedirs("var", mode=0o700, exist_ok=True)
            self.url = "sqlite:var/sipario.db"
        else:
            self.name = f"ctl{time.monotonic_ns()}"
            cluster().sql("postgres", f"CREATE DATABASE {self.name}")
            self.url = CLUSTER[0].url(self.name)
        self.env = {"SIPARIO_DB": self.url}
        ctl("db", "migrate", env=self.env)

    def ctl(self, *args, **kw):
        return ctl(*args, env=self.env, **kw)

    def js(self, *args, **kw):
        return js(*args, env=self.env, **kw)

    def all(self, tables):
        """Their rows, by table."""
        if self.kind == "sqlite":
            return {t: [list(r) for r in sql(f"SELECT * FROM {t}")] for t in tables}
        parts = ", ".join(f"(SELECT coalesce(json_agg((SELECT json_agg(x.value) FROM json_each(to_json(t)) x)), '[]') FROM {t} t)" for t in tables)
        return dict(zip(tables, json.loads(CLUSTER[0].sql(self.name, f"SELECT json_build_array({parts})"))))

    def rows(self, table):
        return self.all([table])[table]


def on_both(fn):
    """A test that is run on either engine with an Engine."""
    for kind in ("sqlite", "postgresql"):
        def run(kind=kind):
            fn(Engine(kind))
        run.__name__ = f"{fn.__name__}_{kind}"
        TESTS.append(run)
    return fn


def close():
    for c in CLUSTER:
        c.close()



def fresh():
    os.makedirs("var", mode=0o700)
    ctl("db", "migrate")
    ctl("domain", "add", "example.org")


def ha1(user, password):
    text = ":".join(user.split("@") + [password]).encode()
    return hashlib.md5(text).hexdigest(), hashlib.sha256(text).hexdigest()


def stored(user):
    return sql("SELECT ha1_md5, ha1_sha256 FROM users WHERE name || '@' || domain = ?", user)[0]


def at_terminal(args, typed, interrupt=signal.SIG_DFL):
    """Runs siparioctl at a terminal, answering each prompt; (what the terminal showed, status). interrupt: what SIGINT does at its start."""
    pid, fd = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, interrupt)
        os.execv(CTL, [CTL, *args])
    shown, typed, end = b"", list(typed), time.monotonic() + 30
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            got = os.read(fd, 4096)
        except OSError:
            break
        if not got:
            break
        shown += got
        if typed and shown.endswith(b": "):
            time.sleep(0.05)
            os.write(fd, typed.pop(0))
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return shown.decode(), status
