#!/usr/bin/env python3
"""Writes what the manual takes from the server's own tables (`make doc`); --check: is what lies there up to date?

In a page of doc/ or doc/man/, what stands between `<!-- table: NAME -->` and `<!-- end -->` (in a man page: `.\\" table: NAME` and `.\\" end`) is
written here, all else by hand. The files of doc/editors/ are written here as a whole. The tables come from `siparioctl help`, and
counters and control methods from a server that is started for it; the words of the grammar from core/script/parse*.c.
"""
import argparse
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "test/lib"))
import sipario  # noqa: E402
import suite  # noqa: E402

SOURCE = os.path.join(TOP, "core/script")


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


# --- what the server says ---

class Tables:
    def __init__(self):
        self.all = self.help()
        self.language = self.help("language")
        self.modules = {m["module"]: self.help(m["module"]) for m in self.all["modules"]}
        self.core = self.help("core")
        self.usage = subprocess.run([sipario.BIN, "-h"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.words = words()
        self.counters, self.methods = from_a_server(self.modules)

    @staticmethod
    def help(*name):
        return json.loads(sipario.ctl("--json", "help", *name))


def from_a_server(modules):
    """Counters and methods exist in a running server only: one with all modules."""
    bench = suite.Bench("doc")
    try:
        extra = "".join(f"module {m} {{ }}\n" for m in modules if f"module {m} " not in read("etc/sipario.cfg"))
        s = sipario.Server(bench, settings=extra, workers=1)
        counters = json.loads(s.ctl("--json", "stats"))
        methods = json.loads(rpc(s.control, "core.methods"))["result"]
        return counters, methods
    finally:
        bench.close()
        import shutil
        shutil.rmtree(bench.dir, ignore_errors=True)


def rpc(path, method):
    import socket
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(10)
        c.connect(path)
        c.sendall((json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}) + "\n").encode())
        return c.makefile().readline()


def words():
    """The words of the grammar, by what they begin; read from the parser's own tables."""
    decl, stmt = read("core/script/parse.c"), read("core/script/parse_stmt.c")
    step = read("core/script/parse_test.c") + read("core/script/test_form.c")
    other = decl + stmt + step + read("core/script/parse_expr.c")
    foreign = {"and", "switch", "case"}  # asked for to say what is written instead
    out = {
        "route": set(re.findall(r'\{ "(\w+)", ROUTE_\w+', decl)),
        "declaration": set(re.findall(r'\{ "(\w+)", parse_\w+ \}', decl)),
        "statement": set(re.findall(r'\{ "(\w+)", ST_\w+', stmt)) | {"else"},
        "test": set(re.findall(r'\{ "(\w+)", \w+', step)),
        "constant": {"true", "false", "null"},
        "operator": {"in"},
    }
    out["statement"] |= set(re.findall(r'parser_at_word\(p, "(\w+)"\)', stmt)) - out["declaration"] - out["route"] - out["operator"] - foreign
    known = set().union(*out.values())
    out["test"] |= set(re.findall(r'parser_at_word\(p, "(\w+)"\)', step)) - known
    out["setting"] = set(re.findall(r'parser_at_word\(p, "(\w+)"\)', other)) - known - out["test"] - foreign
    assert {"request_route", "route"} <= out["route"] and {"if", "let", "while"} <= out["statement"] and {"send", "expect"} <= out["test"], out
    assert {"module", "const", "table", "test"} <= out["declaration"], out
    return {k: sorted(v) for k, v in out.items()}


# --- Markdown ---

def cell(s):
    return str(s).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def sentence(s):
    s = s.replace("<", "&lt;")
    return s[0].upper() + s[1:] + ("" if s[-1] in "?!." else ".")


def code(s):
    return "`" + str(s).replace("|", "\\|") + "`" if s else ""


