import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { TenantSettings } from '../../src/actors/tenant/settings.ts';
import { readConfig, readStorage } from '../../src/config/config.ts';
import { Environment } from '../../src/config/environment.ts';
import { AppError } from '../../src/errors.ts';
import { temporaryFolder } from '../support/folder.ts';

const dir = temporaryFolder('config');
const WHSEC = `whsec_${'A'.repeat(32)}`;
const OTHER = `whsec_${'B'.repeat(32)}`;
const tenant = { id: 'acme', host: 'xmpp.test', apiKey: 'key-of-acme-0123456789' };
/** Of a tenant whose LHC has no extension. */
const ofRest = {
  callbackFlavour: 'rest',
  callbackUrl: 'https://lhc.test',
  restUser: 'xmpp-chat',
  restKey: 'rest-key-of-acme',
  webhookKey: 'webhook-key-of-acme',
};

let files = 0;
const tenantsFile = (content: unknown): string => {
  const path = join(dir, `tenants-${files++}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const valid = (more: Record<string, string | undefined> = {}): NodeJS.ProcessEnv => ({
  EJABBERD_API_URL: 'http://127.0.0.1:5280/api',
  EJABBERD_API_USER: 'api@xmpp.test',
  EJABBERD_API_PASSWORD: 'secret',
  EJABBERD_XMPP: 'xmpp://127.0.0.1:5222',
  EJABBERD_WEBHOOK_SECRET: WHSEC,
  TENANTS_FILE: tenantsFile([tenant]),
  ...more,
});

function faults(environment: NodeJS.ProcessEnv): string[] {
  try {
    readConfig(environment, dir);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.code).toBe('invalid');
    const lines = error.message.split('\n').slice(1);
    return lines.map((line) => line.trim());
  }
  return [];
}

it('a small configuration is enough, and the rest has defaults', () => {
  expect(readConfig(valid(), dir)).toMatchObject({
    listen: { host: '127.0.0.1', port: 8090 },
    dataDir: join(dir, 'data'),
    eventStore: `sqlite:${join(dir, 'data', 'events.db')}`,
    adminToken: undefined,
    serviceSecrets: undefined,
    ejabberd: {
      apiUser: 'api@xmpp.test',
      allowPlaintext: false,
      webhookSecrets: [{ secret: WHSEC, hosts: null }],
    },
    tenants: [{ ...tenant, hardTimeout: 300, maxVisibleVisitors: 1000, routing: { capacity: 5 } }],
    deadlineGraceMs: 30_000,
    logLevel: 'info',
  });
});

describe('the component transport', () => {
  const listener = { EJABBERD_COMPONENT: 'tcp://[::1]:5347', EJABBERD_COMPONENT_SECRET: 'knock' };
  const withComponent = { TENANTS_FILE: tenantsFile([{ ...tenant, transport: 'component' }]) };

  it('needs an address and a secret', () => {
    const { component } = readConfig(valid({ ...listener, ...withComponent }), dir).ejabberd;
    expect(component).toEqual({ host: '::1', port: 5347, tls: false, secret: 'knock' });
    expect(readConfig(valid(), dir).ejabberd.component).toBeNull();
    expect(faults(valid(withComponent))).toEqual([
      'TENANTS_FILE: tenant acme, transport: component needs EJABBERD_COMPONENT and EJABBERD_COMPONENT_SECRET, which are not set',
    ]);
    expect(faults(valid({ ...listener, EJABBERD_COMPONENT: undefined }))).toEqual([
      'EJABBERD_COMPONENT: is not set, and its secret is',
    ]);
    expect(faults(valid({ ...listener, EJABBERD_COMPONENT_SECRET: undefined }))).toEqual([
      'EJABBERD_COMPONENT_SECRET: is not set, and EJABBERD_COMPONENT is',
    ]);
  });

  it.each(['tcp://ejabberd', 'tcp://a:b@ejabberd:5347', 'tcp://ejabberd:5347/x', 'tcp://:5347'])(
    '%s is no address of a listener',
    (address) => {
      expect(faults(valid({ ...listener, EJABBERD_COMPONENT: address }))).toEqual([
        expect.stringMatching(
          /^EJABBERD_COMPONENT: has to be tcp:\/\/ or tls:\/\/ with the host and the port/,
        ),
      ]);
    },
  );

  it('keeps its domain free of tenants', () => {
    const other = { id: 'other', host: 'visitors.xmpp.test', apiKey: 'key-of-other-0123456789' };
    for (const both of [
      [tenant, other],
      [other, tenant],
    ]) {
      expect(faults(valid({ TENANTS_FILE: tenantsFile(both) }))).toEqual([
        `TENANTS_FILE: tenant ${both[1]?.id}: visitors.xmpp.test is the domain of the visitors of host xmpp.test`,
      ]);
    }
  });
});

it('the listener for XML-RPC opens with the rest of its wire', () => {
  const listen = (more: NodeJS.ProcessEnv) => readConfig(valid(more), dir).xmlRpc.listen;
  expect(listen({})).toBeNull();
  expect(listen({ XMLRPC_LISTEN: '0.0.0.0:80' })).toEqual({ host: '0.0.0.0', port: 80 });
  expect(faults(valid({ XMLRPC_LISTEN: 'on' }))).toEqual([
    'XMLRPC_LISTEN: has to be HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8090, or off; it is "on"',
  ]);
  expect(faults(valid({ LEGACY_CALLBACKS_FROM: '10.0.0.0/33' }))).toEqual([
    'LEGACY_CALLBACKS_FROM: has to be addresses and ranges such as 10.0.0.0/8, separated by commas; it is "10.0.0.0/33"',
  ]);
  expect(
    faults(valid({ XMLRPC_PASSWORD: 'a-shared-secret', EJABBERD_API_PASSWORD: 'a-shared-secret' })),
  ).toEqual([expect.stringContaining('XMLRPC_PASSWORD: is the same as EJABBERD_API_PASSWORD')]);
});

it('reads every setting', () => {
  const read = readConfig(
    valid({
      LISTEN: '[::1]:9000',
      DATA_DIR: 'elsewhere',
      DEADLINE_GRACE: '0',
      LOG_LEVEL: 'debug',
      EVENT_STORE: 'sqlite:/x/e.db',
      EJABBERD_WEBHOOK_SECRET: `${WHSEC}, ${OTHER}`,
      EJABBERD_XMPP_ALLOW_PLAINTEXT: 'true',
      ADMIN_TOKEN: '',
      REDIS_URL: 'rediss://bridge:a%2Fb@redis.example:6380',
    }),
    dir,
  );
  expect(read).toMatchObject({
    listen: { host: '::1', port: 9000 },
    dataDir: join(dir, 'elsewhere'),
    deadlineGraceMs: 0,
    logLevel: 'debug',
    eventStore: 'sqlite:/x/e.db',
    ejabberd: {
      allowPlaintext: true,
      webhookSecrets: [WHSEC, OTHER].map((secret) => ({ secret, hosts: null })),
    },
    redisUrl: 'rediss://bridge:a%2Fb@redis.example:6380',
    adminToken: undefined, // an empty variable counts as not set
  });
});

it('one error names all missing settings', () => {
  expect(faults({})).toEqual([
    'EJABBERD_API_URL: is not set',
    'EJABBERD_API_USER: is not set',
    'EJABBERD_API_PASSWORD: is not set',
    'EJABBERD_XMPP: is not set',
    'EJABBERD_WEBHOOK_SECRET: is not set',
  ]);
});

const canary = 'cAnArY';
/** Every setting of the environment with a wrong value. */
const WRONG = {
  LISTEN: `${canary}:99999`,
  EVENT_STORE: `mysql:${canary}`,
  ADMIN_TOKEN: canary,
  SERVICE_SECRET: canary,
  EJABBERD_API_URL: `ftp://${canary}`,
  EJABBERD_API_USER: canary,
  EJABBERD_XMPP: canary,
  EJABBERD_XMPP_ALLOW_PLAINTEXT: canary,
  EJABBERD_WEBHOOK_SECRET: `${WHSEC},${canary}`,
  REDIS_URL: `http://:${canary}@127.0.0.1`,
  TAKE_OVER_FROM: `none,${canary}`,
  CALLBACK_ALLOW: `10.0.0.0/8, ${canary}/8`,
  FILE_SCANNER: `clamd://${canary}:3310/x`,
  DEADLINE_GRACE: canary,
  LEGACY_LISTEN: `${canary}:99999`,
  LEGACY_SECRET_KEY: canary,
  LEGACY_CALLBACKS_FROM: canary,
  XMLRPC_LISTEN: `${canary}:99999`,
  XMLRPC_PASSWORD: `${canary}\n`,
  EJABBERD_API_PASSWORD: `${canary}\n`,
  EJABBERD_COMPONENT: `tcp://${canary}`,
  EJABBERD_COMPONENT_SECRET: `${canary}\n`,
  LOG_LEVEL: canary,
};
/** Any text is one. */
const PATHS = ['DATA_DIR', 'TENANTS_FILE'];
/** Values of these may stand in a log. */
const QUOTABLE = [
  'TAKE_OVER_FROM',
  'CALLBACK_ALLOW',
  'LISTEN',
  'EJABBERD_API_USER',
  'EJABBERD_XMPP_ALLOW_PLAINTEXT',
  'DEADLINE_GRACE',
  'LEGACY_LISTEN',
  'LEGACY_CALLBACKS_FROM',
  'XMLRPC_LISTEN',
  'LOG_LEVEL',
];

it('CALLBACK_ALLOW takes names, addresses and ranges', () => {
  const text = 'LHC.example.org, *.own.example,10.0.0.0/8,fd00::/8 , 127.0.0.1';
  expect(readConfig(valid({ CALLBACK_ALLOW: text }), dir).callbackAllow).toEqual({
    hosts: ['lhc.example.org', '*.own.example'],
    ranges: ['10.0.0.0/8', 'fd00::/8', '127.0.0.1'],
  });
  expect(readConfig(valid(), dir).callbackAllow).toEqual({ hosts: [], ranges: [] });
  for (const wrong of [
    '10.0.0.0/33',
    '10.0.0',
    '*',
    'https://lhc.example',
    'lhc.example,',
    '::g',
  ]) {
    expect(faults(valid({ CALLBACK_ALLOW: wrong })), wrong).toEqual([
      expect.stringMatching(/^CALLBACK_ALLOW: has to be names of hosts, addresses and ranges/),
    ]);
  }
});

it('FILE_SCANNER takes clamd and HTTP', () => {
  expect(readConfig(valid(), dir).fileScanner).toBeUndefined();
  for (const right of [
    'clamd://127.0.0.1:3310',
    'clamd://[::1]',
    'clamd:///run/clamav/clamd.ctl',
    'https://scanner.test/scan?team=1',
  ]) {
    expect(readConfig(valid({ FILE_SCANNER: right }), dir).fileScanner).toBe(right);
  }
  for (const wrong of [
    'clamav',
    'tcp://127.0.0.1:3310',
    'clamd:///',
    'https://u:p@scanner.test/',
  ]) {
    expect(faults(valid({ FILE_SCANNER: wrong })), wrong).toEqual([
      expect.stringMatching(/^FILE_SCANNER: has /),
    ]);
  }
});

it('one error names all wrong settings, also of tenants, and quotes no secret', () => {
  expect([...Object.keys(WRONG), ...PATHS].sort()).toEqual(Object.keys(Environment.shape).sort());
  const secrets = { apiKey: canary, callbackSecret: canary, callbackUrl: canary };
  const found = faults({ ...valid(WRONG), TENANTS_FILE: tenantsFile([{ ...tenant, ...secrets }]) });
  for (const name of Object.keys(WRONG)) {
    const lines = found.filter((line) => line.startsWith(`${name}: `));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.includes(canary), name).toBe(QUOTABLE.includes(name));
  }
  const ofTenants = found.filter((line) => line.startsWith('TENANTS_FILE: tenant acme, '));
  expect(ofTenants).toHaveLength(3);
  expect(ofTenants.join()).not.toContain(canary);
});

