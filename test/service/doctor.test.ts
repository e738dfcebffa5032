/** `xmpp-chat doctor` with the real ejabberd: it finds no fault in a healthy world, and names each fault with what to do. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import type { Report } from '../../src/doctor/report.ts';
import type { Environment } from '../support/service.ts';
import { testWorld } from '../support/test-world.ts';

const ports = await freePorts({});
const settings = { files: { uploads: [`http://127.0.0.1:${ports.http}/upload/`] } };
const world = await testWorld({
  tenants: [
    { id: 'acme', host: 'xmpp.test', settings },
    { id: 'beta', host: 'b.test', settings },
  ],
  ejabberd: { ports },
});
const { service, ejabberd } = world;
const acme = world.tenant('acme');
for (const id of ['acme', 'beta']) await world.tenant(id).register('olga');
await world.idle();

/** Runs the doctor and reads its JSON. The settings change the doctor only. */
async function doctor(
  settings: Environment = {},
): Promise<Report & { code: number | null; text: string }> {
  const before = { ...service.settings };
  Object.assign(service.settings, settings);
  try {
    const { code, output } = await service.cli('doctor', '--json');
    const report: Report = JSON.parse(output); // a wrong shape fails the assertion that reads it
    return { code, text: output, ...report };
  } finally {
    for (const key of Object.keys(settings)) delete service.settings[key];
    Object.assign(service.settings, before);
  }
}

/** Warnings and problems, as `check: message -> advice`. */
const bad = ({ results }: Report): string[] =>
  results
    .filter(({ status }) => status !== 'ok')
    .map(({ check, message, advice }) => `${check}: ${message} -> ${advice}`);

const head = async () =>
  (await service.call('GET', '/debug/events?direction=backwards&limit=1')).body.items[0].position;

afterEach(async () => {
  // Whatever the fault is, no test account is left.
  for (const host of ['xmpp.test', 'b.test']) {
    expect((await world.accounts(host)).filter((name) => name.includes('doctor'))).toEqual([]);
  }
});

// The command line is started many times.
const SLOW = { timeout: 120_000 };

describe('in a healthy world', SLOW, () => {
  it('finds no fault, changes nothing and prints no secret', async () => {
    const before = { head: await head(), accounts: await world.accounts('xmpp.test') };
    expect(before.accounts).toContain('visitors'); // the front desk, which is made in the background
    const report = await doctor();
    expect(bad(report)).toEqual([]);
    expect(report).toMatchObject({ code: 0, status: 'ok' });
    const messages = report.results.map(({ check, message }) => `${check}: ${message}`).join('\n');
    expect(messages).toMatch(
      /account xmpp.test: mod_lhc 1.* reported the session of xmpp.test with a valid signature/,
    );
    expect(messages).toMatch(
      /account b.test: mod_lhc 1.* reported the session of b.test with a valid signature/,
    );
    expect(messages).toMatch(/account b.test: files of operators of beta are looked at/);
    expect(messages).toMatch(/groups acme: visitors displays operators/);
    expect(messages).toMatch(/callback beta: LHC takes callbacks/);
    expect(messages).toMatch(
      new RegExp(`ejabberd api: ejabberd ${ejabberd.version.replaceAll('.', '\\.')}`),
    );

    // The test account belonged to nobody: no fact, no callback except the ping, nothing left.
    expect(await head()).toBe(before.head);
    expect(await world.accounts('xmpp.test')).toEqual(before.accounts);
    const pings = acme.lhc.requests.filter(({ text }) => JSON.parse(text).type === 'doctor.ping');
    expect(pings).toHaveLength(1);
    expect(pings[0]).toMatchObject({ signed: true, answered: 200 });

    const text = (await service.cli('doctor')).output;
    expect(text).toMatch(/\d+ ok, 0 warnings, 0 problems/);
    const tenants = await readFile(service.settings.TENANTS_FILE ?? '', 'utf8');
    const secrets = [
      ...[...tenants.matchAll(/"(?:apiKey|callbackSecret)":"([^"]+)"/g)].map(
        ([, one]) => one ?? '',
      ),
      ejabberd.api.password,
      world.webhookSecret,
      service.settings.ADMIN_TOKEN ?? '',
      (await readFile(join(service.dataDir, 'service-secret'), 'utf8')).trim(),
    ];
    expect(secrets).toHaveLength(8);
    for (const secret of secrets) expect(report.text + text).not.toContain(secret);
  });

  it('removes the test account of a killed doctor, and no other account', async () => {
    const old = Math.floor((Date.now() - 3_600_000) / 1000).toString(36);
    const oldAccount = `visitor-doctor-${old}-abc`;
    await ejabberd.register(oldAccount, 'pw');
    await ejabberd.register('visitor-doctoral-student', 'pw');
    expect((await doctor()).status).toBe('ok');
    const accounts = await world.accounts('xmpp.test');
    expect(accounts).not.toContain(oldAccount);
    expect(accounts).toContain('visitor-doctoral-student');
    await world.admin('unregister', { user: 'visitor-doctoral-student', host: 'xmpp.test' });
  });
});