def md_table(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


def md_params(params):
    return md_table(["name", "type", "default", "", "at reload"], [
        [code(p["name"]), cell(p["type"] + (", " + p["range"] if p["range"] else "")), code(p["preset"]), cell(p["help"]), "yes" if p["reload"] else "no"]
        for p in params])


def md_functions(funcs):
    out = ""
    for f in funcs:
        where = "any route" if f["routes"] == "any" else f["routes"] + " routes"
        out += f"**`{f['function']}`**  \n{sentence(f['help'])} *{where}{'; may wait' if f['waits'] else ''}*\n\n"
    return out


def md_variables(variables):
    return md_table(["variable", "type", "may be set", ""], [
        [code(v["variable"]), cell(v["type"]), "yes" if v["may_be_set"] else "", cell(v["help"])] for v in variables])


def md_fields(results):
    return md_table(["field", "type", ""], [[code(r["field"]), cell(r["type"]), cell(r["help"])] for r in results])


def core_families(t):
    """The headings are the comments in the table of core/script/builtin.c."""
    table = read("core/script/builtin.c").split("const struct mod_func core_funcs[] = {")[1].split("\n\t{ 0 }")[0]
    funcs, out = list(t.core["functions"]), []
    for line in table.split("\n"):
        m = re.match(r"\t/\* (.*) \*/", line)
        if m:
            out.append((m.group(1), []))
        elif re.match(r'\t\{ "\w+",', line):
            out[-1][1].append(funcs.pop(0))
    assert not funcs and len(out) > 5, "core_funcs is not read right"
    return out


def md_core_functions(t):
    return "\n".join(f"## {title[0].upper() + title[1:]}\n\n{md_functions(funcs)}" for title, funcs in core_families(t))


def md_events(events):
    return md_table(["event", "when", "`$event`"], [
        [code(e["event"]), cell(e["help"]), ", ".join(code(f.replace("$event", "")) for f in e["fields"].split(", ") if f)] for e in events])


def md_commands(commands):
    return md_table(["command", ""], [[code("siparioctl " + c["command"]), cell(c["help"])] for c in commands])


def md_module(t, name):
    m, out = t.modules[name], ""
    out += f"{m['help'][0].upper() + m['help'][1:]}.\n\n"
    if "needs" in m:
        out += f"Needs the service {code(m['needs'])}: the module of that name is loaded by itself. "
    if "offers" in m:
        out += f"Offers the service {code(m['offers'])}. "
    out = out.rstrip() + "\n\n"
    for title, key, write in (("Parameters", "parameters", md_params), ("Functions", "functions", md_functions), ("Results", "results", md_fields),
                              ("Variables", "variables", md_variables), ("Events", "events", md_events), ("Counters", "counters", md_counters),
                              ("Control methods", "commands", md_methods), ("Commands of siparioctl", "siparioctl", md_commands)):
        if m.get(key):
            out += f"## {title}\n\n{write(m[key])}\n"
    return out


def md_counters(counters):
    return md_table(["name", "kind", "unit", ""], [[code(c["name"]), c["kind"], cell(c["unit"]), cell(c["help"])] for c in counters])


def md_methods(methods):
    return md_table(["method", ""], [[code(m["method"]), cell(m["help"])] for m in methods])


def md_errors(t):
    out = ""
    for c in t.language["codes"]:
        out += f"## {c['code']}: {cell(c['title'])}\n\n{cell(c['text'])}\n\n"
        if c["wrong"]:
            out += f"Wrong:\n\n```sipario {c['code']}\n{c['wrong'].rstrip()}\n```\n\n"
        if c["right"]:
            out += f"Right:\n\n```sipario\n{c['right'].rstrip()}\n```\n\n"
    return out


def md_elsewhere(t, kind):
    rows = [e for e in t.language["elsewhere"] if e["kind"] in kind.split("+")]
    dollar = "$" if kind == "variable" else ""
    same = [code(dollar + e["name"]) for e in rows if e["here"] == "the same"]
    out = ("The same here: " + ", ".join(same) + ".\n\n") if same else ""
    return out + md_table(["there", "here"], [[code(dollar + e["name"]), cell(e["here"])] for e in rows if e["here"] != "the same"])


def md_words(t):
    return md_table(["", ""], [[k + "s", ", ".join(code(w) for w in v)] for k, v in t.words.items() if v])


def md(t, name):
    kind, _, arg = name.partition(" ")
    return {
        "settings": lambda: md_params(t.core["parameters"]),
        "functions": lambda: md_core_functions(t),
        "fields": lambda: md_fields(t.core["results"]),
        "variables": lambda: md_variables(t.core["variables"]),
        "module": lambda: md_module(t, arg),
        "modules": lambda: md_table(["module", ""], [[f"[{m['module']}]({m['module']}.md)", cell(m["help"])] for m in t.all["modules"]]),
        "errors": lambda: md_errors(t),
        "elsewhere": lambda: md_elsewhere(t, arg),
        "counters": lambda: md_counters(t.counters),
        "commands": lambda: md_commands(t.all["commands"]),
        "options": lambda: md_table(["option", ""], [[code(o["option"]), cell(o["help"])] for o in t.all["options"]]),
        "methods": lambda: md_methods(t.methods),
        "types": lambda: ", ".join(code(x) for x in t.language["types"]) + "\n",
        "events": lambda: ", ".join(code(x) for x in t.language["events"]) + "\n\n" + md_events(t.core["events"]),
        "words": lambda: md_words(t),
        "usage": lambda: "```text\n" + t.usage.rstrip() + "\n```\n",
    }[kind]()


# --- man pages ---

def roff(s):
    s = str(s).replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "").replace("“", '"').replace("”", '"').replace("→", "->")
    return re.sub(r"^([.'])", r"\\&\1", s, flags=re.M)


