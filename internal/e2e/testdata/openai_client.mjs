// Drives a toolserve with the openai package: models, answers, streams, forced calls, errors.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
const tools = [{
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string", maxLength: 24 }, unit: { enum: ["C", "F"] } },
      required: ["city", "unit"],
      additionalProperties: false, // which a small model would write until its tokens are spent
    },
  },
}];
const messages = [{ role: "user", content: "What is the weather in Paris?" }];

function checkCall(call) {
  assert.equal(call.function.name, "get_weather");
  const args = JSON.parse(call.function.arguments);
  assert.ok(args.city.length <= 24);
  assert.ok(["C", "F"].includes(args.unit));
  assert.ok(call.id);
}

assert.ok((await client.models.list()).data.length > 0);

const answer = await client.chat.completions.create({ model: "default", messages, max_tokens: 16, temperature: 0 });
assert.ok(answer.choices[0].message.content);

let text = "", usage;
const stream = await client.chat.completions.create({
  model: "default", messages, max_tokens: 16, temperature: 0, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, answer.choices[0].message.content);
assert.equal(usage.completion_tokens, answer.usage.completion_tokens);

const forced = await client.chat.completions.create({
  model: "default", messages, tools, tool_choice: "required", parallel_tool_calls: false, max_tokens: 256,
});
assert.equal(forced.choices[0].finish_reason, "tool_calls");
checkCall(forced.choices[0].message.tool_calls[0]);

const final = await client.chat.completions.stream({
  model: "default", messages, tools, tool_choice: "required", parallel_tool_calls: false, max_tokens: 256,
}).finalChatCompletion();
checkCall(final.choices[0].message.tool_calls[0]);

await assert.rejects(
  client.chat.completions.create({ model: "default", messages, n: 2 }),
  (error) => error instanceof OpenAI.BadRequestError && error.param === "n",
);
console.log("ok");