it.each<[string, object, string]>([
  [
    'hardTimeout',
    { hardTimeout: '300' },
    'from 1 to 31536000 (seconds), without quotes; it is "300"',
  ],
  ['ownerGrace', { ownerGrace: -1 }, 'from 0 to 31536000 (seconds), without quotes; it is -1'],
  [
    'offerTimeout',
    { offerTimeout: 1.5 },
    'from 1 to 31536000 (seconds), without quotes; it is 1.5',
  ],
  ['host', { host: 'XMPP.test' }, 'has to be a domain name in lower case; it is "XMPP.test"'],
  ['host', { host: undefined }, 'is required'],
  ['host', { host: 7 }, 'has to be a text in quotes; it is 7'],
  ['apiKey', { apiKey: 1234567 }, 'has to be a text in quotes'],
  ['apiKey', { apiKey: 'short' }, 'has to have at least 16 characters'],
  ['lhcCommands', { lhcCommands: 'note' }, 'has to be a list in [ ]; it is "note"'],
  ['routing', { routing: ['x'] }, 'has to be an object in { }'],
  [
    'routing.policy',
    { routing: { policy: 'fair' } },
    'has to be one of least-loaded, round-robin, random, broadcast; it is "fair"',
  ],
  [
    'routing.capacity',
    { routing: { capacity: 0 } },
    'from 1 to 1000 (chats), without quotes; it is 0',
  ],
  [
    'routing.hours.exceptions.25.12.2026',
    { routing: { hours: { timezone: 'UTC', week: {}, exceptions: { '25.12.2026': [] } } } },
    'has a date that is none: it has to be YYYY-MM-DD',
  ],
  [
    'routing.departments. sales',
    { routing: { departments: { ' sales': {} } } },
    'has a department whose name has a space at an end, or a control character',
  ],
  ['routing.by', { routing: { by: 'them' } }, 'has to be service or lhc; it is "them"'],
  [
    'callbackFlavour',
    { callbackFlavour: 'x' },
    'has to be one of native, xmppservice, rest; it is "x"',
  ],
  ['restKey', { ...ofRest, restKey: undefined }, 'callbackFlavour "rest" needs it'],
  ['webhookKey', { ...ofRest, webhookKey: undefined }, 'callbackFlavour "rest" needs it'],
  ['callbackUrl', { ...ofRest, callbackUrl: undefined }, 'callbackFlavour "rest" needs it'],
  [
    'callbackUrl',
    { ...ofRest, callbackUrl: 'https://lhc.test/?a=b' },
    'has to be the address of LHC alone, without ? and #',
  ],
  [
    'restUser',
    { ...ofRest, restUser: 'a:b' },
    'must not have a colon or a control character; it is "a:b"',
  ],
  ['webhookKey', { webhookKey: ofRest.webhookKey }, 'is of use with callbackFlavour "rest" alone'],
  ['legacySecret', { legacySecret: 'secret\n0' }, 'must not have a control character'],
  ['legacySecret', { legacySecret: 'short' }, 'has to have at least 8 characters'],
])('a wrong %s of a tenant: %j', (field, settings, fault) => {
  const found = faults({ ...valid(), TENANTS_FILE: tenantsFile([{ ...tenant, ...settings }]) });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(new RegExp(`^TENANTS_FILE: tenant acme, ${field}: `));
  expect(found[0]?.endsWith(fault), found[0]).toBe(true);
});