def man_list(rows):
    return "".join(f".TP\n.B {roff(a)}\n{roff(b)}\n" for a, b in rows)


def man_usage(t):
    """The options of `sipario -h`: two columns."""
    rows = re.findall(r"^  (-.*?|    --.*?)  +(\S.*)$", t.usage, re.M)
    return man_list([(a.strip(), b[0].upper() + b[1:] + ".") for a, b in rows])


def man_param(p):
    kind = p["type"] + (", " + p["range"] if p["range"] else "")
    return f"{p['help']} ({kind}{'; default ' + p['preset'] if p['preset'] else ''})"


def man(t, name):
    kind, _, arg = name.partition(" ")
    return {
        "usage": lambda: man_usage(t),
        "commands": lambda: man_list([(c["command"], c["help"]) for c in t.all["commands"]]),
        "options": lambda: man_list([(o["option"], o["help"]) for o in t.all["options"]]),
        "settings": lambda: man_list([(p["name"], man_param(p)) for p in t.core["parameters"]]),
        "modules": lambda: man_list([(m["module"], m["help"] + ". Parameters: " + (", ".join(p["name"] for p in t.modules[m["module"]]["parameters"]) or "none"))
                                     for m in t.all["modules"]]),
        "functions": lambda: "".join(f".SS {roff(title[0].upper() + title[1:])}\n" + man_list([(f["function"], f["help"]) for f in funcs])
                                     for title, funcs in core_families(t)),
        "variables": lambda: man_list([(v["variable"], v["help"] + f" ({v['type']}{', may be set' if v['may_be_set'] else ''})") for v in t.core["variables"]]),
    }[kind]()


# --- regions ---

MD = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- end -->)", re.S)
MAN = re.compile(r'(\.\\" table: (.*?)\n).*?(\.\\" end)', re.S)


def filled(t, path, text):
    if path.endswith(".md"):
        return MD.sub(lambda m: m.group(1) + "\n" + md(t, m.group(2)).rstrip("\n") + "\n\n" + m.group(3), text)
    return MAN.sub(lambda m: m.group(1) + man(t, m.group(2)) + m.group(3), text)


def pages(t):
    """Path to text of every page: those that are there, and one for each module."""
    out = {}
    for folder, _, files in os.walk(os.path.join(TOP, "doc")):
        for f in files:
            path = os.path.relpath(os.path.join(folder, f), TOP)
            if re.search(r"\.(md|[58])$", f):
                out[path] = filled(t, path, read(path))
    for m in t.modules:
        path = f"doc/modules/{m}.md"
        text = f"# Module {m}\n\n<!-- table: module {m} -->\n<!-- end -->\n\nMore for those who read the source: [modules/{m}/README.md](../../modules/{m}/README.md).\n"
        out.setdefault(path, filled(t, path, text))
    return out


# --- editors ---

def names(t):
    funcs, methods, variables = set(), set(), set()
    for m in [t.core, *t.modules.values()]:
        for f in m["functions"]:
            name = f["function"].split("(")[0]
            (methods if "." in name else funcs).add(name.split(".")[-1])
        variables |= {re.match(r"\$(\w+)", v["variable"]).group(1) for v in m["variables"]}
    return sorted(funcs), sorted(methods), sorted(variables | {"sht"})


