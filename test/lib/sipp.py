"""Runs SIPp with one of test/sipp/*.xml."""
import os
import subprocess

import sip
import sipario

FOLDER = os.path.join(sipario.TOP, "test/sipp")


class Sipp:
    """One SIPp process; finish() waits for it and demands that all its calls went well. `values` replace @NAME@ in the scenario. tcp: one connection. traces: keep the messages, for the story."""

    def __init__(self, bench, scenario, server=None, port=0, calls=1, rate=10, user=None, uri=None, limit=25, host=None, tcp=False, traces=True, args=(), **values):
        self.name, n = scenario, len(bench.things)
        self.folder = bench.path(f"sipp{n}")
        os.mkdir(self.folder)
        with open(os.path.join(FOLDER, scenario + ".xml")) as f:
            text = f.read()
        text = text.replace("@TP@", ";transport=tcp" if tcp else "")
        for k, v in values.items():
            text = text.replace(f"@{k.upper()}@", str(v))
        path = os.path.join(self.folder, "scenario.xml")
        with open(path, "w") as f:
            f.write(text)
        host = host or (server.host if server else "127.0.0.1")
        cmd = ["sipp", *([server.here] if server else []), "-sf", path, "-i", host, "-m", str(calls), "-r", str(rate), "-p", str(port or sip.free_port(host)), "-nostdin", "-timeout", str(limit), "-timeout_error",
               "-trace_err", "-error_file", "errors", *(["-trace_msg", "-message_file", "messages"] if traces else []), *(["-t", "t1"] if tcp else []), *args]
        if user:
            cmd += ["-s", user, "-au", user, "-ap", sipario.password(user), "-auth_uri", uri or values.get("callee")]
        self.limit = limit
        self.out = open(os.path.join(self.folder, "out"), "w")
        self.proc = subprocess.Popen(cmd, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out)
        bench.keep(self)

    def finish(self, want=0):
        try:
            status = self.proc.wait(self.limit + 10)
        except subprocess.TimeoutExpired:
            status = "no end"
        assert status == want, f"sipp {self.name} ended with {status}"

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.out.close()

    def story(self):
        out = [f"--- sipp {self.name}"]
        for name in ("errors", "messages"):
            try:
                with open(os.path.join(self.folder, name), errors="replace") as f:
                    out += f.read().splitlines()[-150:]
            except OSError:
                pass
        return "\n".join(out) + "\n"
