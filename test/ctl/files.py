"""import and export: whole files of users, on both engines."""
import csv
import io
import json
import os
import re
import stat
import subprocess

import bench
from bench import at_terminal, ctl, fresh, ha1, js, on_both, sql, stored, test

FILE = '''display_name,user,password,forward_busy,aliases,groups,max_calls,do_not_disturb,preferences,permissions
"Alice ""the"" A., Dr.",alice@example.org,alice secret,sip:bob@example.org,sales@example.org info@example.org,staff sales,3,on,language=de zone=a%20b,national
Zoë,bob@example.org,bob secret bob,,,staff,,,,
,carol@example.org,,,,,,,,
'''


def prepare(e):
    e.ctl("domain", "add", "example.org")
    for g in ("staff", "sales"):
        e.ctl("group", "add", g)


def put(text, name="users.csv"):
    with open(name, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def refused(e, text, *wants, option=()):
    put(text)
    said = e.ctl("import", "users.csv", *option, status=None)
    assert said.status == 1 and not said, (text, said, said.err)
    assert said.err.splitlines()[-1].endswith("nothing was changed"), said.err
    for want in wants:
        assert want in said.err, (want, said.err)


@on_both
def what_is_exported_is_imported_again(e):
    prepare(e)
    put(FILE)
    assert "dry run, nothing was changed: 3 users would be added" in e.ctl("import", "users.csv", "--dry-run")
    assert not e.rows("users")
    assert "3 users added" in e.ctl("import", "users.csv") and len(e.rows("users")) == 3
    assert "3 users written to all.csv" in e.ctl("export", "all.csv", "--with-digests")
    assert stat.S_IMODE(os.stat("all.csv").st_mode) == 0o600
    assert "--force" in e.ctl("export", "all.csv", status=1).err
    first = open("all.csv", newline="").read()
    assert "secret" not in first and ha1("alice@example.org", "alice secret")[1] in first
    for name in ("alice", "bob", "carol"):
        e.ctl("user", "remove", name + "@example.org")
    e.ctl("import", "all.csv")
    assert e.ctl("export", "-", "--with-digests") == first.replace("\r\n", "\n")
    rows = {r["user"]: r for r in csv.DictReader(io.StringIO(first))}
    assert rows["alice@example.org"]["aliases"] == "info@example.org sales@example.org" and rows["alice@example.org"]["preferences"] == "language=de zone=a%20b"
    assert e.js("preference", "list")[1]["value"] == "a b"
    assert "ha1" not in e.ctl("export") and e.ctl("export", "-", "example.org") == e.ctl("export")
    assert "no domain" in e.ctl("export", "-", "other.example", status=1).err


@on_both
def an_export_that_fails_leaves_what_was_there(e):
    prepare(e)
    put("kept", "old.csv")
    if e.kind == "postgresql":    # with no room for a file
        r = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$0" "$@"', bench.CTL, "export", "old.csv", "--force"], env=dict(os.environ, **e.env), capture_output=True, text=True)
        assert r.returncode == 1 and "could not be written" in r.stderr, r.stderr
        assert open("old.csv").read() == "kept" and not os.path.exists("old.csv.part")
    assert "--force" in e.ctl("export", "old.csv", status=1).err
    e.ctl("export", "old.csv", "--force")
    assert open("old.csv").read().startswith("user,") and not os.path.exists("old.csv.part")
    e.ctl("export", "digests.csv", "--with-digests")
    assert stat.S_IMODE(os.stat("digests.csv").st_mode) == 0o600
    assert "No space" in e.ctl("export", "/dev/full", status=1).err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)    # and it is a device still
    assert "directory" in e.ctl("export", ".", status=1).err and "directory" in e.ctl("import", ".", status=1).err
    os.mkfifo("pipe")
    reader = subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE, text=True)
    e.ctl("export", "pipe")
    assert reader.communicate()[0].startswith("user,") and stat.S_ISFIFO(os.stat("pipe").st_mode)


