/** A service with TLS: mod_lhc verifies its certificate against the configured authorities. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { startEjabberd } from '../../scripts/private-ejabberd.ts';
import { waitFor } from '../support/wait.ts';
import { startReceiver } from './receiver.ts';

const run = promisify(execFile);
const dir = await mkdtemp(join(tmpdir(), 'mod_lhc-tls-'));
const file = (name: string): string => join(dir, name);

/**
 * Creates an authority and its certificate for localhost. Erlang accepts neither self-signed certificates nor addresses.
 */
async function certificates(): Promise<boolean> {
  const request = ['req', '-newkey', 'rsa:2048', '-nodes', '-subj'];
  const days = ['-days', '2'];
  await writeFile(file('san'), 'subjectAltName=DNS:localhost\n');
  await run('openssl', [
    ...request,
    '/CN=authority',
    '-x509',
    ...days,
    '-keyout',
    file('ca-key'),
    '-out',
    file('ca'),
  ]);
  await run('openssl', [...request, '/CN=service', '-keyout', file('key'), '-out', file('csr')]);
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    file('csr'),
    '-CA',
    file('ca'),
    '-CAkey',
    file('ca-key'),
    ...days,
    '-CAcreateserial',
    '-extfile',
    file('san'),
    '-out',
    file('cert'),
  ]);
  return true;
}
/** A release in a chroot cannot read these files, and not every machine has OpenSSL. */
const possible = !process.env.EJABBERD_ROOT && (await certificates().catch(() => false));

afterAll(() => rm(dir, { recursive: true, force: true }));

it.skipIf(!possible)('is trusted only if its authority is configured', async () => {
  const tls = {
    key: await readFile(file('key'), 'utf8'),
    cert: await readFile(file('cert'), 'utf8'),
  };
  const [known, stranger] = [await startReceiver(tls), await startReceiver(tls)];
  const options = { dir: file('known'), modLhc: { cacertfile: file('ca') } };
  const trusting = await startEjabberd({
    ...options,
    webhook: { url: known.url, secret: known.secret },
  });
  const wary = await startEjabberd({
    dir: file('wary'),
    webhook: { url: stranger.url, secret: stranger.secret },
  });
  try {
    await known.event('module.started');
    await waitFor(async () =>
      /does not accept the events .*cannot connect: TLS/.test(await wary.logs()),
    );
    expect(stranger.batches).toEqual([]);
    expect([...known.faults, ...stranger.faults]).toEqual([]);
  } finally {
    await Promise.all([trusting.kill(), wary.kill(), known.close(), stranger.close()]);
  }
});
