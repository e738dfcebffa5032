/** `make run`, `npm run demo` and `demo:visitor`: wrong and busy addresses, files that somebody has changed, and the end of ejabberd. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import xml from '@xmpp/xml';
import { afterEach, describe, expect, it } from 'vitest';
import { requireFree } from '../../scripts/demo-ports.ts';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { editedText, writeUnlessEdited } from '../../scripts/generated-files.ts';
import type { Demo } from '../../scripts/run.ts';
import { callbacksOf } from '../../scripts/running-demo.ts';
import { temporaryFolder } from '../support/folder.ts';
import { connectOperator } from '../support/operator.ts';

const dir = temporaryFolder('make-run');
const RUN = join(import.meta.dirname, '../../scripts/run.ts');
const DEMO = join(import.meta.dirname, '../../scripts/demo.ts');
const VISITOR = join(import.meta.dirname, '../../scripts/demo-visitor.ts');
const SERVICE = join(import.meta.dirname, '../../scripts/demo-service.ts');
const { PATH = '' } = process.env;

it.each(['abc', '127.0.0.1:99999', ':8090', '127.0.0.1:0'])('LISTEN=%s is refused', (LISTEN) => {
  const ended = spawnSync(process.execPath, [RUN], {
    env: { PATH, LISTEN, DATA_DIR: join(dir, 'data') },
    encoding: 'utf8',
  });
  expect(ended.status).toBe(1);
  expect(ended.stderr.trim()).toBe(
    `LISTEN has to be HOST:PORT, such as 127.0.0.1:8090, with a port from 1 to 65535, not ${LISTEN}`,
  );
});

it('names all busy ports at once, and a command that avoids them', async () => {
  const [busy, other] = [createServer(), createServer()];
  for (const server of [busy, other]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const portOf = (server: typeof busy): number => {
    const address = server.address();
    return typeof address === 'object' && address ? address.port : expect.fail('no port');
  };
  const { c2s: free } = await freePorts({});
  const address = (variable: string, port: number) => ({ variable, host: '127.0.0.1', port });
  const [first, second] = [portOf(busy), portOf(other)];
  await expect(
    requireFree([address('LISTEN', first), address('A', free), address('B', second)]),
  ).rejects.toThrow(
    new RegExp(
      `^port ${first} \\(LISTEN\\) cannot .*\nport ${second} \\(B\\) cannot .*\nUse others, such as: LISTEN=127\\.0\\.0\\.1:\\d+ B=\\d+ make run$`,
    ),
  );
  busy.close();
  other.close();
  await expect(requireFree([address('A', free), address('B', free)])).rejects.toThrow(/\(B\)/);
  await requireFree([address('A', free)]);
});

it('the service ends with the process that started it, even when that is killed', async () => {
  const { c2s: port, http } = await freePorts({});
  const settings = {
    LISTEN: `127.0.0.1:${port}`,
    DATA_DIR: join(dir, 'orphan'),
    EJABBERD_API_URL: `http://127.0.0.1:${http}/api`,
    EJABBERD_API_USER: 'api@localhost',
    EJABBERD_API_PASSWORD: 'a password of a test',
    EJABBERD_XMPP: `xmpp://127.0.0.1:${http}`,
    EJABBERD_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString('base64')}`,
  };
  const start = `import(${JSON.stringify(SERVICE)}).then((m) => m.startService(${JSON.stringify(settings)}))`;
  const starter = spawn(process.execPath, ['-e', start], { env: { PATH } });
  let output = '';
  starter.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await expect.poll(() => output, { timeout: 30_000 }).toContain('"ready"');
  // Both write to the same pipe, so it closes when the service has ended too.
  const closed = once(starter, 'close');
  starter.kill('SIGKILL');
  await closed;
  expect(output).toContain('"stopping"');
});

describe('a generated file', () => {
  it('is written again unless somebody has changed it', () => {
    const folder = join(dir, 'generated');
    mkdirSync(folder);
    const path = join(folder, 'a.json');
    expect(writeUnlessEdited(folder, 'a.json', 'one')).toBe('one');
    expect(writeUnlessEdited(folder, 'a.json', 'two')).toBe('two');
    expect(editedText(folder, 'a.json', 'three')).toBeNull();
    writeFileSync(path, 'mine');
    expect(editedText(folder, 'a.json', 'three')).toBe('mine');
    expect(writeUnlessEdited(folder, 'a.json', 'three')).toBe('mine');
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  it('of a version without a record is kept', () => {
    const folder = join(dir, 'older');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a.json'), 'older');
    expect(writeUnlessEdited(folder, 'a.json', 'new')).toBe('older');
  });
});

describe('with a real ejabberd', { timeout: 120_000 }, () => {
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGTERM'));

  async function start(env: Record<string, string>) {
    const started = spawn(process.execPath, [RUN], { env: { PATH, ...env } });
    child = started;
    let output = '';
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const ended = once(started, 'close').then(() => started.exitCode);
    return { pid: started.pid ?? 0, output: () => output, ended };
  }

  /** A person is the operator, and another one the visitor in the terminal. */
  async function answersTypedVisitor(demo: Demo, DATA_DIR: string): Promise<void> {
    const [username = '', domain = ''] = demo.operator.jid.split('@');
    const { password } = demo.operator;
    const service = demo.xmpp;
    const operator = await connectOperator({ service, domain, username, password });
    const visitor = spawn(process.execPath, [VISITOR], { env: { PATH, DATA_DIR } });
    try {
      let seen = '';
      visitor.stdout.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
      });
      visitor.stdin.write('\nIn red too?\n');
      const deadline = { timeout: 20_000 };
      const asked = () => operator.messages.find(({ body }) => body.startsWith('In red too?'));
      await expect.poll(asked, deadline).toBeDefined();
      const jid = asked()?.from.split('/', 1)[0] ?? '';
      operator.send(jid, 'In red and blue.');
      await expect.poll(() => seen, deadline).toMatch(/^op1: In red and blue\.$/m);

      // The demonstration's uploads are looked at, and passed on as files.
      const file = Buffer.from('Sizes: 38 to 43');
      const ask = { xmlns: 'urn:xmpp:http:upload:0', filename: 'a.txt', size: `${file.length}` };
      const to = `upload.${domain}`;
      const answer = await operator.request(xml('iq', { type: 'get', to }, xml('request', ask)));
      const urlOf = (what: string) => answer.getChild('slot')?.getChild(what)?.attrs.url ?? '';
      await fetch(urlOf('put'), { method: 'PUT', body: file });
      operator.send(jid, urlOf('get'));
      const key = jid.split('@', 1)[0]?.replace('visitor.', '') ?? '';
      const files = async () =>
        (await callbacksOf(demo, key)).flatMap(({ data }) => data.message?.files ?? []);
      await expect.poll(files, deadline).toMatchObject([{ name: 'a.txt', type: 'text/plain' }]);

      visitor.stdin.end();
      await once(visitor, 'close');
      expect(visitor.exitCode).toBe(0);
      const last = () => operator.messages.at(-1)?.body;
      await expect.poll(last, deadline).toMatch(/^Visitor Nora closed chat /);
    } finally {
      visitor.kill();
      await operator.disconnect();
    }
  }

  it('is what the demonstration plays against, says that ejabberd has ended, and keeps what somebody has changed', async () => {
    const DATA_DIR = join(dir, 'real');
    const { c2s, http, component } = await freePorts({});
    const { c2s: lhc, component: components } = await freePorts({});
    const env = {
      DATA_DIR,
      LISTEN: `127.0.0.1:${component}`,
      DEMO_XMPP_PORT: String(c2s),
      DEMO_EJABBERD_HTTP_PORT: String(http),
      DEMO_COMPONENT_PORT: String(components),
      DEMO_LHC_PORT: String(lhc),
    };
    const first = await start(env);
    await expect.poll(first.output, { timeout: 60_000 }).toContain('Ctrl-C');
    const second = spawnSync(process.execPath, [RUN], {
      env: { PATH, DATA_DIR },
      encoding: 'utf8',
    });
    expect(second.stderr).toMatch(/^make run already runs on .*DATA_DIR.*\n$/);

    const demo = spawnSync(process.execPath, [DEMO], {
      env: { PATH, DATA_DIR },
      encoding: 'utf8',
    });
    expect(demo.stderr).toBe('');
    expect(demo.stdout).toMatch(/^lhc +gets chat\.message: Yes, in black\.$/m);
    expect(demo.stdout).toMatch(/^api +3 messages: /m);

    const running = JSON.parse(readFileSync(join(DATA_DIR, 'demo.json'), 'utf8')) as Demo;
    await answersTypedVisitor(running, DATA_DIR);

    // A tenant on the second host can have the component.
    const { api, adminToken } = running;
    const made = await fetch(`${api}/v1/tenants/shop`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ host: 'shops.localhost', transport: 'component' }),
    });
    expect(made.status).toBe(202);
    const ready = async (): Promise<unknown> => (await fetch(`${api}/readyz`)).json();
    await expect.poll(ready).toMatchObject({ checks: { component: { ok: true } } });

    const children = readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8');
    const [ejabberd] = children
      .split(' ')
      .filter((pid) => pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/spool'));
    process.kill(Number(ejabberd), 'SIGKILL');
    expect(await first.ended).toBe(1);
    expect(first.output()).toMatch(/^ejabberd ended \(SIGKILL\), so everything stops\./m);

    const tenants = join(DATA_DIR, 'tenants.json');
    const [tenant] = JSON.parse(readFileSync(tenants, 'utf8'));
    const changed = JSON.stringify([{ ...tenant, hardTimeout: 'soon' }]);
    writeFileSync(tenants, changed);
    const settings = join(DATA_DIR, 'demo.env');
    writeFileSync(settings, `${readFileSync(settings, 'utf8')}LOG_LEVEL="shout"\n`);
    const later = await start(env);
    expect(await later.ended).toBe(1);
    expect(later.output()).toMatch(/demo\.env was changed by hand \(LOG_LEVEL\)/);
    expect(later.output()).toMatch(/tenants\.json was changed by hand, /);
    // Both are what the service was started with.
    expect(later.output()).toMatch(/LOG_LEVEL: .*"shout"/);
    expect(later.output()).toMatch(/tenant demo, hardTimeout: .*"soon"/);
    expect(readFileSync(tenants, 'utf8')).toBe(changed);
  });
});
