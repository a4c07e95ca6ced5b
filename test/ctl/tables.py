"""Every table that an operator provisions, on both engines; and what no field of a command can do to them."""
import re

from bench import ctl, js, on_both, test


def people(e):
    e.ctl("domain", "add", "example.org")
    for name in ("alice", "bob"):
        e.ctl("user", "add", name + "@example.org", "--generate")


# command, what it says: a status and a part of the sentence
STORY = (
    ("domain add Second.Example", 0, "domain second.example added"),
    ("domain add second.example", 1, "is there already"),
    ("domain list", 0, "second.example      0"),
    ("user add dora@second.example --generate", 0, "password: "),
    ("user add dora@second.example --generate", 1, "is there already: `siparioctl user passwd`"),
    ("user add dora@third.example --generate", 1, "no domain third.example"),
    ("user passwd dora@second.example --generate", 0, "user dora@second.example has a new password"),
    ("user passwd nobody@second.example --generate", 1, "no user nobody@second.example"),
    ("user set dora@second.example display_name=Dora~D. ring_time=20 max_calls=2 max_contacts=3 do_not_disturb=on status=disabled", 0, "changed"),
    ("user set dora@second.example forward_always=tel:1 forward_busy=tel:2 forward_no_answer=tel:3 forward_offline=tel:4 voicemail=tel:5", 0, "changed"),
    ("user list second.example", 0, "dora@second.example  disabled  Dora D."),
    ("user list", 0, "dora@second.example  disabled"),
    ("user show dora@second.example", 0, "ring time          20s"),
    ("location list", 0, "none"),
    ("location show dora@second.example", 0, "none"),
    ("location remove dora@second.example", 1, "no such contact"),
    ("location remove dora@second.example sip:x@192.0.2.1", 1, "no such contact"),
    ("cdr list --user dora --since 1h --until 0s --state missed --code 486 --limit 3", 0, "none"),
    ("cdr show nobody", 0, "none"),
    ("domain remove second.example", 1, "has 1 user"),
    ("user remove dora@second.example", 0, "removed"),
    ("user remove dora@second.example", 1, "no user dora@second.example"),
    ("domain remove second.example", 0, "removed"),
    ("domain add second.example", 0, "added"),
    ("user add dora@second.example --generate", 0, "added"),
    ("domain remove second.example --force", 0, "with 1 user"),
    ("alias add sales@example.org alice@example.org", 0, "calls to sales@example.org go to alice@example.org"),
    ("alias add sales@example.org bob@example.org", 1, "`siparioctl alias remove sales@example.org`"),
    ("alias add bob@example.org alice@example.org", 1, "is the address of a user"),
    ("alias add x@other.example alice@example.org", 1, "no domain other.example"),
    ("alias add x@example.org carol@example.org", 1, "no user carol@example.org"),
    ("user add sales@example.org --generate", 1, "is an alias: `siparioctl alias list`"),
    ("alias list", 0, "sales@example.org  alice@example.org"),
    ("alias list bob@example.org", 0, "none"),
    ("alias list carol@example.org", 1, "no user carol@example.org"),
    ("alias remove sales@example.org", 0, "removed"),
    ("alias remove sales@example.org", 1, "`siparioctl alias list`"),
    ("forward set alice@example.org no-answer sip:bob@example.org 20s", 0, "alice@example.org forwards to sip:bob@example.org: no-answer"),
    ("forward set alice@example.org buzy sip:bob@example.org", 2, 'did you mean "busy"?'),
    ("forward set alice@example.org sometimes sip:bob@example.org", 2, "always, busy, no-answer, offline"),
    ("forward set alice@example.org busy sip:bob@example.org 20s", 2, "only no-answer has a ring time"),
    ("forward set alice@example.org busy bob", 2, "no sip, sips or tel URI"),
    ("forward set carol@example.org busy tel:1", 1, "no user carol@example.org"),
    ("forward set alice@example.org offline tel:+4930123456", 0, ": offline"),
    ("forward list", 0, "no-answer  sip:bob@example.org        20s"),
    ("forward list bob@example.org", 0, "none"),
    ("forward clear alice@example.org offline", 0, "does not forward any more: offline"),
    ("user show alice@example.org", 0, "sip:bob@example.org"),
    ("forward clear alice@example.org", 0, "any more: all"),
    ("forward list alice@example.org", 0, "none"),
    ("dnd on alice@example.org", 0, "alice@example.org is not disturbed"),
    ("dnd list", 0, "alice@example.org"),
    ("dnd off alice@example.org", 0, "takes calls"),
    ("dnd list", 0, "none"),
    ("dnd on carol@example.org", 1, "no user carol@example.org"),
    ("class add Satellite", 2, "lower-case letters"),
    ("class add satellite by~satellite", 0, "class satellite added"),
    ("class add satellite", 1, "is there already"),
    ("class list", 0, "by satellite"),
    ("prefix add +881 satelite", 1, "no class satelite"),
    ("prefix add +88x satellite", 2, "character 4"),
    ("prefix add +881 satellite", 0, "numbers that begin with +881 are satellite"),
    ("prefix add +881 local", 1, "`siparioctl prefix remove +881`"),
    ("prefix list satellite", 0, "+881    satellite"),
    ("class remove satellite", 1, "is in use"),
    ("prefix remove +881", 0, "prefix +881 removed"),
    ("prefix remove +881", 1, "`siparioctl prefix list`"),
    ("class remove satellite", 0, "class satellite removed"),
    ("class remove satellite", 1, "no class satellite"),
    ("group add two~words", 2, "no blanks"),
    ("group add staff people~here", 0, "group staff added"),
    ("group add staff", 1, "is there already"),
    ("group join staff alice@example.org", 0, "is a member of staff"),
    ("group join staff alice@example.org", 1, "already"),
    ("group join stuff alice@example.org", 1, "no group stuff"),
    ("group permit staff national", 0, "members of staff may make national calls"),
    ("group permit staff national", 1, "already"),
    ("group permit staff inward", 1, "no class inward"),
    ("group list", 0, "staff        1        1  people here"),
    ("group members staff", 0, "alice@example.org"),
    ("group members stuff", 1, "no group stuff"),
    ("group classes staff", 0, "national"),
    ("permission grant alice@example.org premium", 0, "may make premium calls"),
    ("permission grant alice@example.org premium", 1, "already"),
    ("permission list", 0, "alice@example.org  national  staff"),
    ("permission list alice@example.org", 0, "alice@example.org  premium   -"),
    ("permission revoke alice@example.org national", 1, "whether a group gives it"),
    ("permission revoke alice@example.org premium", 0, "no longer"),
    ("group forbid staff national", 0, "no longer gives national calls"),
    ("group forbid staff national", 1, "`siparioctl group classes staff`"),
    ("group leave staff alice@example.org", 0, "any more"),
    ("group leave staff alice@example.org", 1, "`siparioctl group members staff`"),
    ("group remove staff", 0, "its members stay users"),
    ("group remove staff", 1, "no group staff"),
    ("peer add 192.0.2.0/24 carrier the~carrier", 0, "whoever calls from 192.0.2.0/24 is trusted as carrier"),
    ("peer add 192.0.2.5/24 x", 2, "did you mean 192.0.2.0/24?"),
    ("peer add 192.0.2 x", 2, "is no network"),
    ("peer add 192.0.2.0/24 again", 1, "is a peer already"),
    ("peer add 2001:DB8::/32 six", 0, "2001:db8::/32"),
    ("peer add 0.0.0.0/0 all", 1, "is everybody"),
    ("peer add ::/0 all", 1, "--force"),
    ("peer add 0.0.0.0/0 all --force", 0, "trusted as all"),
    ("peer disable 0.0.0.0/0", 0, "peer enable 0.0.0.0/0"),
    ("peer remove 0.0.0.0/0", 0, "removed"),
    ("peer add 10.1.2.3 one", 0, "10.1.2.3/32"),
    ("peer disable 192.0.2.0/24", 0, "peer enable 192.0.2.0/24"),
    ("peer list", 0, "192.0.2.0/24   carrier  disabled  the carrier"),
    ("peer enable 192.0.2.0/24", 0, "is trusted"),
    ("peer remove 192.0.2.0/24", 0, "removed"),
    ("peer remove 192.0.2.0/24", 1, "`siparioctl peer list`"),
    ("preference set alice@example.org language de", 0, "language of alice@example.org set"),
    ("preference set alice@example.org language fr", 0, "set"),
    ("preference list", 0, "language    fr"),
    ("preference list bob@example.org", 0, "none"),
    ("preference unset alice@example.org language", 0, "removed"),
    ("preference unset alice@example.org language", 1, "`siparioctl preference list alice@example.org`"),
)