def all_settings(t):
    return sorted({p["name"] for m in [t.core, *t.modules.values()] for p in m["parameters"]})


def vim_keywords(group, them):
    out, line = "", ""
    for w in them:
        if len(line) + len(w) > 120:
            out += f"syn keyword {group}{line}\n"
            line = ""
        line += " " + w
    return out + (f"syn keyword {group}{line}\n" if line else "")


def vim(t):
    funcs, _, variables = names(t)
    w = t.words
    one_func, one_variable = "\\|".join(funcs), "\\|".join(variables)
    return f'''" Vim syntax file
" Language: Sipario's routing language. Written by `make doc`, not by hand.
if exists("b:current_syntax")
  finish
endif
let s:cpo_save = &cpo
set cpo&vim

{vim_keywords("siparioDeclaration", [x for x in w["route"] + w["declaration"] if x != "test"])}{vim_keywords("siparioStatement", w["statement"] + w["setting"] + w["operator"])}\
{vim_keywords("siparioTest contained", [x for x in w["test"] if x not in w["declaration"] + w["route"]])}{vim_keywords("siparioConstant", w["constant"] + ["on", "off"])}\
{vim_keywords("siparioSetting", [s for s in all_settings(t) if s not in funcs])}{vim_keywords("siparioType", [x for x in t.language["types"] if x != "null"] + ["any"])}
syn region siparioTestBlock transparent matchgroup=siparioDeclaration start=+^test\\>+ matchgroup=NONE end=+^}}+ contains=ALLBUT,siparioEscape,siparioInterpolation,siparioTodo
syn match siparioFunction "\\<\\%({one_func}\\)\\ze\\s*("
syn match siparioMethod "\\.\\zs\\h\\w*\\ze\\s*("
syn match siparioVariable "\\$\\%({one_variable}\\)\\>" contained containedin=siparioString
syn match siparioVariable "\\$\\%({one_variable}\\)\\>"
syn match siparioNumber "\\<\\d\\+\\%(\\%(ms\\|[smhd]\\)\\%(\\d\\+\\%(ms\\|[smhd]\\)\\)*\\|B\\|kB\\|MB\\|GB\\|TB\\)\\?\\>"
syn match siparioAddress "\\<\\d\\+\\.\\d\\+\\.\\d\\+\\.\\d\\+\\%(/\\d\\+\\)\\?\\>"
syn match siparioRegex "[~,(]\\s*\\zs/\\%(\\\\.\\|[^/\\\\]\\)\\+/[ismx]*"
syn match siparioEscape "\\\\." contained
syn region siparioParentheses transparent start="(" end=")" contained contains=ALLBUT,siparioTest,siparioEscape,siparioInterpolation,siparioTodo
syn region siparioInterpolation matchgroup=siparioInterpolation start="\\$(" end=")" contained contains=ALLBUT,siparioTest,siparioEscape,siparioInterpolation,siparioTodo
syn region siparioString start=+"+ skip=+\\\\.+ end=+"+ oneline contains=siparioEscape,siparioInterpolation,siparioVariable
syn region siparioString start=+'+ skip=+\\\\.+ end=+'+ oneline
syn match siparioComment "#.*$" contains=siparioTodo,@Spell
syn region siparioComment start="/\\*" end="\\*/" contains=siparioTodo,@Spell
syn keyword siparioTodo TODO FIXME XXX contained

hi def link siparioDeclaration Structure
hi def link siparioStatement Statement
hi def link siparioTest Keyword
hi def link siparioConstant Constant
hi def link siparioSetting Identifier
hi def link siparioType Type
hi def link siparioFunction Function
hi def link siparioMethod Function
hi def link siparioVariable Identifier
hi def link siparioNumber Number
hi def link siparioAddress Number
hi def link siparioRegex Special
hi def link siparioEscape SpecialChar
hi def link siparioString String
hi def link siparioComment Comment
hi def link siparioTodo Todo

let b:current_syntax = "sipario"
let &cpo = s:cpo_save
unlet s:cpo_save
'''


