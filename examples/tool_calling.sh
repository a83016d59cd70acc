#!/usr/bin/env bash
# The flow of a tool call with curl. With jq the model makes the call; without it the call is made by hand.
#
#     toolserve serve --mcp-config examples/mcp/filesystem.json
#     examples/tool_calling.sh "List the files in /tmp"
set -euo pipefail

url=${TOOLSERVE_URL:-http://localhost:8000}
question=${1:-List the files in /tmp}
key=()
if [ -n "${TOOLSERVE_API_KEY:-}" ]; then
  key=(-H "Authorization: Bearer $TOOLSERVE_API_KEY")
fi

get() { curl -sS ${key[@]+"${key[@]}"} "$url$1"; }
post() { curl -sS ${key[@]+"${key[@]}"} -H 'Content-Type: application/json' --data @- "$url$1"; }

echo "== the MCP servers"
get /v1/mcp/status
echo

if ! command -v jq >/dev/null; then
  echo "== the tools"
  get /v1/mcp/tools
  echo
  echo "== a call"
  echo '{"server": "filesystem", "tool": "list_directory", "arguments": {"path": "/tmp"}}' | post /v1/mcp/execute
  echo
  exit
fi

echo "== the tools"
get /v1/mcp/tools | jq -r '.tools[].name'

echo "== the model calls one"
tools=$(get /v1/mcp/tools | jq -c .tools)
message=$(jq -n --arg question "$question" --argjson tools "$tools" \
  '{model: "default", max_tokens: 256, tools: $tools, tool_choice: "required", parallel_tool_calls: false,
    messages: [{role: "user", content: $question}]}' |
  post /v1/chat/completions | jq -c '.choices[0].message')
jq '.tool_calls[0].function' <<<"$message"

echo "== its result"
result=$(jq -c '.tool_calls[0].function | {tool: .name, arguments: .arguments}' <<<"$message" | post /v1/mcp/execute)
jq . <<<"$result"

echo "== the answer"
jq -n --arg question "$question" --argjson message "$message" --argjson result "$result" \
  '{model: "default", max_tokens: 256, messages: [{role: "user", content: $question}, $message,
    {role: "tool", tool_call_id: $message.tool_calls[0].id, content: ($result.result // $result.error.message | tostring | .[:4000])}]}' |
  post /v1/chat/completions | jq -r '.choices[0].message.content'
