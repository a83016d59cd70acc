// Drives /mcp with the TypeScript SDK, through a proxy that cuts its connections: node mcp_client.mjs URL
import assert from 'node:assert/strict';
import net from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const server = new URL(process.argv[2]);
const { hostname, port } = server;
const open = new Set();
const proxy = net.createServer((near) => {
  const far = net.connect(Number(port), hostname);
  const end = () => { near.destroy(); far.destroy(); open.delete(near); };
  open.add(near);
  for (const socket of [near, far]) socket.on('close', end).on('error', end);
  near.pipe(far).pipe(near);
});
await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
server.port = String(proxy.address().port);

async function connect(url) {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ann' } }));
  await client.connect(new StreamableHTTPClientTransport(url));
  return client;
}
const text = (result) => result.content.map((c) => c.text).join();

let client = await connect(server);
assert.ok((await client.listTools()).tools.length > 40);

// The connection breaks with the first progress; the rest and the answer come on another one.
const progress = [];
let result = await client.callTool({ name: 'old__test_tool_with_progress', arguments: {} }, undefined, {
  onprogress: (p) => { if (progress.push(p.progress) === 1) for (const socket of [...open]) socket.destroy(); },
});
assert.equal(text(result), 'done');
assert.deepEqual(progress, [0, 50, 100]);

await client.close();

// A task asks its question on the stream of its result.
client = await connect(new URL(process.argv[2]));
for (const name of ['old__test_input_required_result_elicitation', 'new__test_input_required_result_elicitation']) {
  const seen = [];
  for await (const message of client.experimental.tasks.callToolStream({ name, arguments: {} }, CallToolResultSchema, { task: { ttl: 60000 } })) {
    seen.push(message.type);
    if (message.type === 'error') throw message.error;
    result = message.result;
  }
  assert.equal(seen[0], 'taskCreated');
  assert.equal(text(result), 'Hello, Ann!');
}
assert.equal((await client.experimental.tasks.listTasks()).tasks.length, 2);

await client.transport.terminateSession();
await client.close();
proxy.close();
console.log('ok');
