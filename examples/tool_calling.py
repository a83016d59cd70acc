#!/usr/bin/env python3
"""The whole flow of a tool call against a running toolserve, with the standard library only.

    toolserve serve --mcp-config examples/mcp/filesystem.json
    python examples/tool_calling.py "List the files in /tmp"

TOOLSERVE_URL (default http://localhost:8000) names the server, TOOLSERVE_API_KEY its key.
"""

import json
import os
import sys
import urllib.error
import urllib.request

BASE_URL = os.environ.get("TOOLSERVE_URL", "http://localhost:8000").rstrip("/")
MAX_ROUNDS = 5
MAX_RESULT = 4000  # characters of a result that the model reads: its context is bounded


def request(path, body=None):
    """Send a GET, or a POST of body as JSON. Returns (status, decoded answer), errors included."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("TOOLSERVE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE_URL + path, data, headers)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except urllib.error.URLError as error:
        sys.exit(f"no toolserve answers at {BASE_URL}: {error.reason}")


def complete(messages, tools, **options):
    """One turn of the model: its message."""
    status, answer = request(
        "/v1/chat/completions",
        {"model": "default", "messages": messages, "tools": tools, "max_tokens": 256, **options},
    )
    if status != 200:
        sys.exit(f"chat completions: {answer['error']['message']}")
    return answer["choices"][0]["message"]


def execute(call):
    """Run one call. What a refusal or a failure says is an answer too: the model should read it."""
    function = call["function"]
    status, answer = request("/v1/mcp/execute", {"tool": function["name"], "arguments": function["arguments"]})
    if status != 200:
        return "Error: " + answer["error"]["message"]
    result = answer["result"]
    return (result if isinstance(result, str) else json.dumps(result))[:MAX_RESULT]


def main():
    question = " ".join(sys.argv[1:]) or "List the files in /tmp"
    # 1. The tools of all MCP servers, in the form that chat completions takes.
    _, listed = request("/v1/mcp/tools")
    tools = listed["tools"]
    if not tools:
        sys.exit("the server has no tools: see " + BASE_URL + "/v1/mcp/status")
    print(len(tools), "tools:", ", ".join(tool["name"] for tool in tools))

    messages = [{"role": "user", "content": question}]
    for turn in range(MAX_ROUNDS):
        # 2. The model answers or calls; the first turn must call, the last one must answer.
        choice = "required" if turn == 0 else "none" if turn == MAX_ROUNDS - 1 else "auto"
        message = complete(messages, tools, tool_choice=choice)
        messages.append(message)
        if not message.get("tool_calls"):
            print(message["content"])
            return
        # 3. Each call is run, and its result goes back under the call's id.
        for call in message["tool_calls"]:
            print("->", call["function"]["name"], call["function"]["arguments"])
            result = execute(call)
            print("<-", result[:200])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


if __name__ == "__main__":
    main()