@on_both
def an_update_changes_the_columns_that_the_file_has(e):
    prepare(e)
    put(FILE)
    e.ctl("import", "users.csv")
    before = e.ctl("export", "-", "--with-digests")
    put("user,max_calls,groups\nalice@example.org,7,\ndave@example.org,1,staff\n")
    refused(e, "user,max_calls\nalice@example.org,7\n", "users.csv:2:1: alice@example.org is there already: --update")
    put("user,max_calls,groups\nalice@example.org,7,\ndave@example.org,1,staff\n")
    assert "1 user added, 1 changed" in e.ctl("import", "users.csv", "--update")
    after = e.ctl("export", "-", "--with-digests").splitlines()
    assert after[1] == before.splitlines()[1].replace(",3,", ",7,").replace("sales staff,", ",") and after[2:4] == before.splitlines()[2:]
    put("user,password\nalice@example.org,\nbob@example.org,another secret\n")
    e.ctl("import", "users.csv", "--update")
    last = e.ctl("export", "-", "--with-digests").splitlines()
    assert last[1] == after[1] and ha1("bob@example.org", "another secret")[0] in last[2]


@on_both
def an_import_that_broke_off_is_resumed(e):
    prepare(e)
    put("user,aliases\n" + "".join(f"u{i}@example.org,a{i}@example.org\n" for i in range(12000)) + "late@example.org,u3@example.org\n")
    refused(e, open("users.csv").read(), "12002", "users.csv:12002:18: u3@example.org is on line 5 already")
    assert not e.rows("users")
    put("user,aliases\n" + "".join(f"u{i}@example.org,a{i}@example.org\n" for i in range(7000)))
    e.ctl("import", "users.csv", "--resume")
    put("user,aliases\n" + "".join(f"u{i}@example.org,a{i}@example.org\n" for i in range(12000)))
    assert "5000 users added, 7000 passed over" in e.ctl("import", "users.csv", "--resume")
    assert len(e.rows("users")) == 12000 and len(e.rows("aliases")) == 12000
    assert "exclude each other" in e.ctl("import", "users.csv", "--resume", "--update", status=2).err


@on_both
def each_mistake_has_its_line_and_column(e):
    prepare(e)
    put(FILE)
    e.ctl("import", "users.csv")
    refused(e, "user,pasword,frobnicate\n", 'users.csv:1:6: no column "pasword": did you mean "password"?', "users.csv:1:14: no column \"frobnicate\": there are user, name")
    refused(e, "user,user\n", "users.csv:1:6: column \"user\" is there twice")
    refused(e, "password\nx\n", "users.csv:1:1: the header line names no column \"user\"")
    refused(e, "user;password;ring_time;aliases;groups\n"
               "alice;x;;;\n"
               "dave@example.org;x;400;bob@example.org;staff nobody\n"
               "erin@nowhere.example;x;;;\n"
               "erin@example.org;x\n"
               "erin@example.org;x\"y;;;\n"
               "erin@example.org;\"x\" y;;;\n"
               "\"frëd@example.org\";x;soon;;\n"
               "fred@example.org;x;;f@example.org f@example.org;\n"
               "fred@example.org;x;;;\n"
               "sales@example.org;x;;;\n"
               "gus@example.org;x;;alice@example.org info@example.org;\n"
               "\"hal@example.org\n",
            ":2:1: \"alice\" is no user", ":3:20: ring_time \"400\": expected 1s to 180s", ":3:46: no group \"nobody\"", ":4:1: no domain nowhere.example", ":5:1: 2 cells, but the header line has 5",
            ":6:18: a quote within a cell", ":7:21: text behind the closing quote", ":8:1: user name", ":8:22: ring_time", ":9:35: f@example.org is on line 9 already",
            ":10:1: fred@example.org is on line 9 already", ":11:1: sales@example.org is an alias", "alice@example.org is the address of a user",
            "info@example.org is already an alias of alice@example.org", ":13:1: the quote that begins here is never closed")
    assert len(e.rows("users")) == 3
    put("user\nalice\n")
    said = json.loads(e.ctl("import", "users.csv", "--json", status=1).err)
    assert said["details"][0]["line"] == 2 and said["details"][0]["column"] == 1
    put("")
    assert "users.csv is empty" in e.ctl("import", "users.csv", status=1).err
    assert "No such file" in e.ctl("import", "elsewhere.csv", status=1).err


