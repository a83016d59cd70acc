#!/usr/bin/env python3
"""A chat with a running toolserve and its MCP tools, with the standard library only.

    toolserve serve --mcp-config examples/mcp/filesystem.json
    python examples/mcp_chat.py

exit, quit, q or the end of the input leave. `toolserve chat` does the same and more: it streams, asks
before a dangerous tool runs and stops an answer at Ctrl-C.
"""

import sys

from tool_calling import BASE_URL, complete, execute, request

MAX_ROUNDS = 10


def answer(messages, tools):
    """Let the model call tools until it answers. Each call gets its message, whatever becomes of it."""
    for turn in range(MAX_ROUNDS + 1):
        options = {"tool_choice": "none" if turn == MAX_ROUNDS else "auto"} if tools else {}
        message = complete(messages, tools, **options)
        messages.append(message)
        if not message.get("tool_calls"):
            return message["content"] or ""
        for call in message["tool_calls"]:
            print("  ->", call["function"]["name"], call["function"]["arguments"])
            result = execute(call)
            print("  <-", result.replace("\n", " ")[:100])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    return ""


def main():
    _, listed = request("/v1/mcp/tools")
    tools = listed["tools"]
    print(f"{BASE_URL}: {len(tools)} tools")
    messages = [{"role": "system", "content": "You are a helpful assistant. Use the tools where they help."}]
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if line.lower() in ("exit", "quit", "q"):
            return
        if line:
            messages.append({"role": "user", "content": line})
            print(answer(messages, tools))


if __name__ == "__main__":
    sys.exit(main())