def tm_language(t):
    funcs, _, variables = names(t)
    w = t.words

    def any_of(them):
        return r"\b(" + "|".join(them) + r")\b"
    grammar = {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "Sipario", "scopeName": "source.sipario", "fileTypes": ["cfg", "sipario"],
        "comment": "Written by `make doc` from the server's tables, not by hand.",
        "patterns": [{"include": "#" + x} for x in
                     ("comment", "string", "regex", "address", "number", "variable", "test", "call", "declaration", "statement", "constant", "type", "setting", "operator")],
        "repository": {
            "comment": {"patterns": [{"name": "comment.line.number-sign.sipario", "match": "#.*$"},
                                     {"name": "comment.block.sipario", "begin": r"/\*", "end": r"\*/"}]},
            "string": {"patterns": [
                {"name": "string.quoted.double.sipario", "begin": '"', "end": '"|$', "patterns": [
                    {"name": "constant.character.escape.sipario", "match": r"\\."},
                    {"name": "meta.embedded.sipario", "begin": r"\$\(", "end": r"\)", "patterns": [{"include": "#parentheses"}, {"include": "$self"}]},
                    {"include": "#variable"}]},
                {"name": "string.quoted.single.sipario", "begin": "'", "end": "'|$", "patterns": [{"name": "constant.character.escape.sipario", "match": r"\\."}]}]},
            "parentheses": {"begin": r"\(", "end": r"\)", "patterns": [{"include": "#parentheses"}, {"include": "$self"}]},
            "regex": {"name": "string.regexp.sipario", "match": r"(?<=[~,(])\s*/(\\.|[^/\\])+/[ismx]*"},
            "address": {"name": "constant.numeric.address.sipario", "match": r"\b\d+\.\d+\.\d+\.\d+(/\d+)?\b"},
            "number": {"name": "constant.numeric.sipario", "match": r"\b\d+((ms|[smhd])(\d+(ms|[smhd]))*|B|kB|MB|GB|TB)?\b"},
            "variable": {"name": "variable.other.sipario", "match": r"\$(" + "|".join(variables) + r")\b"},
            "call": {"patterns": [{"match": any_of(funcs) + r"(?=\s*\()", "name": "support.function.sipario"},
                                  {"match": r"(?<=\.)\w+(?=\s*\()", "name": "entity.name.function.sipario"}]},
            "declaration": {"name": "keyword.declaration.sipario", "match": any_of(w["route"] + w["declaration"])},
            "statement": {"name": "keyword.control.sipario", "match": any_of(w["statement"] + w["setting"] + w["operator"])},
            "constant": {"name": "constant.language.sipario", "match": any_of(w["constant"] + ["on", "off"])},
            "type": {"name": "support.type.sipario", "match": any_of([x for x in t.language["types"] if x != "null"] + ["any"])},
            "test": {"name": "meta.test.sipario", "begin": r"^(test)\b", "beginCaptures": {"1": {"name": "keyword.declaration.sipario"}}, "end": r"^\}",
                     "patterns": [{"include": "#testword"}, {"include": "$self"}]},
            "testword": {"name": "keyword.other.test.sipario", "match": any_of([x for x in w["test"] if x not in w["declaration"] + w["route"]])},
            "setting": {"name": "support.constant.setting.sipario", "match": any_of(all_settings(t)) + r"(?=\s*[=\s])"},
            "operator": {"name": "keyword.operator.sipario", "match": r"\?\?|=~|!~|==|!=|<=|>=|&&|\|\||[-+*/%<>!=]"},
        },
    }
    return json.dumps(grammar, indent=2, ensure_ascii=False) + "\n"


def editors(t):
    return {
        "doc/editors/vim/syntax/sipario.vim": vim(t),
        "doc/editors/vim/ftdetect/sipario.vim": "au BufRead,BufNewFile */sipario*.cfg,*/sipario/*.cfg,*.sipario set filetype=sipario\n",
        "doc/editors/sipario.tmLanguage.json": tm_language(t),
    }


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--check", action="store_true")
    a = ap.parse_args()
    t = Tables()
    stale = []
    for path, text in {**pages(t), **editors(t)}.items():
        whole = os.path.join(TOP, path)
        if os.path.exists(whole) and read(path) == text:
            continue
        stale.append(path)
        if not a.check:
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "w", encoding="utf-8") as f:
                f.write(text)
    for s in stale:
        print(("not up to date: " if a.check else "written: ") + s)
    return 1 if a.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
