/** No command lets a stranger's text command the terminal: names, what was said, what another program answers. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { temporaryFolder } from '../support/folder.ts';
import { HOSTILE } from './log/scene.ts';

vi.mock('../../src/doctor/doctor.ts', () => ({
  examine: async () => [{ check: 'LHC', status: 'problem', message: HOSTILE, advice: HOSTILE }],
}));

const LETTER = {
  id: 'l1',
  at: 0,
  kind: 'webhook',
  type: HOSTILE,
  operator: HOSTILE,
  stream: 'inbox-q',
  destination: 'inbox',
  reason: HOSTILE,
};
const OPERATOR = {
  username: 'kate',
  lhcUserId: 1,
  name: HOSTILE,
  departments: [HOSTILE],
  capacity: 5,
  free: 5,
  availability: 'offline',
  onlineSince: null,
  unresponsive: false,
  chats: [],
};
const TENANT = { id: 'shop', host: HOSTILE, instance: HOSTILE, source: 'http', state: HOSTILE };
const ANSWERS: Record<string, unknown> = {
  'GET /debug/dead-letters': { items: [LETTER], next: null },
  'GET /debug/dead-letters/l1': { ...LETTER, content: { body: HOSTILE } },
  'GET /v1/acme/operators': { items: [OPERATOR], next: null },
  'GET /v1/tenants': { items: [TENANT], next: null },
  'GET /v1/tenants/shop': TENANT,
  'PUT /v1/tenants/shop': { groups: { state: 'pending', reason: HOSTILE }, apiKey: HOSTILE },
  'DELETE /v1/acme/visitors/7': { revision: 1, erased: { generation: 1, dataKeys: HOSTILE } },
  'GET /v1/acme/visitors/7/data': { kind: 'end', counts: {}, body: HOSTILE },
};
const server = createServer((request, response) => {
  const [path] = (request.url ?? '').split('?');
  const answer = ANSWERS[`${request.method} ${path}`];
  response.writeHead(answer ? 200 : 409, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer ?? { detail: HOSTILE }));
});
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
afterAll(() => new Promise((closed) => server.close(closed)));
const { port } = server.address() as AddressInfo; // it listens on a port
const csv = join(temporaryFolder('terminal'), 'operators.csv');
writeFileSync(csv, `username,lhcUserId,password,name\nlena,2,pw,"${HOSTILE}"\nkate,1,pw,Kate\n`);

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

/** What the command writes to its terminal, and how it ends. */
async function run(...args: string[]) {
  let written = '';
  const keep = (chunk: unknown) => {
    written += String(chunk);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
  vi.spyOn(console, 'log').mockImplementation((text) => void keep(`${text}\n`));
  vi.spyOn(console, 'error').mockImplementation((text) => void keep(`${text}\n`));
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  vi.spyOn(process, 'argv', 'get').mockReturnValue(['node', 'xmpp-chat', ...args]);
  await runProgram(async () => {});
  const code = exit.mock.calls[0]?.[0] ?? process.exitCode ?? 0;
  process.stdout.removeAllListeners('error');
  process.stderr.removeAllListeners('error');
  return { written, code };
}
const access = ['--url', `http://127.0.0.1:${port}`, '--token', 'x'];

it.each([
  ['doctor', 1],
  ['doctor --json', 1],
  ['dead-letters list', 0],
  ['dead-letters show l1', 0],
  ['dead-letters send l1', 1],
  ['operators list --tenant acme', 0],
  ['operators list --tenant acme --json', 0],
  ['operators import FILE --tenant acme', 1],
  ['tenants list', 0],
  ['tenants list --json', 0],
  ['tenants show shop', 0],
  ['tenants show shop --json', 0],
  ['tenants put shop', 0],
  ['tenants remove other --yes', 1],
  ['visitors erase acme 7 --yes --json', 0],
  ['visitors data acme 7', 0],
  ['streams', 1],
  ['replay', 1],
])('%s', async (line, expected) => {
  const args = line.split(' ').map((word) => (word === 'FILE' ? csv : word));
  const { written, code } = await run(...args, ...(args[0] === 'doctor' ? [] : access));
  expect(written).toContain('\\u001b[31m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(written).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(code).toBe(expected);
});