it('a tenant without an id is named by its place in the file', () => {
  const file = tenantsFile([{ ...tenant, id: 'Acme' }, { ...tenant, id: undefined }, 'cAnArY']);
  expect(faults({ ...valid(), TENANTS_FILE: file })).toEqual([
    expect.stringMatching(/^TENANTS_FILE: tenant "Acme", id: .*; it is "Acme"$/),
    'TENANTS_FILE: tenant number 2 in the file, id: is required',
    'TENANTS_FILE: tenant number 3 in the file: has to be an object in { }',
  ]);
});

it('no message has words of the schema library', () => {
  const shapes = [null, 7, 'x', true, [], ['x'], {}, { x: 1 }, ''];
  const names = Object.keys(TenantSettings.shape);
  const texts = names.flatMap((name) =>
    shapes.flatMap((value) =>
      faults({ ...valid(), TENANTS_FILE: tenantsFile([{ ...tenant, [name]: value }]) }),
    ),
  );
  const inside = [
    { routing: { departments: { '': {}, sales: { policy: 1, capacity: 'x', color: 2 } } } },
    { lhcCommands: Array.from({ length: 101 }, () => 'a') },
    { host: 'h'.repeat(300), apiKey: 'k'.repeat(300), callbackUrl: 'ftp://x' },
  ].flatMap((more) => faults({ ...valid(), TENANTS_FILE: tenantsFile([{ ...tenant, ...more }]) }));
  expect(texts.length).toBeGreaterThan(100);
  for (const text of [...texts, ...inside, ...faults(valid(WRONG))]) {
    expect(text).not.toMatch(
      /\b(invalid|expected|received|unrecognized|too (small|big))\b|\bNaN\b/i,
    );
  }
});