# they have tests of their own
TOLD_ELSEWHERE = {"init", "doctor", "import", "export", "table", "profile", "why", "trace", "status", "reload", "rollback", "memory", "stats", "db", "completion", "help", "version"}


@test
def the_story_knows_every_command():
    """Each is run on either engine: SQL that one of them takes the other may refuse."""
    told = [line.split() for line, _, _ in STORY]
    for c in js("help")["commands"]:
        words = [w for w in c["command"].split() if re.fullmatch(r"[a-z-]+", w)]
        assert words[0] in TOLD_ELSEWHERE or any(t[:len(words)] == words for t in told), c["command"]


@on_both
def each_table_is_provisioned(e):
    people(e)
    for line, status, want in STORY:
        said = e.ctl(*(w.replace("~", " ") for w in line.split()), status=status)
        assert want in said + said.err, (line, said, said.err)


@test
def answers_of_changes_name_what_was_changed():
    from bench import fresh
    fresh()
    ctl("user", "add", "alice@example.org", "--generate")
    ctl("group", "add", "staff")
    assert js("group", "join", "staff", "alice@example.org") == {"group": "staff", "user": "alice@example.org"}
    assert js("peer", "add", "10.0.0.0/8", "lan") == {"network": "10.0.0.0/8", "name": "lan", "help": ""}
    assert js("forward", "set", "alice@example.org", "always", "tel:1") == {"user": "alice@example.org"}
    assert js("group", "members", "staff") == [{"user": "alice@example.org", "display_name": ""}]