@on_both
def no_cell_is_more_than_a_value(e):
    prepare(e)
    nasty = "'; DROP TABLE users; --\"$1||\\{}[]%n"
    row = io.StringIO()
    csv.writer(row).writerows([["user", "display_name", "preferences", "password"], ["alice@example.org", nasty, "x='%3bDROP%20TABLE\"users", nasty]])
    put(row.getvalue())
    e.ctl("import", "users.csv")
    assert nasty in [x for r in e.rows("users") for x in r] and e.js("preference", "list")[0]["value"] == "';DROP TABLE\"users"
    assert ha1("alice@example.org", nasty)[0] in e.ctl("export", "-", "--with-digests")
    before = e.all(("users", "preferences", "aliases", "group_members"))
    columns = ("user", "display_name", "forward_busy", "status", "aliases", "groups", "permissions", "preferences", "password", "ha1_md5", "max_calls")
    for at, name in enumerate(columns):
        for bad in (b"nul\0nul", b"caf\xe9", b"'; DROP TABLE users; --" if name not in ("display_name", "password") else b"\x1b[2J"):
            cells = [b"dave@example.org"] + [b""] * (len(columns) - 1)
            cells[at] = bad
            refused(e, ",".join(columns).encode() + b"\n" + b",".join(cells) + b"\n", "users.csv:2:")
            assert e.all(before) == before, (name, bad)


@test
def a_file_comes_in_many_shapes():
    fresh()
    ctl("import", "-", stdin="\ufeffname;domain;password\r\n\r\nalice;EXAMPLE.org;\"a;b\"\"c secret\"\r\n")
    assert stored("alice@example.org") == ha1("alice@example.org", 'a;b"c secret')
    put("user\tdisplay_name\nbob@example.org\t\"two\tparts\"\ncarol@example.org\tend")
    assert "control character" in ctl("import", "users.csv", status=None).err
    put("USER\tDisplay_Name\nbob@example.org\tmiddle\ncarol@example.org\tend")
    said = js("import", "users.csv")
    assert said == {"added": 2, "changed": 0, "without_password": 2, "dry_run": False}
    assert sql("SELECT display_name FROM users ORDER BY name") == [("",), ("middle",), ("end",)]
    md5, sha = ha1("dora@example.org", "x")
    ctl("import", "-", stdin=f"user,ha1_md5,ha1_sha256\ndora@example.org,{md5.upper()},{sha}\n")
    assert stored("dora@example.org") == (md5, sha)
    for text, want in (("user\ne@example.org\n".encode("utf-16"), "is in UTF-16: save it in UTF-8"), ("user,display_name\ne@example.org,Zoë\n".encode("latin1"), "column \"display_name\": byte 3 is no UTF-8 text: save the file in UTF-8")):
        put(text)
        assert want in ctl("import", "users.csv", status=None).err
    for line, want in ((f"e@example.org,x,{md5}", "leave one of them empty"), ("e@example.org,,1234", "32 hexadecimal digits"), ("e@example.org," + "x" * 129 + ",", "128")):
        assert want in ctl("import", "-", stdin=f"user,password,ha1_md5\n{line}\n", status=None).err


@test
def a_bar_is_for_terminals():
    fresh()
    put("user\n" + "".join(f"u{i}@example.org\n" for i in range(30000)))
    assert not ctl("import", "users.csv").err
    shown, status = at_terminal(["import", "users.csv", "--resume"], [])
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert re.search(r"\rchecking \[#*\.*\] +\d+%  \d+ users, \d+ a second, \d+ s left", shown), shown
    assert shown.endswith("30000 passed over that are there already, in " + shown.rsplit(" in ", 1)[1]) and "\r\x1b[K" in shown