it.each([
  ['{"id": "acme", "apiKey": "cAnArY', 'not JSON'],
  ['[{"apiKey": cAnArY}]', 'not JSON'],
  ['{}', 'the list'],
])('a tenants file with %s is refused with "%s", and nothing in it is quoted', (content, fault) => {
  const found = faults({ ...valid(), TENANTS_FILE: tenantsFile(content) }).join('\n');
  expect(found).toContain(fault);
  expect(found).not.toContain('cAnArY');
});

it('TENANTS_FILE may be absent: then tenants are made over HTTP', () => {
  const without = { ...valid(), TENANTS_FILE: undefined };
  const token = 'admin-token-0123456789';
  const read = readConfig({ ...without, ADMIN_TOKEN: token }, dir);
  expect(read).toMatchObject({ tenants: [], templates: [], warnings: [], secretFiles: [] });
  expect(readConfig(without, dir).warnings).toEqual([expect.stringMatching(/nobody can make/)]);
});

it('a webhook secret may be for a host whose tenant is made later, and a slip is told', () => {
  const EJABBERD_WEBHOOK_SECRET = `${WHSEC},${OTHER}@c.test`;
  expect(readConfig(valid({ EJABBERD_WEBHOOK_SECRET }), dir).warnings).toEqual([
    'EJABBERD_WEBHOOK_SECRET: no tenant of TENANTS_FILE has the host c.test',
  ]);
});

const template = { id: 'any', host: 'hosting.test', instance: '*' };

it('a template is no tenant, and its callback address may name the instance', () => {
  const callbackUrl = 'https://{address}.example.org/{instance}';
  const file = tenantsFile([{ ...template, callbackUrl }, tenant]);
  const read = readConfig({ ...valid(), TENANTS_FILE: file }, dir);
  expect(read.tenants).toMatchObject([tenant]);
  expect(read.templates).toMatchObject([{ ...template, callbackUrl, hardTimeout: 300 }]);
});

it.each<[string, object[], RegExp]>([
  [
    'the same id twice',
    [tenant, { ...tenant, host: 'b.test', apiKey: 'x'.repeat(16) }],
    /another tenant has this id/,
  ],
  [
    'the same host twice',
    [tenant, { ...tenant, id: 'beta', apiKey: 'x'.repeat(16) }],
    /same host and instance/,
  ],
  [
    'a host both with and without an instance',
    [tenant, { ...tenant, id: 'beta', instance: 'b', apiKey: 'x'.repeat(16) }],
    /either one tenant without an instance/,
  ],
  ['the same key twice', [tenant, { ...tenant, id: 'beta', host: 'b.test' }], /apiKey/],
  ['a misspelt setting', [{ ...tenant, hardTimout: 1 }], /hardTimout/],
  ['two templates of a host', [template, { ...template, id: 'b' }], /same host and instance/],
  [
    'a template on the host of a tenant without an instance',
    [tenant, { ...template, host: tenant.host }],
    /tenant any: .* either one tenant without an instance/,
  ],
  ['the name of the API', [{ ...tenant, id: 'tenants' }], /id: "tenants" is reserved/],
  ['a key in a template', [{ ...template, apiKey: tenant.apiKey }], /tenant any: .*"apiKey"/],
  [
    'a template whose instances would have no usable address',
    [{ ...template, callbackUrl: 'ftp://{address}/' }],
    /tenant any, callbackUrl: has to be a URL/,
  ],
])('tenants with %s are refused', (_what, tenants, fault) => {
  const found = faults({ ...valid(), TENANTS_FILE: tenantsFile(tenants) }).join('\n');
  expect(found).toMatch(fault);
  expect(found).not.toContain(tenant.apiKey);
});

