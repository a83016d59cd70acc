// Lets the server run an MCP tool, with approval, for the openai package of npm, as a stream that the
// package accumulates. Usage: node openai_mcp.mjs URL FOLDER
import assert from "node:assert";
import OpenAI from "openai";

const [url, folder] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "unused", maxRetries: 0 });

const request = (seed) => ({
  model: "default", seed, max_tokens: 96, parallel_tool_calls: false, tool_choice: "required",
  tools: [{ type: "mcp", server_label: "filesystem", allowed_tools: ["list_allowed_directories"], require_approval: "always" }],
  messages: [{ role: "user", content: "Which folders may you see?" }],
});

async function run(body) {
  const stream = client.chat.completions.stream(body);
  const items = [];
  stream.on("chunk", (chunk) => {
    if (chunk.mcp_event?.type === "response.output_item.done") items.push(chunk.mcp_event.item);
  });
  const done = await stream.finalChatCompletion();
  return { items, choice: done.choices[0] };
}

// A small model may write any further argument and so break its call off: then it is asked again.
for (let seed = 1; ; seed++) {
  assert(seed <= 40, "no call in 40 attempts");
  const body = request(seed);
  const asked = await run(body);
  const call = asked.choice.message.tool_calls?.[0];
  if (!call) continue;
  assert.equal(asked.choice.finish_reason, "tool_calls");
  const approval = asked.items.find((item) => item.type === "mcp_approval_request");
  assert(call.id.startsWith(approval.id) && approval.arguments === call.function.arguments);
  body.messages.push(asked.choice.message, {
    role: "tool", tool_call_id: call.id,
    content: JSON.stringify({ type: "mcp_approval_response", approval_request_id: approval.id, approve: true }),
  });
  const answered = await run(body);
  const ran = answered.items.find((item) => item.type === "mcp_call");
  assert(ran.status === "completed" && ran.output.includes(folder) && ran.approval_request_id === approval.id, JSON.stringify(ran));
  console.log(ran.output);
  break;
}
