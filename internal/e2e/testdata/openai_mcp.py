"""Lets the server run MCP tools for the openai package: whole, as a stream, and with approval.

Usage: python openai_mcp.py URL FOLDER, where FOLDER is what the server "filesystem" may see.
"""

import json
import sys

import openai

url, folder = sys.argv[1:]
client = openai.OpenAI(base_url=url + "/v1", api_key="unused", max_retries=0)


def tools(approval):
    return [{"type": "mcp", "server_label": "filesystem",
             "allowed_tools": ["list_allowed_directories"], "require_approval": approval}]


def ask(messages, approval="never", seed=1, **more):
    return client.chat.completions.create(
        model="default", messages=messages, tools=tools(approval), tool_choice="required", seed=seed,
        parallel_tool_calls=False, max_tokens=96, extra_body={"max_tool_calls": 1}, **more)


def until(good, make):
    """Asks again where the model, which is small, broke a call off: it may write any further argument."""
    for seed in range(1, 41):
        got = make(seed)
        if good(got):
            return got
    raise SystemExit(f"no call, or no answer after it, in 40 attempts: {got}")


def items(message, kind):
    return [i for i in (message.model_extra or {}).get("mcp_items", []) if i["type"] == kind]


def called(answer):
    return items(answer.choices[0].message, "mcp_call")


question = [{"role": "user", "content": "Which folders may you see?"}]

# A whole answer.
answer = until(lambda a: called(a) and a.choices[0].message.content, lambda seed: ask(question, seed=seed))
message = answer.choices[0].message
calls = items(message, "mcp_call")
assert [t["name"] for t in items(message, "mcp_list_tools")[0]["tools"]] == ["list_allowed_directories"], message
assert calls[0]["status"] == "completed" and folder in calls[0]["output"], calls
assert not message.tool_calls and answer.choices[0].finish_reason in ("stop", "length"), answer
assert answer.usage.prompt_tokens > 0 and answer.usage.prompt_tokens_details.cached_tokens > 0, answer.usage
print("whole:", calls[0]["output"])

# The next question, with the message as it came.
again = ask(question + [message, {"role": "user", "content": "And now?"}])
assert not items(again.choices[0].message, "mcp_list_tools"), again

# A stream, read by hand and by the package's own accumulator.
def read(seed):
    done, text, finish = [], "", None
    for chunk in ask(question, seed=seed, stream=True, stream_options={"include_usage": True}):
        event = (chunk.model_extra or {}).get("mcp_event")
        if event and event["type"] == "response.output_item.done":
            done.append(event["item"])
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        if chunk.usage:
            assert chunk.usage.completion_tokens > 0
    return done, text, finish


done, text, finish = until(lambda got: len(got[0]) > 1 and got[1], read)
assert [i["type"] for i in done] == ["mcp_list_tools", "mcp_call"] and folder in done[1]["output"], done
assert finish in ("stop", "length"), (text, finish)


def accumulate(seed):
    with client.chat.completions.stream(
            model="default", messages=question, tools=tools("always"), tool_choice="required", seed=seed,
            parallel_tool_calls=False, max_tokens=96) as stream:
        for _ in stream:
            pass
        try:
            return stream.get_final_completion().choices[0]
        except openai.LengthFinishReasonError:  # so the package says that the model broke its call off
            return None


final = until(lambda choice: choice and choice.message.tool_calls, accumulate)
assert final.finish_reason == "tool_calls", final
assert final.message.tool_calls[0].function.name == "filesystem__list_allowed_directories", final
print("stream:", done[1]["output"])


def plain(message):
    """The message as a client keeps it that knows the standard fields only."""
    return {"role": "assistant", "content": message.content, "tool_calls": [
        {"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}}
        for c in message.tool_calls]}


def approve(message, yes):
    call = message.tool_calls[0]
    return {"role": "tool", "tool_call_id": call.id,
            "content": json.dumps({"type": "mcp_approval_response", "approve": yes, "reason": "because"})}


# Approval, given and refused, by a tool message.
message = until(lambda a: a.choices[0].message.tool_calls, lambda seed: ask(question, approval="always", seed=seed)).choices[0].message
request = items(message, "mcp_approval_request")[0]
assert message.tool_calls[0].id.startswith(request["id"]) and request["arguments"] == message.tool_calls[0].function.arguments
answer = ask(question + [plain(message), approve(message, True)], approval="always")
call = items(answer.choices[0].message, "mcp_call")[0]
assert call["status"] == "completed" and folder in call["output"] and call["approval_request_id"] == request["id"], call
answer = ask(question + [plain(message), approve(message, False)], approval="always")
call = items(answer.choices[0].message, "mcp_call")[0]
assert call["status"] == "failed" and "because" in json.dumps(call["error"]), call
# By an item in the place of a message.
response = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
answer = ask(question + [message, response], approval="always")
assert items(answer.choices[0].message, "mcp_call")[0]["status"] == "completed", answer
# For another call than the one that was shown.
altered = plain(message)
altered["tool_calls"][0]["function"]["arguments"] = '{"path": "/etc"}'
try:
    ask(question + [altered, approve(message, True)], approval="always")
    raise SystemExit("an altered call was taken")
except openai.BadRequestError as e:
    assert e.code == "unknown_approval_request", e
print("approval:", call["error"]["message"])

try:
    client.chat.completions.create(model="default", messages=question, tools=[{"type": "mcp", "server_label": "nope"}])
    raise SystemExit("an unknown server was taken")
except openai.BadRequestError as e:
    assert "filesystem" in str(e), e
