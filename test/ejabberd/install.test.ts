/** `ejabberdctl module_install mod_lhc`: ejabberd compiles, loads, configures and removes the module. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { testEjabberd } from '../support/ejabberd.ts';
import { connectOperator } from '../support/operator.ts';
import { startReceiver } from './receiver.ts';

const receiver = await startReceiver();
const ejabberd = await testEjabberd({
  modLhc: false,
  extraConfig: {
    api_permissions: { all: { from: ['mod_http_api'], who: { ip: '127.0.0.0/8' }, what: '*' } },
  },
});
const home = join(import.meta.dirname, '..', '..', 'ejabberd', 'mod_lhc');
afterAll(() => receiver.close());

async function call(command: string, body: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(`${ejabberd.apiUrl}/${command}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}

it('can be installed from its folder in this repository', async () => {
  const sources = join(ejabberd.dir, '.ejabberd-modules', 'sources', 'mod_lhc');
  await mkdir(sources, { recursive: true });
  await cp(home, sources, { recursive: true });
  // The configuration in the repository has no secret, so it does not load the module.
  await call('module_install', { module: 'mod_lhc' });
  expect(await call('modules_installed', {})).toContain('mod_lhc');
  expect(receiver.batches).toEqual([]);
  await call('module_uninstall', { module: 'mod_lhc' });

  const options = { url: receiver.url, secret: receiver.secret };
  const conf = JSON.stringify({ modules: { mod_lhc: options } });
  await writeFile(join(sources, 'conf', 'mod_lhc.yml'), conf);
  await call('module_install', { module: 'mod_lhc' });
  await receiver.event('module.started');
  await ejabberd.registerOperator('op1', 'pw');
  const operator = await connectOperator({
    service: ejabberd.xmpp,
    domain: ejabberd.host,
    username: 'op1',
    password: 'pw',
  });
  const id = await operator.sendAndAck(`visitor.1@${ejabberd.host}`, 'installed');
  await receiver.event('message', (message) => message.id === id);
  await call('module_uninstall', { module: 'mod_lhc' });
  // Without the module an operator's client works as before.
  operator.send(operator.jid, 'to myself');
  await operator.waitFor(({ messages }) => messages.length === 1);
  await operator.disconnect();
  expect(receiver.faults).toEqual([]);
}, 60_000);

it.each([
  ['no secret', {}, 'secret'],
  ['a secret that is not base64', { secret: 'whsec_topsecret!' }, 'base64'],
  ['a short secret', { secret: 'whsec_dG9w' }, '24 to 64'],
  ['a secret of another kind', { secret: 'topsecret' }, 'whsec_'],
  ['an invalid URL', { secret: receiver.secret, url: 'not a url' }, 'url'],
])('explains the error with %s, without the secret', async (_, options, text) => {
  const start = testEjabberd({ modLhc: { url: receiver.url, ...options } });
  const error = await start.then(
    () => new Error('it started'),
    (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason))),
  );
  expect(error.message).toContain(text);
  expect(error.message).not.toContain('topsecret');
});
