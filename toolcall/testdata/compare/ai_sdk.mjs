// Reads tool calls with the stream parsers of the npm package @ai-sdk-tool/parser, in deltas of four
// characters.
//
// Usage: node ai_sdk.mjs FOLDER
//
// FOLDER holds node_modules/ (npm install @ai-sdk-tool/parser) and texts/ (see docs/benchmarks.md). Prints a
// line for each text: family, kind, KB, processor seconds (the least of up to three runs), and whether the
// call arrived with all of its argument.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = resolve(process.argv[2]);
const require = createRequire(pathToFileURL(join(folder, 'x.js')));
const { hermesProtocol, qwen3CoderProtocol } = require('@ai-sdk-tool/parser');
const parsers = { hermes: () => hermesProtocol(), qwen3_coder: () => qwen3CoderProtocol() };
const text = { type: 'string' };
const tools = [{ type: 'function', name: 'write_file', inputSchema: { type: 'object', properties: { path: text, content: text } } }];

async function read(protocol, text) {
  const start = process.cpuUsage();
  const stream = protocol.createStreamParser({ tools });
  const writer = stream.writable.getWriter();
  let call = null;
  const reading = (async () => {
    for await (const part of stream.readable) if (part.type === 'tool-call') call ??= part;
  })();
  for (let i = 0; i < text.length; i += 4) await writer.write({ type: 'text-delta', id: '1', delta: text.slice(i, i + 4) });
  await writer.write({ type: 'finish', finishReason: 'stop', usage: {} });
  await writer.close();
  await reading;
  const used = process.cpuUsage(start);
  return { seconds: (used.user + used.system) / 1e6, call };
}

const names = readdirSync(join(folder, 'texts')).map((n) => n.slice(0, -4).split('-'));
names.sort((a, b) => (a[0] + a[1]).localeCompare(b[0] + b[1]) || a[2] - b[2]);
for (const [family, kind, size] of names) {
  if (!parsers[family]) continue;
  const source = readFileSync(join(folder, 'texts', `${family}-${kind}-${size}.txt`), 'utf8');
  let least = Infinity, whole = false;
  for (let i = 0; i < 3; i++) {
    const { seconds, call } = await read(parsers[family](), source);
    whole = call != null && JSON.parse(call.input).content?.length > 500 * size;
    least = Math.min(least, seconds);
    if (seconds > 1) break;
  }
  console.log([family, kind, size, least.toFixed(5), whole ? 'whole' : 'lost'].join('\t'));
}