# --- whatever is typed, it is a value ---

SQL, BYTES = "'; DROP TABLE users; --\"$1||\\", b"caf\xe9"
NASTY = (SQL, BYTES, "%n%s\x1b[2J\nb", "x" * 5000, "")
GOOD = {
    "NAME@DOMAIN": "alice@example.org", "ALIAS@DOMAIN": "new@example.org", "DOMAIN": "example.org", "CLASS": "local", "PREFIX": "+49", "GROUP": "staff", "NETWORK": "192.0.2.0/24",
    "NAME": "n", "VALUE": "v", "HELP": "h", "WHEN": "no-answer", "URI": "sip:bob@example.org", "RING-TIME": "9s", "FIELD=VALUE": "display_name=x",
}
ELSEWHERE = {"location", "table", "why", "trace", "status", "reload", "rollback", "memory", "stats", "help", "version", "cdr"}    # these ask the server or nobody
TABLES = ("domains", "users", "preferences", "aliases", "call_classes", "call_prefixes", "groups", "group_members", "group_permissions", "user_permissions", "trusted_peers")


def forms(kind, word):
    """Ways to write something nasty where WORD is wanted; what siparioctl judges by itself is tried once."""
    yield from NASTY if kind == "sqlite" else NASTY[:1]
    for form in ("{}@example.org", "alice@{}") if "@" in word else ("display_name={}", "forward_busy=sip:{}", "{}=x") if "=" in word else ():
        yield form.format(SQL)


def everything(e):
    return e.all(TABLES)


def flat(tables):
    return {str(x) for rows in tables.values() for row in rows for x in row}


def commands():
    for c in js("help")["commands"]:
        words = c["command"].split()
        at = next((i for i, w in enumerate(words) if not re.fullmatch(r"[a-z-]+", w)), len(words))
        name, args = words[:at], [w.strip("[]") for w in words[at:] if w != "…"]
        if name[0] not in ELSEWHERE and args and all(a in GOOD for a in args):
            yield name, args


def try_one(e, name, args, at, value, before):
    line = [*name, *(GOOD[a] for a in args)]
    line[len(name) + at] = value
    options = ["--generate"] if name in (["user", "add"], ["user", "passwd"]) else []
    said = e.ctl(*options, "--", *line, status=None)
    assert said.status in (0, 1, 2), (line, said.status, said.err)
    assert said.err.count("\n") <= 1 or said.status == 0, (line, said.err)
    assert "\x1b" not in said + said.err, (line, said, said.err)
    assert "syntax" not in said.err.lower() and "utf-8 text, or" not in said.err, (line, said.err)    # each is named before the database sees it
    after = everything(e)
    assert len(after["users"]) >= 2 and len(after["domains"]) >= 1, (line, "something was removed")
    if said.status:
        assert after == before, (line, "an error changed something")
    elif after != before:
        text = value if isinstance(value, str) else value.decode("latin1")
        part = text.split("=", 1)[1] if "=" in args[at] else text.split("@")[0] if "@" in args[at] else text
        assert part in flat(before if name[-1] in ("remove", "unset") else after), (line, "stored as something else")
    return after


@on_both
def no_field_of_a_command_is_more_than_a_value(e):
    people(e)
    e.ctl("group", "add", "staff")
    tried, state = 0, everything(e)
    for name, args in commands():
        for at, word in enumerate(args):
            for value in forms(e.kind, word):
                state = try_one(e, name, args, at, value, state)
                tried += 1
    assert tried > 60, tried


@on_both
def a_nul_or_bad_text_in_a_password_is_refused(e):
    e.ctl("domain", "add", "example.org")
    for text, want in (("nul\0here-it-is\n", "control character"), ("tab\there-it-is\n", "control character")):
        assert want in e.ctl("user", "add", "alice@example.org", "--stdin", stdin=text, status=1).err
    assert not e.rows("users")