it('EventStoreDB requires SERVICE_SECRET, which all processes share', () => {
  expect(faults(valid({ EVENT_STORE: 'esdb://store:2113' }))).toEqual([
    expect.stringMatching(/^SERVICE_SECRET: is required/),
  ]);
});

it('the error about an unreadable file names its path', () => {
  mkdirSync(join(dir, 'folder'), { recursive: true });
  expect(faults({ ...valid(), TENANTS_FILE: 'none.json' })).toEqual([
    expect.stringMatching(/^TENANTS_FILE: .*none\.json cannot be read: ENOENT/),
  ]);
  expect(faults({ ...valid(), TENANTS_FILE: 'folder' })).toHaveLength(1);
});

it('backup and restore need only the settings of storage', () => {
  const nothing = readStorage({}, dir);
  expect(nothing).toEqual({
    dataDir: join(dir, 'data'),
    eventStore: `sqlite:${join(dir, 'data/events.db')}`,
    serviceSecrets: undefined,
  });
  const secret = 's'.repeat(32);
  expect(
    readStorage({ DATA_DIR: '/srv/x', EVENT_STORE: 'sqlite:/log.db', SERVICE_SECRET: secret }, dir),
  ).toEqual({ dataDir: '/srv/x', eventStore: 'sqlite:/log.db', serviceSecrets: [secret] });
  expect(() => readStorage({ EVENT_STORE: 'mysql:x', SERVICE_SECRET: 'short' }, dir)).toThrow(
    /EVENT_STORE: has to be sqlite:PATH.*\n.*SERVICE_SECRET: has to have at least 32/,
  );
});

it('several service secrets are for a rotation, the new one first', () => {
  const [newer, older] = ['n'.repeat(32), 'o'.repeat(40)];
  const read = (SERVICE_SECRET: string) => readConfig(valid({ SERVICE_SECRET }), dir);
  expect(read(`${newer}, ${older}`).serviceSecrets).toEqual([newer, older]);
  const wrong = (SERVICE_SECRET: string) => faults(valid({ SERVICE_SECRET }));
  expect(wrong(`${newer},short`)).toEqual([expect.stringMatching(/^SERVICE_SECRET: .*32/)]);
  expect(wrong(`${newer},`)).toHaveLength(1);
  expect(wrong(`${newer},${newer}`)).toEqual([expect.stringMatching(/^SERVICE_SECRET: .*twice/)]);
});

it('a secret of mod_lhc may be bound to hosts', () => {
  const other = `whsec_${'B'.repeat(32)}`;
  const two = [tenant, { ...tenant, id: 'beta', host: 'b.test', apiKey: 'x'.repeat(16) }];
  const of = (EJABBERD_WEBHOOK_SECRET: string) => ({
    ...valid({ EJABBERD_WEBHOOK_SECRET }),
    TENANTS_FILE: tenantsFile(two),
  });
  const read = (text: string) => readConfig(of(text), dir).ejabberd.webhookSecrets;
  expect(read(`${WHSEC}@xmpp.test,${other}@b.test`)).toEqual([
    { secret: WHSEC, hosts: ['xmpp.test'] },
    { secret: other, hosts: ['b.test'] },
  ]);
  expect(read(`${WHSEC}@xmpp.test, ${other},${WHSEC}@b.test`)).toEqual([
    { secret: WHSEC, hosts: ['xmpp.test', 'b.test'] },
    { secret: other, hosts: null },
  ]);
  for (const [text, fault] of [
    [`${WHSEC}@xmpp.test`, /no secret is for the host b\.test/],
    [`${WHSEC}@xmpp.test,${WHSEC}`, /both for one host and for all/],
    [`${WHSEC}@NO HOST`, /comma separated/],
    [`${WHSEC}@xmpp.test@b.test`, /comma separated/],
  ] as const) {
    const found = faults(of(text));
    expect(found).toEqual([expect.stringMatching(fault)]);
    expect(found.join()).toMatch(/^EJABBERD_WEBHOOK_SECRET: /);
    expect(found.join()).not.toContain(WHSEC);
  }
});

it.each([
  [
    'ADMIN_TOKEN',
    { ADMIN_TOKEN: tenant.apiKey },
    /tenant acme, apiKey: is the same as ADMIN_TOKEN/,
  ],
  ['ADMIN_TOKEN', { ADMIN_TOKEN: WHSEC }, /^EJABBERD_WEBHOOK_SECRET: is the same as ADMIN_TOKEN/],
  [
    'SERVICE_SECRET',
    { SERVICE_SECRET: `${'s'.repeat(32)},${WHSEC}` },
    /^EJABBERD_WEBHOOK_SECRET: is the same as SERVICE_SECRET/,
  ],
  [
    'a callback secret',
    { TENANTS_FILE: tenantsFile([{ ...tenant, callbackSecret: WHSEC }]) },
    /tenant acme, callbackSecret: is the same as EJABBERD_WEBHOOK_SECRET/,
  ],
  [
    "the secret of a tenant's LHC",
    { TENANTS_FILE: tenantsFile([{ ...tenant, legacySecret: WHSEC }]) },
    /tenant acme, legacySecret: is the same as EJABBERD_WEBHOOK_SECRET/,
  ],
  [
    'the password of the API',
    { EJABBERD_API_PASSWORD: tenant.apiKey },
    /apiKey: is the same as EJABBERD_API_PASSWORD/,
  ],
])('%s may not be the secret of somebody else', (_what, settings, fault) => {
  const found = faults({ ...valid(), ...settings });
  expect(found).toEqual([expect.stringMatching(fault)]);
  expect(found.join()).not.toMatch(new RegExp(`${tenant.apiKey}|${WHSEC}`));
});

