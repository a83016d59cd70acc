"""Render templates with Python's jinja2, set up as transformers sets it up for chat templates.

Reads JSON lines {"template": text, "vars": object, "repeat": n} and answers each with a line {"out": text} or
{"err": why}; with "repeat", the template is rendered that often and "seconds" is the median time of one render.
The clock stands at 2026-01-05 09:07:03.
"""
import datetime
import json
import statistics
import sys
import time

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """The tag around what the assistant said; it renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("body"), [], [], body, lineno=line)

    def body(self, caller):
        return caller()


def fail(message):
    raise jinja2.TemplateError(message)


def dumps(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = dumps
    env.globals.update(
        raise_exception=fail,
        strftime_now=datetime.datetime(2026, 1, 5, 9, 7, 3).strftime,
    )
    return env


def answer(env, request):
    try:
        template = env.from_string(request["template"])
        text = template.render(**request["vars"])
        if "repeat" not in request:
            return {"out": text}
        times = []
        for _ in range(request["repeat"]):
            start = time.perf_counter()
            template.render(**request["vars"])
            times.append(time.perf_counter() - start)
        return {"out": text, "seconds": statistics.median(times)}
    except Exception as error:  # whatever it is, the template was refused
        return {"err": f"{type(error).__name__}: {error}"}


def main():
    env = environment()
    for line in sys.stdin:
        print(json.dumps(answer(env, json.loads(line))), flush=True)


main()