describe('names the fault of', SLOW, () => {
  it('every wrong setting of the configuration', async () => {
    const report = await doctor({ EJABBERD_XMPP: 'nonsense', LOG_LEVEL: 'loud' });
    expect(report.code).toBe(1);
    const [first, second] = bad(report);
    expect(first).toMatch(/configuration: EJABBERD_XMPP: has to be xmpp:\/\//);
    expect(second).toMatch(/configuration: LOG_LEVEL/);
  });

  it("the API's password, and still makes all other checks", async () => {
    const report = await doctor({ EJABBERD_API_PASSWORD: 'not-this-one' });
    expect(report.code).toBe(1);
    expect(bad(report)[0]).toMatch(
      /ejabberd api: .*does not accept the credentials.*-> .*change_password/,
    );
    expect(report.results).toContainEqual(
      expect.objectContaining({ check: 'callback acme', status: 'ok' }),
    );
    expect(report.results).toContainEqual(expect.objectContaining({ check: 'disk', status: 'ok' }));
    expect(report.text).not.toContain('not-this-one');
  });

  it('the address of the API', async () => {
    const report = await doctor({ EJABBERD_API_URL: 'http://127.0.0.1:2/api' });
    expect(bad(report)).toEqual([
      expect.stringMatching(/^ejabberd api: .*cannot be reached.*-> start ejabberd.*not checked$/),
    ]);
  });

  it('an ejabberd that is away: once, and not by each check', async () => {
    const report = await doctor({
      EJABBERD_API_URL: 'http://127.0.0.1:2/api',
      EJABBERD_XMPP: 'xmpp://127.0.0.1:1',
    });
    expect(bad(report)).toEqual([
      expect.stringMatching(/^ejabberd api: .*Nothing answers at xmpp:.* either -> start ejabberd/),
    ]);
  });

  it('a registered operator without an account in ejabberd', async () => {
    await world.admin('unregister', { user: 'olga', host: 'b.test' });
    try {
      expect(bad(await doctor())).toEqual([
        expect.stringMatching(
          /^operators beta: .*without an account.*: olga\. .* -> register them/,
        ),
      ]);
    } finally {
      await world.tenant('beta').register('olga');
    }
    expect(bad(await doctor())).toEqual([]);
  });

  it('the address that visitors log in at', async () => {
    const report = await doctor({ EJABBERD_XMPP: 'xmpp://127.0.0.1:1' });
    expect(report.code).toBe(1);
    expect(bad(report)).toEqual([
      expect.stringMatching(
        /^ejabberd c2s: nothing speaks XMPP at EJABBERD_XMPP.*-> compare EJABBERD_XMPP/,
      ),
    ]);
    const http = await doctor({ EJABBERD_XMPP: `xmpp://127.0.0.1:${ejabberd.httpPort}` });
    expect(bad(http).join('\n')).toMatch(/ejabberd c2s: nothing speaks XMPP/);
  });

  it('an empty list of tenants', async () => {
    const path = join(service.dir, 'nobody.json');
    await writeFile(path, '[]', { mode: 0o600 });
    const found = bad(await doctor({ TENANTS_FILE: path }));
    expect(found).toEqual([
      expect.stringMatching(/configuration: .*names no tenant.* -> add a tenant/),
    ]);
  });

  it('a name that is no setting', async () => {
    expect(bad(await doctor({ EJABBERD_XMP: 'cAnArY' }))).toEqual([
      expect.stringMatching(/configuration: EJABBERD_XMP: .*EJABBERD_XMPP is meant.* -> correct/),
    ]);
  });

  it('a service that hangs', async () => {
    process.kill(service.pid ?? 0, 'SIGSTOP');
    try {
      const report = await doctor();
      expect(report.code).toBe(1);
      expect(bad(report)).toEqual([
        expect.stringMatching(
          /configuration: tenants that were made at run time were not looked at/,
        ),
        expect.stringMatching(/service: .*does not answer -> it hangs/),
        expect.stringMatching(/account xmpp.test: mod_lhc was not tried/),
        expect.stringMatching(/account b.test: mod_lhc was not tried/),
      ]);
    } finally {
      process.kill(service.pid ?? 0, 'SIGCONT');
    }
  });

  it('a host that ejabberd does not serve', async () => {
    const path = join(service.dir, 'other-tenants.json');
    const tenant = { id: 'gamma', host: 'nowhere.test', apiKey: 'key-of-gamma-12345678' };
    await writeFile(path, JSON.stringify([tenant]), { mode: 0o600 });
    const found = bad(await doctor({ TENANTS_FILE: path })).join('\n');
    expect(found).toMatch(
      /ejabberd hosts: ejabberd does not serve nowhere.test -> add it to "hosts"/,
    );
    expect(found).toMatch(/ejabberd c2s: .*nowhere.test.*host-unknown -> add nowhere.test/);
    expect(found).toMatch(/callback gamma: there is no callbackUrl/);
  });

  it('a group that does not display the other', async () => {
    const group = { group: 'visitors', host: 'xmpp.test', label: 'visitors', description: '' };
    await world.admin('srg_create', { ...group, display: 'visitors' });
    try {
      const report = await doctor();
      expect(bad(report)).toEqual([
        expect.stringMatching(
          /groups acme: visitors of xmpp.test does not display operators.*grey.* -> restart the service/,
        ),
      ]);
      expect(report.code).toBe(1);
    } finally {
      await world.admin('srg_create', { ...group, display: 'operators' });
    }
  });

  it('an LHC that is away, and one that wants no callbacks', async () => {
    const { lhc } = acme;
    const about = async () => bad(await doctor()).filter((line) => line.startsWith('callback'));
    await lhc.stop();
    expect(await about()).toEqual([
      expect.stringMatching(
        /callback acme: LHC does not answer: .*REFUSED.* -> nothing listens there: is the web server of LHC up/,
      ),
    ]);
    await lhc.start();
    lhc.behave({ kind: 'status', status: 410 });
    expect(await about()).toEqual([
      expect.stringMatching(/callback acme: LHC answered 410 -> LHC wants no callbacks/),
    ]);
    lhc.behave({ kind: 'status', status: 200 });
  });

  it('a callback without a signature', async () => {
    const path = join(service.dir, 'unsigned.json');
    const tenant = { id: 'acme', host: 'xmpp.test', apiKey: acme.apiKey };
    await writeFile(path, JSON.stringify([{ ...tenant, callbackUrl: 'http://127.0.0.1:2/' }]), {
      mode: 0o600,
    });
    const found = bad(await doctor({ TENANTS_FILE: path })).join('\n');
    expect(found).toMatch(
      /callback acme: there is no callbackSecret.* -> set callbackSecret to whsec_/,
    );
  });

  it('a folder that cannot be written, and one that does not exist', async () => {
    const found = bad(await doctor({ DATA_DIR: '/proc' })).join('\n');
    expect(found).toMatch(
      /disk: \/proc cannot be written.* -> the folder has to belong to the user/,
    );
    const missing = await doctor({ DATA_DIR: join(service.dir, 'elsewhere') });
    expect(missing.code).toBe(0);
    expect(bad(missing).join('\n')).toMatch(/disk: .*elsewhere does not exist yet/);
    expect(bad(missing).join('\n')).toMatch(/event store: there is no event store at/);
  });

  it('a log that is another file', async () => {
    const path = join(service.dir, 'no.db');
    await writeFile(path, 'this is not a log, and long enough to be looked at');
    const found = bad(await doctor({ EVENT_STORE: `sqlite:${path}` })).join('\n');
    expect(found).toMatch(
      /event store: .*no\.db is damaged or not a SQLite file.* -> .*restore a backup/,
    );
  });

  it('a secret of another log, and a missing one', async () => {
    await acme.view('anna', { page: 'https://shop.example/', nick: 'Anna' });
    await world.idle();
    const SERVICE_SECRET = 'another-secret-of-at-least-32-characters';
    const other = await doctor({ SERVICE_SECRET });
    expect(other.code).toBe(1);
    expect(other.text).not.toContain(SERVICE_SECRET);
    expect(bad(other)).toEqual([
      expect.stringMatching(/event store: .*not the one that the log was written with.* -> look/),
    ]);
    const log = `sqlite:${join(service.dataDir, 'events.db')}`;
    const missing = bad(await doctor({ DATA_DIR: service.dir, EVENT_STORE: log })).join('\n');
    expect(missing).toMatch(/event store: the secret of this log cannot be read.* -> look/);
  });

  it('an admin token that the service does not have', async () => {
    const found = bad(await doctor({ ADMIN_TOKEN: 'another-admin-token' }));
    expect(found).toContainEqual(
      expect.stringMatching(/account xmpp.test: mod_lhc was not tried.* -> set ADMIN_TOKEN/),
    );
  });

  it("mod_lhc's secret, and of a service that does not run", async () => {
    await service.stop();
    const away = await doctor();
    expect(away.code).toBe(0);
    expect(bad(away).join('\n')).toMatch(/service: no service answers at/);
    expect(bad(away).join('\n')).toMatch(
      /account xmpp.test: mod_lhc was not tried: no service answers/,
    );

    const other = `whsec_${randomBytes(32).toString('base64')}`;
    await service.start({ EJABBERD_WEBHOOK_SECRET: other });
    const report = await doctor();
    expect(report.code).toBe(1);
    expect(bad(report)).toContainEqual(
      expect.stringMatching(
        /account xmpp.test: .*refuses the signature.* -> set "secret" of mod_lhc/,
      ),
    );
    await service.stop();
    await service.start();
    expect(bad(await doctor())).toEqual([]);
  });
});
