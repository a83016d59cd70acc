"""Drives a toolserve with the openai package: models, answers, streams, forced calls, errors."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
TOOLS = [{
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 24}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,  # which a small model would write until its tokens are spent
        },
    },
}]
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


def check_call(call):
    assert call.function.name == "get_weather", call
    arguments = json.loads(call.function.arguments)
    assert len(arguments["city"]) <= 24 and arguments["unit"] in ("C", "F"), arguments
    assert call.id and call.type == "function", call


assert list(client.models.list()), "no models"

answer = client.chat.completions.create(model="default", messages=QUESTION, max_tokens=16, temperature=0)
assert answer.choices[0].message.content and answer.choices[0].finish_reason in ("stop", "length"), answer
assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, answer.usage

text, usage, reason = "", None, None
for chunk in client.chat.completions.create(
    model="default", messages=QUESTION, max_tokens=16, temperature=0, stream=True, stream_options={"include_usage": True}
):
    usage = chunk.usage or usage
    for choice in chunk.choices:
        text += choice.delta.content or ""
        reason = choice.finish_reason or reason
assert text == answer.choices[0].message.content, (text, answer.choices[0].message.content)
assert reason == answer.choices[0].finish_reason and usage.completion_tokens == answer.usage.completion_tokens, (reason, usage)

for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
    answer = client.chat.completions.create(
        model="default", messages=QUESTION, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False, max_tokens=256)
    assert answer.choices[0].finish_reason == "tool_calls", answer
    check_call(answer.choices[0].message.tool_calls[0])

with client.chat.completions.stream(
    model="default", messages=QUESTION, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=256
) as stream:
    for event in stream:
        pass
    message = stream.get_final_completion().choices[0].message
check_call(message.tool_calls[0])

messages = QUESTION + [
    message.model_dump(exclude_none=True),
    {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "18 degrees, rain"},
]
answer = client.chat.completions.create(model="default", messages=messages, tools=TOOLS, tool_choice="none", max_tokens=16)
assert answer.choices[0].message.content is not None, answer

try:
    client.chat.completions.create(model="default", messages=QUESTION, n=2)
    raise AssertionError("n=2 was accepted")
except openai.BadRequestError as error:
    assert error.param == "n", error.body
try:
    client.chat.completions.create(model="no-such-model", messages=QUESTION)
    raise AssertionError("an unknown model was accepted")
except openai.NotFoundError as error:
    assert "no-such-model" in error.message, error.body
print("ok, openai", openai.__version__)
