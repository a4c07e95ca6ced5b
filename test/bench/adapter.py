"""Sipario for the benchmark kit. Options: workers (0: one a processor core), durable (off|on) for the bindings of `registrar`.

One configuration file a scenario stands beside this; users, where a scenario has them, are in an SQLite database made as an
operator would make it (siparioctl) and then filled by SQL, with the digests that siparioctl would store.
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


class Adapter(Server):
    name = "sipario"
    configs = ("options-self", "stateless", "stateful", "registrar", "registrar-auth", "full", "registrar-db")

    def prepare(self, config, users, contacts):
        self.db = None
        if config not in ("registrar-auth", "full", "registrar-db"):
            return
        self.db = self.work.path(f"sipario-{users}-{contacts}.db")
        if os.path.exists(self.db):
            return
        base = [CTL, "--db", "sqlite:" + self.db, "--schema", os.path.join(TOP, "db/schema")]
        for args in (["db", "migrate"], ["domain", "add", b.DOMAIN]):
            subprocess.run(base + args, check=True, stdout=subprocess.DEVNULL)
        db = sqlite3.connect(self.db)
        with db:
            db.executemany("INSERT INTO users (name, domain, ha1_md5, ha1_sha256) VALUES (?, ?, ?, ?)", map(self.row, range(users)))
            end = int(time.time()) + 86400
            db.executemany("INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix, received, via) VALUES (?, ?, ?, 1, ?, ?, ?)",
                           ((f"sip:u{i:07d}@{b.DOMAIN}", f"sip:u{i:07d}@{b.HOST}:{b.UAS_PORT}", f"preload-{i}", end, f"udp:{b.HOST}:{b.UAS_PORT}",
                             f"udp:{b.HOST}:{b.PORT}") for i in range(contacts)))
        db.close()

    @staticmethod
    def row(i):
        user = f"u{i:07d}"
        secret = f"{user}:{b.DOMAIN}:{b.PASS_PREFIX}{user}".encode()
        return user, b.DOMAIN, hashlib.md5(secret).hexdigest(), hashlib.sha256(secret).hexdigest()

    def start(self, config, transport="udp"):
        script, uas = os.path.join(HERE, config + ".cfg"), f"sip:{b.HOST}:{b.UAS_PORT}"
        if transport == "tcp":                  # UDP as well: the kit asks there whether the server is ready
            script, uas = self.with_tcp(script), uas + ";transport=tcp"
        consts = {"LISTEN": f"udp:{b.HOST}:{b.PORT}", "UAS": uas, "CONTROL": self.work.path("sipario.sock"),
                  "WORKERS": self.opts.get("workers", "0")}
        if getattr(self, "db", None):
            consts["DATABASE"] = "sqlite:" + self.db
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
