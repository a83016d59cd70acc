#!/usr/bin/env python3
"""Tools that the server runs, with your consent to each call: standard library only.

    toolserve serve --mcp-config examples/mcp/filesystem.json
    python examples/approvals.py "List the files in /tmp"

One request lets the model call, the server execute, and the model answer. Calls that want consent end it
with ordinary tool_calls; the answer to each is a tool message, and the next request goes on from there.
TOOLSERVE_URL (default http://localhost:8000) names the server, TOOLSERVE_API_KEY its key.
"""

import json
import os
import sys
import urllib.error
import urllib.request

BASE_URL = os.environ.get("TOOLSERVE_URL", "http://localhost:8000").rstrip("/")
MAX_ROUNDS = 5
TOOLS = [{"type": "mcp", "server_label": "filesystem", "require_approval": "always"}]


def complete(messages):
    """One answer of the server: its message."""
    body = json.dumps({"model": "default", "messages": messages, "tools": TOOLS, "max_tokens": 512}).encode()
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("TOOLSERVE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(BASE_URL + "/v1/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["choices"][0]["message"]
    except urllib.error.HTTPError as error:
        sys.exit("chat completions: " + json.load(error)["error"]["message"])
    except urllib.error.URLError as error:
        sys.exit(f"no toolserve answers at {BASE_URL}: {error.reason}")


def consent(call):
    """Asks at the terminal, and returns the message that answers the call. The end of the input is a no."""
    function = call["function"]
    try:
        reply = input(f"Run {function['name']} {function['arguments']}? [y/N] ").strip().lower()
    except EOFError:
        reply = ""
    response = {"type": "mcp_approval_response", "approve": reply in ("y", "yes")}
    return {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(response)}


def main():
    messages = [{"role": "user", "content": " ".join(sys.argv[1:]) or "List the files in /tmp"}]
    for _ in range(MAX_ROUNDS):
        message = complete(messages)
        for item in message.get("mcp_items", []):
            if item["type"] == "mcp_call":
                print(f"{item['name']} {item['arguments']}: {item['status']}")
        if not message.get("tool_calls"):
            print(message["content"])
            return
        messages.append(message)
        messages += [consent(call) for call in message["tool_calls"]]


if __name__ == "__main__":
    main()
