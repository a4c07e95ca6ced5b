"""The examples of doc/database.md and doc/siparioctl.md, run as they stand there."""
import re
import shlex
import subprocess

from bench import TOP, ctl, fresh, ha1, test

BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.S | re.M)


def blocks(page):
    with open(f"{TOP}/doc/{page}", encoding="utf-8") as f:
        return BLOCK.findall(f.read())


def commands(text):
    """Those of siparioctl, without the program's name."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] == "siparioctl":
            yield words[1:]


class Psql:
    """psql in a cluster of its own, as one of the users of the page. The test's cluster trusts those on its socket."""

    def __init__(self, cluster):
        self.cluster = cluster
        cluster.sql("postgres", "CREATE DATABASE kamailio")
        cluster.sql("kamailio", "CREATE TABLE subscriber (username text, domain text, ha1 text)")
        cluster.sql("kamailio", f"INSERT INTO subscriber VALUES ('dora', 'example.org', '{ha1('dora@example.org', 'kept')[0]}')")

    WHO = {"administrator": ("sipario", "postgres"), "owner": ("sip_owner", "sipario"), "operator": ("sip_clerk", "sipario"), "kamailio": ("sipario", "kamailio")}

    def __call__(self, who, text):
        user, database = self.WHO[who]
        r = subprocess.run(["psql", "-q", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.cluster.dir, "-p", str(self.cluster.port), "-U", user, "-d", database],
                           input=text, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr + text
        return r.stdout


@test
def the_page_about_the_database_works_as_written():
    import postgres
    cluster = postgres.Cluster()
    try:
        psql, ran = Psql(cluster), []
        for kind, who, text in blocks("database.md"):
            if kind == "sql":
                out = psql(who, text)
                if who == "kamailio":
                    with open("users.csv", "w") as f:
                        f.write(out)
                ran.append(who)
            for words in commands(text) if kind == "sh" else ():
                words = [re.sub(r"@localhost/(\w+)", rf"@/\1?host={cluster.dir}&port={cluster.port}", w) for w in words]
                ran.append(" ".join(ctl(*words).split()[:2]))
        assert ran.count("operator") == 2 and "kamailio" in ran and len(ran) > 8, ran
        url = f"postgresql://sip_clerk@/sipario?host={cluster.dir}&port={cluster.port}"
        users = ctl("user", "list", "--db", url)
        for name in ("alice@example.org", "bob@example.net", "dora@example.org"):
            assert name in users, users
        exported = ctl("export", "--with-digests", "--db", url)
        assert f"bob@example.net,{','.join(ha1('bob@example.net', 'secret'))}," in exported and f"dora@example.org,{ha1('dora@example.org', 'kept')[0]},," in exported
    finally:
        cluster.close()


# they want the running server
ELSEWHERE = {"location", "stats", "doctor", "init"}


@test
def the_page_about_siparioctl_works_as_written():
    fresh()
    ctl("user", "add", "bob@example.org", "--generate")
    with open("users.csv", "w") as f:
        f.write("user,display_name\ncarol@example.org,Carol\n")
    ran = 0
    for kind, _, text in blocks("siparioctl.md"):
        for words in commands(text) if kind == "sh" else ():
            if ELSEWHERE & set(words[:2]):
                continue
            if words[0] == "export":
                words.append("--force")
            ctl(*words)
            ran += 1
    assert ran > 12, ran
