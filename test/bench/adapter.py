"""Sipario for the benchmark kit. Options: workers (0: one a processor core), db (postgresql|sqlite).

One configuration file a scenario stands beside this; users, where a scenario has them, are in a database made as an operator would make it (siparioctl)
and then filled by SQL, with the digests that siparioctl would store: in the kit's private PostgreSQL cluster, as Kamailio's are, or in an SQLite file.
"""
import hashlib
import json
import os
import sqlite3
import subprocess
import time

import benchlib as b
from adapters import Server

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BIN = os.path.abspath(os.environ.get("SIPARIO_BIN") or os.path.join(TOP, "build/sipario"))
CTL = os.path.join(os.path.dirname(BIN), "siparioctl")
BINDING = ("aor", "contact", "call_id", "cseq", "expires_unix", "received", "via")


class Adapter(Server):
    name = "sipario"
    configs = ("options-self", "stateless", "stateful", "registrar", "registrar-auth", "full", "registrar-db")

    def prepare(self, config, users, contacts):
        self.url = None
        if config not in ("registrar-auth", "full", "registrar-db"):
            return
        make = self.in_sqlite if self.opts.get("db") == "sqlite" else self.in_postgres
        self.url = make(f"sipario_{users}_{contacts}", users, contacts)

    def ctl(self, url, *args):
        subprocess.run([CTL, "--db", url, "--schema", os.path.join(TOP, "db/schema"), *args], check=True, stdout=subprocess.DEVNULL)

    def begin(self, url):
        self.ctl(url, "db", "migrate")
        self.ctl(url, "domain", "add", b.DOMAIN)
        return url

    def in_sqlite(self, name, users, contacts):
        file = self.work.path(name + ".db")
        url = "sqlite:" + file
        if os.path.exists(file):
            return url
        self.begin(url)
        db = sqlite3.connect(file)
        with db:
            db.executemany("INSERT INTO users (name, domain, ha1_md5, ha1_sha256) VALUES (?, ?, ?, ?)", map(self.user, range(users)))
            db.executemany(f"INSERT INTO bindings ({', '.join(BINDING)}) VALUES ({', '.join('?' * len(BINDING))})", map(self.binding, range(contacts)))
        db.close()
        return url

    def in_postgres(self, name, users, contacts):
        if not self.work.pg:
            self.work.pg = b.Postgres(self.work, cpu=self.cpu)
        pg = self.work.pg
        url = f"postgresql://bench@/{name}?host={pg.sock}"
        if name in pg.databases:
            return url
        self.begin(url)
        for table, columns, row, n in (("users", ("name", "domain", "ha1_md5", "ha1_sha256"), self.user, users), ("bindings", BINDING, self.binding, contacts)):
            pg.psql(name, "-c", f"COPY {table} ({', '.join(columns)}) FROM STDIN", input="".join("\t".join(map(str, row(i))) + "\n" for i in range(n)))
        pg.psql(name, "-c", "ANALYZE")
        pg.databases.add(name)
        return url

    @staticmethod
    def user(i):
        user = f"u{i:07d}"
        secret = f"{user}:{b.DOMAIN}:{b.PASS_PREFIX}{user}".encode()
        return user, b.DOMAIN, hashlib.md5(secret).hexdigest(), hashlib.sha256(secret).hexdigest()

    @staticmethod
    def binding(i):
        place = f"{b.HOST}:{b.UAS_PORT}"
        return f"sip:u{i:07d}@{b.DOMAIN}", f"sip:u{i:07d}@{place}", f"preload-{i}", 1, int(time.time()) + 86400, f"udp:{place}", f"udp:{b.HOST}:{b.PORT}"

    def start(self, config, transport="udp"):
        script, uas = os.path.join(HERE, config + ".cfg"), f"sip:{b.HOST}:{b.UAS_PORT}"
        if transport == "tcp":                  # UDP as well: the kit asks there whether the server is ready
            script, uas = self.with_tcp(script), uas + ";transport=tcp"
        consts = {"LISTEN": f"udp:{b.HOST}:{b.PORT}", "UAS": uas, "CONTROL": self.work.path("sipario.sock"),
                  "WORKERS": self.opts.get("workers", "0")}
        if getattr(self, "url", None):
            consts["DATABASE"] = self.url
        cmd = [BIN, "-f", script] + [x for k, v in consts.items() for x in ("-D", f"{k}={v}")]
        self.log = self.work.path("sipario.log")
        with open(self.log, "w") as f:
            self.proc = subprocess.Popen(b.pinned(cmd, self.cpu, self.nice), stdout=f, stderr=f, stdin=subprocess.DEVNULL, cwd=self.work.dir)
        return self.proc

    def with_tcp(self, script):
        out = self.work.path("tcp-" + os.path.basename(script))
        with open(out, "w") as f:
            f.write(f'include "{script}";\nlisten tcp:{b.HOST}:{b.PORT};\n')
        return out

    def stats(self):
        """Bytes of shared memory in use, by the server's own books."""
        r = subprocess.run([CTL, "--socket", self.work.path("sipario.sock"), "--json", "memory"], capture_output=True, text=True, timeout=20)
        try:
            d = json.loads(r.stdout)
        except ValueError:
            return {}
        return {"shm_used": sum(o["bytes"] for o in d["owners"]), "shm_real_used": d["taken_bytes"] - d["free_bytes"]}
