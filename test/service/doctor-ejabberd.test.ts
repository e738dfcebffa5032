/** `xmpp-chat doctor` with a badly configured ejabberd: without mod_lhc, with too few rights, with too many rights. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { API_COMMANDS } from '../../scripts/ejabberd/config.ts';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import type { Report } from '../../src/doctor/report.ts';
import { startWorld, type World, type WorldOptions } from '../support/world.ts';

const TENANTS = [{ id: 'acme', host: 'xmpp.test' }];
const run = promisify(execFile);
const dir = await mkdtemp(join(tmpdir(), 'doctor-'));
afterAll(() => rm(dir, { recursive: true, force: true }));

async function inWorld(
  options: Partial<WorldOptions>,
  examine: (world: World) => Promise<void>,
): Promise<void> {
  const world = await startWorld({ tenants: TENANTS, ...options });
  try {
    await examine(world);
  } finally {
    await world.close();
  }
}

const doctor = async ({ service }: World): Promise<Report> =>
  JSON.parse((await service.cli('doctor', '--json')).output) as Report; // its documented form

const bad = ({ results }: Report): string =>
  results
    .filter(({ status }) => status !== 'ok')
    .map(({ check, message, advice }) => `${check}: ${message} -> ${advice}`)
    .join('\n');

const permissions = (what: readonly string[] | string) => ({
  'the service': {
    from: ['mod_http_api'],
    who: { access: { allow: [{ acl: 'api' }, { acl: 'near' }] } },
    what,
  },
});

// Each test starts a whole world.
const SLOW = { timeout: 120_000 };

it(
  'names missing rights, a missing mod_lhc, and the account that the doctor could not remove',
  SLOW,
  async () => {
    const missing = ['kick_session', 'send_stanza', 'set_vcard', 'srg_create', 'unregister'];
    const what = API_COMMANDS.filter((name) => !missing.includes(name));
    const ejabberd = { modLhc: false, extraConfig: { api_permissions: permissions(what) } };
    await inWorld({ ejabberd }, async (world) => {
      const found = bad(await doctor(world));
      const line = found.split('\n').find((each) => each.includes('may not call')) ?? '';
      for (const name of missing) expect(line).toContain(name);
      for (const name of what) expect(line).not.toMatch(new RegExp(`\\b${name}\\b`));
      expect(line).toMatch(/-> add them to "what" of its api_permissions/);
      expect(found).toMatch(
        /mod_lhc did not report the session of xmpp.test.* -> is mod_lhc loaded for xmpp.test/,
      );
      expect(found).toMatch(
        /the test account visitor-doctor-\S+ could not be removed -> allow unregister/,
      );
      expect(found).toMatch(/groups acme: .*(does not exist|no members)/);
    });
  },
);

it(
  'names unnecessary rights, a short queue of connections and a bad certificate',
  SLOW,
  async () => {
    const ports = await freePorts({});
    const certfile = join(dir, 'own.pem');
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=other.test',
      '-keyout',
      certfile,
      '-out',
      join(dir, 'cert.pem'),
    ]);
    await run('sh', ['-c', `cat "${join(dir, 'cert.pem')}" >> "${certfile}"`]);
    const ejabberd = {
      ports: { c2s: ports.c2s, http: ports.http },
      extraConfig: {
        api_permissions: permissions('*'),
        certfiles: [certfile],
        listen: [
          { port: ports.c2s, ip: '127.0.0.1', module: 'ejabberd_c2s', starttls: true },
          {
            port: ports.http,
            ip: '127.0.0.1',
            module: 'ejabberd_http',
            request_handlers: { '/api': 'mod_http_api' },
          },
        ],
      },
    };
    await inWorld({ ejabberd, running: false }, async (world) => {
      const found = bad(await doctor(world));
      expect(found).toMatch(
        /ejabberd api: .*may call get_loglevel.* -> in api_permissions list the commands/,
      );
      expect(found).toMatch(
        /ejabberd backlog: \d+ of 64 connections at once.* -> set "backlog: 1024"/,
      );
      expect(found).toMatch(
        /ejabberd c2s: the certificate for xmpp.test is not accepted.* -> give ejabberd/,
      );
    });
  },
);

it('names a missing module of the API and still reports the earlier results', SLOW, async () => {
  const without = (name: string) => ({ ejabberd: { extraModules: { [name]: undefined } } });
  await inWorld({ ...without('mod_shared_roster'), running: false }, async (world) => {
    const report = await doctor(world);
    expect(bad(report)).toMatch(/groups acme: .* -> load mod_shared_roster for xmpp.test/);
    const account = report.results.filter(({ check }) => check.startsWith('account'));
    expect(account).toContainEqual(
      expect.objectContaining({ status: 'ok', message: expect.stringMatching(/logged in/) }),
    );
  });
  await inWorld({ ...without('mod_admin_extra'), running: false }, async (world) => {
    const found = bad(await doctor(world));
    expect(found).toMatch(/groups acme: ejabberd has no command srg_get_info.* -> load mod_admin/);
    expect(found).not.toMatch(/see the message/);
    Object.assign(world.service.settings, { EJABBERD_API_URL: world.ejabberd.apiUrl.slice(0, -4) });
    const elsewhere = bad(await doctor(world));
    expect(elsewhere).toMatch(
      /ejabberd api: .*answers 404 with a page.* -> set EJABBERD_API_URL to where mod_http_api is/,
    );
    expect(elsewhere).not.toMatch(/<html|see the message/);
  });
});