it('an unreadable .env is an error and is not skipped', () => {
  const here = join(dir, 'unreadable');
  mkdirSync(join(here, '.env'), { recursive: true });
  expect(() => readConfig(process.env, here)).toThrow(/\.env cannot be read: EISDIR/);
});

it.each([
  ['EJABBERD_API_URL', 'http://bob:cAnArY@127.0.0.1:5280/api', /EJABBERD_API_PASSWORD/],
  ['EJABBERD_XMPP', 'xmpp://bob:cAnArY@127.0.0.1:5222', /accounts of their own/],
  ['EJABBERD_XMPP', 'xmpp://127.0.0.1:99999', /with a host/],
  ['EJABBERD_XMPP', 'xmpp://', /host/],
])('%s=%s is refused, because it has credentials or no usable address', (name, value, fault) => {
  const found = faults({ ...valid(), [name]: value });
  expect(found).toEqual([expect.stringMatching(fault)]);
  expect(found.join()).not.toContain('cAnArY');
});

describe('a value that the code could never use is refused', () => {
  const ofTenant = (more: object) => ({
    ...valid(),
    TENANTS_FILE: tenantsFile([{ ...tenant, ...more }]),
  });

  it.each([
    ['nothing', '='.repeat(24)],
    ['less than 18 bytes', 'A'.repeat(23)],
    ['less than 18 bytes and padding', `${'A'.repeat(10)}${'='.repeat(20)}`],
    ['more than 128 bytes', 'A'.repeat(200)],
    ['padding in the middle', `${'A'.repeat(30)}=${'A'.repeat(33)}`],
    ['one character too many', 'A'.repeat(33)],
    ['base64 of URLs', `${'A'.repeat(30)}-_`],
  ])('a key that is %s', (_what, encoded) => {
    const secret = `whsec_${encoded}`;
    for (const text of [secret, `${WHSEC},${secret}`, `${secret}@xmpp.test`]) {
      expect(faults(valid({ EJABBERD_WEBHOOK_SECRET: text }))).toEqual([
        expect.stringMatching(/^EJABBERD_WEBHOOK_SECRET: .*18 to 128 bytes/),
      ]);
    }
    expect(faults(ofTenant({ callbackSecret: secret }))).toEqual([
      expect.stringMatching(/^TENANTS_FILE: tenant acme, callbackSecret: .*18 to 128 bytes/),
    ]);
  });

  it('the same key in two spellings is one secret', () => {
    const key = Buffer.alloc(20, 7).toString('base64');
    const environment = ofTenant({ callbackSecret: `whsec_${key.replace(/=+$/, '')}` });
    expect(faults({ ...environment, EJABBERD_WEBHOOK_SECRET: `whsec_${key}` })).toEqual([
      expect.stringMatching(/callbackSecret: is the same as EJABBERD_WEBHOOK_SECRET/),
    ]);
  });

  it.each([
    ['a space at the end', 'a long random text '],
    ['a space at the beginning', ' a long random text'],
    ['an ü', 'a long random text, für uns'],
    ['a tab', 'a long\trandom text'],
    ['a line end', 'a long random text\n'],
  ])('a token with %s', (_what, token) => {
    const [fault, ...more] = faults(valid({ ADMIN_TOKEN: token }));
    expect(fault).toMatch(/^ADMIN_TOKEN: /);
    expect([fault, ...more].join()).not.toContain('random');
    const ofKey = faults(ofTenant({ apiKey: token }));
    expect(ofKey).toEqual([expect.stringMatching(/tenant acme, apiKey: has to be ASCII/)]);
  });

  it.each([
    ['https://lhc:100%sure@lhc.test/hook', /write %25 for %/],
    ['https://l%hc@lhc.test/hook', /write %25 for %/],
    ['https://l%3Ahc:x@lhc.test/hook', /colon in its user/],
    ['http://lhc.test:6000/hook', /a port that HTTP clients refuse/],
  ])('callbackUrl %s', (callbackUrl, fault) => {
    const found = faults(ofTenant({ callbackUrl }));
    expect(found).toEqual([expect.stringMatching(/^TENANTS_FILE: tenant acme, callbackUrl: /)]);
    expect(found).toEqual([expect.stringMatching(fault)]);
    expect(found.join()).not.toContain('lhc.test');
  });

  it.each([
    ['EJABBERD_API_URL', 'http://127.0.0.1:5280/api?key=1', /has a \? or #/],
    ['REDIS_URL', 'redis://:100%@127.0.0.1', /write %25/],
    ['REDIS_URL', 'redis://127.0.0.1?db=1', /has a \? or #/],
    ['EJABBERD_API_URL', 'http://127.0.0.1:6667/api', /a port that HTTP clients refuse/],
    ['EJABBERD_API_USER', 'api:1@xmpp.test', /has to be a JID/],
    ['EJABBERD_API_USER', 'api@xmpp.test/phone', /has to be a JID/],
    ['EJABBERD_API_PASSWORD', 'secret\r', /control character/],
    ['EJABBERD_XMPP', 'xmpp://[fd00::1]:5222', /an IPv4 address or \[::1\]/],
    ['EJABBERD_XMPP', 'xmpp://bücher.test', /in ASCII/],
    ['EJABBERD_XMPP', 'ws://127.0.0.1:5280/ws#1', /has a #/],
    ['EVENT_STORE', 'sqlite::memory:', /has to name a file/],
    ['EVENT_STORE', 'sqlite:file:x.db?mode=memory', /has to name a file/],
    ['EVENT_STORE', 'sqlite: x.db', /has to name a file/],
    ['EVENT_STORE', 'esdb://127.0.0.1:99999?tls=false', /a port is from 0 to 65535/],
    ['EVENT_STORE', 'esdb://127.0.0.1:2113', /with TLS, 127.0.0.1:2113 must be a host name/],
    ['EVENT_STORE', 'esdb://store:2113?cAnArY=1', /the options after \?/],
    ['SERVICE_SECRET', `${'s'.repeat(40)}\r`, /control character/],
    ['DATA_DIR', 'data ', /begins or ends with a space/],
    ['TENANTS_FILE', ' t.json', /begins or ends with a space/],
    ['DEADLINE_GRACE', ' ', /whole number/],
    ['DEADLINE_GRACE', '0x10', /whole number/],
    ['DEADLINE_GRACE', '1e3', /whole number/],
  ])('%s=%j', (name, value, fault) => {
    const found = faults({ ...valid(), [name]: value });
    expect(found.filter((line) => line.startsWith(`${name}: `)).join()).toMatch(fault);
  });

  it.each([
    ['host', { host: 'xmpp..test' }],
    ['routing.departments', { routing: { departments: { 'sales ': {} } } }],
    ['routing.departments', { routing: { departments: { 'sa\nles': {} } } }],
  ])('%s of %j', (field, more) => {
    expect(faults(ofTenant(more)).join()).toMatch(`tenant acme, ${field}`);
  });

  it('what is only written in another way is taken', () => {
    const id = '0190D1B2-0000-7000-8000-00000000000A';
    const read = readConfig(
      valid({ TAKE_OVER_FROM: `NONE, ${id}`, EJABBERD_XMPP: 'WS://Xmpp.test:5280/ws' }),
      dir,
    );
    expect(read.takeOverFrom).toEqual(['none', id.toLowerCase()]);
    expect(read.ejabberd.xmpp).toBe('ws://xmpp.test:5280/ws');
  });
});

describe('a file that another program has saved', () => {
  const bom = Buffer.from([0xef, 0xbb, 0xbf]);
  const utf16 = (text: string, big = false) => {
    const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
    return big ? bytes.swap16() : bytes;
  };

  it.each([
    ['a byte order mark', (text: string) => Buffer.concat([bom, Buffer.from(text)])],
    ['UTF-16', (text: string) => utf16(text)],
    ['UTF-16 in the other order', (text: string) => utf16(text, true)],
    ['line ends of Windows', (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'))],
    ['line ends of old Macs', (text: string) => Buffer.from(text.replaceAll('\n', '\r'))],
  ])('with %s: tenants.json and .env are read', (what, encode) => {
    const here = join(dir, what);
    mkdirSync(here);
    const { TENANTS_FILE: _, ...settings } = valid();
    const lines = Object.entries({ ...settings, TENANTS_FILE: 'tenants.json', LISTEN: '[::1]:1' });
    const text = lines.map(([name, value]) => `${name}=${value}\n`).toReversed();
    writeFileSync(join(here, '.env'), encode(text.join('')));
    writeFileSync(join(here, 'tenants.json'), encode(`[\n${JSON.stringify(tenant)}\n]`));
    const read = readConfig(process.env, here);
    expect(read.listen).toEqual({ host: '::1', port: 1 });
    expect(read.tenants).toMatchObject([tenant]);
    expect(read.warnings).toEqual([]);
  });

  it('in Latin-1 is an error', () => {
    const here = join(dir, 'latin');
    mkdirSync(here);
    writeFileSync(join(here, '.env'), Buffer.from('EJABBERD_API_PASSWORD=für', 'latin1'));
    expect(() => readConfig(process.env, here)).toThrow(/\.env is not UTF-8/);
    const file = join(here, 't.json');
    writeFileSync(file, Buffer.from('[{"id":"für"}]', 'latin1'));
    expect(faults({ ...valid(), TENANTS_FILE: file })).toEqual([
      expect.stringMatching(/not UTF-8/),
    ]);
  });
});

describe('what is probably a slip is named, and no value is quoted', () => {
  const warningsOf = (more: Record<string, string>) =>
    readConfig(valid({ LISTEN: '127.0.0.1:1', ...more }), dir).warnings;

  it.each([
    ['EJABBERD_XMP', 'EJABBERD_XMPP'],
    ['EJABBERD_API_PASWORD', 'EJABBERD_API_PASSWORD'],
    ['EJABBERD_URL', 'EJABBERD_API_URL'],
    ['TENANT_FILE', 'TENANTS_FILE'],
    ['DATADIR', 'DATA_DIR'],
    ['listen', 'LISTEN'],
  ])('%s', (name, meant) => {
    expect(warningsOf({ [name]: 'cAnArY' })).toEqual([
      `${name}: there is no such setting; ${meant} is meant, perhaps`,
    ]);
  });

  it('also where it is the cause of a fault', () => {
    const { EJABBERD_XMPP = '', ...rest } = valid();
    expect(faults({ ...rest, '\u00a0EJABBERD_XMPP': EJABBERD_XMPP })).toEqual([
      'EJABBERD_XMPP: is not set',
      '\\u{a0}EJABBERD_XMPP: there is no such setting; EJABBERD_XMPP is meant, perhaps',
    ]);
  });

  it('a name with our prefix and nothing like it', () => {
    expect(warningsOf({ XMPP_CHAT_PORT: '1' })).toEqual([
      'XMPP_CHAT_PORT: there is no such setting',
    ]);
  });

  it('but not what is of systemd, of the shell, of ejabberd and of its container', () => {
    const names = ['LISTEN_FDS', 'LISTEN_PID', 'PATH', 'HOME', 'LOGNAME', 'EJABBERD_CERTFILE'];
    names.push('EJABBERD_LOG_LEVEL', 'EJABBERD_MACRO_PORT', 'XMPP_PORT');
    expect(warningsOf(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
  });

  it('in .env: lines that are lost, cut or come too late', () => {
    const here = join(dir, 'slips');
    mkdirSync(here);
    const { TENANTS_FILE = '', ...settings } = valid();
    const lines = [
      '# a comment',
      `TENANTS_FILE='${TENANTS_FILE}' # quoted`,
      'ADMIN_TOKEN=cAnArY-cAnArY-cAnArY#cAnArY',
      'LOG_LEVEL: cAnArY',
      ' export LISTEN = 127.0.0.1:1 # a comment',
      'NODE_PENDING_DEPRECATION=/cAnArY',
      'LISTEN=127.0.0.1:2',
      'EJABBERD_API_PASSWORD="with # in it"',
      'COMPOSE_PROFILES="two',
      'lines: # of it"',
      ...Object.entries({ ...settings, EJABBERD_API_PASSWORD: '' })
        .filter(([, value]) => value !== '')
        .map(([name, value]) => `${name}=${value}`),
    ];
    writeFileSync(join(here, '.env'), lines.join('\n'));
    const read = readConfig(process.env, here);
    expect(read.ejabberd.apiPassword).toBe('with # in it');
    const path = join(here, '.env');
    expect(read.warnings).toEqual([
      `${path}, line 3: ADMIN_TOKEN ends before the #, where a comment begins: put the value in quotes`,
      `${path}, line 4: is no setting (NAME=VALUE), and was ignored`,
      `${path}, line 6: NODE_PENDING_DEPRECATION has no effect here: set it in the environment of the service`,
      `${path}, line 7: LISTEN is there twice, and the last one counts`,
    ]);
  });
});

/** What JSON Schema says of a number or a text. */
interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Bounds>>;
}

const boundsOf = (schema: z.ZodObject): Readonly<Record<string, Bounds>> =>
  // The types of the library leave open what a property is.
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).properties as Readonly<
    Record<string, Bounds>
  >;

describe('docs/configuration.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');
  /** The rows of the table that has this column, by the name of the setting. */
  const tableOf = (column: string) => {
    const table = text.slice(text.indexOf(`| ${column} | meaning |`)).split('\n\n')[0] ?? '';
    const rows = table.trim().split('\n').slice(2);
    return new Map(
      rows.map((row) => {
        const [name = '', , allowed = '', fallback = ''] = row.slice(2, -2).split(' | ');
        return [name.replaceAll('`', ''), { allowed, fallback: fallback.replaceAll('`', '') }];
      }),
    );
  };
  const tenants = Object.fromEntries(
    Object.entries(boundsOf(TenantSettings)).flatMap(([name, bounds]) => {
      const inner = Object.entries(bounds.properties ?? {});
      if (inner.length === 0) return [[name, bounds]];
      return inner.map(([field, its]) => [`${name}.${field}`, its]);
    }),
  );

  it.each([
    ['variable', boundsOf(Environment)],
    ['setting', tenants],
  ])('names every %s, with its bounds and default', (column, settings) => {
    const rows = tableOf(column);
    expect([...rows.keys()].toSorted()).toEqual(Object.keys(settings).toSorted());
    for (const [name, bounds] of Object.entries(settings)) {
      const { allowed = '', fallback } = rows.get(name) ?? {};
      const { minimum, maximum, minLength, maxLength = Number.POSITIVE_INFINITY } = bounds;
      if (minimum !== undefined) expect(allowed, name).toMatch(`${minimum} to ${maximum} `);
      if (minLength !== undefined && minLength > 1) expect(allowed, name).toContain(minLength);
      if (Number.isFinite(maxLength)) expect(allowed, name).toContain(maxLength);
      if (['number', 'string', 'boolean'].includes(typeof bounds.default)) {
        expect(fallback, name).toBe(String(bounds.default));
      }
    }
  });
});
