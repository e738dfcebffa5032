/** The doctor's checks of the xmppservice wire. test/service/migration-xmppservice.test.ts has the running service. */
import { expect, it } from 'vitest';
import { TenantSettings, TenantTemplate } from '../../src/actors/tenant/settings.ts';
import type { Check } from '../../src/doctor/check.ts';
import { BOTH_WITHIN_MS, olderModulesCheck } from '../../src/doctor/older-modules.ts';
import type { ServicePort } from '../../src/doctor/service.ts';
import type { WireAnswer, WireListener } from '../../src/doctor/wire-listener.ts';
import {
  usesWire,
  type Wire,
  wireCheck,
  wireTenantCheck,
  xmlRpcCheck,
} from '../../src/doctor/xmppservice.ts';

const KEY = 'legacy-secret-1';
const { signal } = new AbortController();

const entry = { id: 'acme', host: 'xmpp.test', apiKey: 'a-key-of-16-or-more' };
const lhcs = { routing: { by: 'lhc' }, callbackFlavour: 'xmppservice' };
const tenant = (settings: object = lhcs) => TenantSettings.parse({ ...entry, ...settings });

async function found(check: Check): Promise<string> {
  const findings = await check.run(signal);
  return findings.map((each) => `${each.status}: ${each.message} -> ${each.advice}`).join('\n');
}

/** A service that answers `/healthz`, and what else is given. */
const service = (answers: Record<string, unknown> = {}): Pick<ServicePort, 'get'> => ({
  async get(path) {
    const body: unknown = { '/healthz': { version: '1' }, ...answers }[path];
    return body === undefined ? null : { status: 200, body };
  },
});

type Answers = (path: string, body: string | undefined) => Partial<WireAnswer> | null;
const listener = (answers: Answers): WireListener => ({
  url: 'http://here',
  async ask(path, body) {
    const answer = answers(path, body);
    return answer && { status: 200, text: '', poweredBy: '', ...answer };
  },
});

/** The listener for LHC's calls, as the service has it. */
const api = (more: Answers = () => ({ text: '{"error":false,"msg":""}' })): WireListener =>
  listener((path, body) => {
    if (body === undefined) return { text: 'ok' };
    return JSON.parse(body).secret_key === KEY ? more(path, body) : { status: 403 };
  });
const rpc = listener((_path, body = '') => ({
  text: body.includes('<string>rpc&#38;pw</string>')
    ? '<name>sessions_info</name>'
    : 'the rpc_password of LHC is not the XMLRPC_PASSWORD of xmpp-chat',
}));

const wire = (more: Partial<Wire> = {}): Wire => ({
  service: service(),
  api: api(),
  xmlRpc: rpc,
  secretKey: KEY,
  rpcPassword: 'rpc&pw',
  users: [tenant()],
  hasOtherUsers: false,
  ...more,
});

it('finds no fault where LHC is answered', async () => {
  expect(await found(wireCheck(wire()))).toMatch(/^ok: LHC's calls are answered .* 403/);
  expect(await found(wireTenantCheck(wire(), tenant()))).toMatch(/^ok: calls of its LHC are taken/);
  expect(await found(xmlRpcCheck(wire()))).toMatch(/^ok: LHC's XML-RPC is answered/);
});

it('asks about the group of the tenant, with its own key', async () => {
  const asked: unknown[] = [];
  const own = tenant({ ...lhcs, instance: 'one', legacySecret: 'a-key-of-its-own' });
  const asking = listener((path, body) => {
    asked.push([path, JSON.parse(body ?? '{}')]);
    return { text: '{"error":true,"msg":"host: is no host of this service"}' };
  });
  expect(await found(wireTenantCheck(wire({ api: asking }), own))).toMatch(
    /^problem: calls of its LHC are refused: host: is no host.* -> restart/,
  );
  expect(asked).toEqual([
    [
      '/xmpp-does-shared-roaster-exists',
      { group: 'visitors.one', host: 'xmpp.test', secret_key: 'a-key-of-its-own' },
    ],
  ]);
});

it('looks at tenants with this wire alone', () => {
  expect(
    [lhcs, { legacySecret: KEY }, { callbackFlavour: 'xmppservice' }, {}].map(tenant).map(usesWire),
  ).toEqual([true, true, true, false]);
});

it('names a listener that is closed, silent or of somebody else', async () => {
  const none = wire({ users: [], api: null, xmlRpc: null });
  expect((await found(wireCheck(none))) + (await found(xmlRpcCheck(none)))).toBe('');
  const closed = wire({ api: null, xmlRpc: null });
  expect(await found(wireCheck(closed))).toMatch(
    /^problem: LEGACY_LISTEN is closed.* of acme .* -> set/,
  );
  expect(await found(xmlRpcCheck(closed))).toMatch(/^problem: XMLRPC_LISTEN is closed.* -> set/);

  const silent = listener(() => null);
  const away = wire({ api: silent, xmlRpc: silent });
  expect(await found(wireCheck(away))).toMatch(
    /^problem: nobody answers LHC at http:\/\/here -> .*LEGACY_LISTEN/,
  );
  expect(await found(xmlRpcCheck(away))).toMatch(
    /^problem: nobody answers LHC.* -> .*XMLRPC_LISTEN/,
  );

  const old = listener(() => ({ text: 'ok', poweredBy: 'Express' }));
  expect(await found(wireCheck(wire({ api: old })))).toMatch(
    /^problem: .*not this service \(Express\): probably LHC's old Node/,
  );
  const careless = listener((_path, body) => ({ text: body === undefined ? 'ok' : '{}' }));
  expect(await found(wireCheck(wire({ api: careless })))).toMatch(/^problem: .*not this service/);
  const ejabberds = listener(() => ({ text: '<fault>-118 Invalid authentication data</fault>' }));
  expect(await found(xmlRpcCheck(wire({ xmlRpc: ejabberds })))).toMatch(
    /^problem: .*ejabberd_xmlrpc -> move/,
  );
});

it('says nothing of listeners while no service runs', async () => {
  const stopped = wire({ service: { get: async () => null }, api: listener(() => null) });
  expect(await found(wireCheck(stopped))).toBe('');
  expect(await found(wireTenantCheck(stopped, tenant()))).toBe('');
  expect(await found(xmlRpcCheck(stopped))).toBe('');
});

it('names keys that are missing, or that the running service does not have', async () => {
  const keyless = wire({ secretKey: undefined, rpcPassword: undefined });
  expect(await found(wireTenantCheck(keyless, tenant()))).toMatch(
    /^problem: no key serves this tenant.* -> set legacySecret/,
  );
  const { apiKey: _, ...others } = entry;
  const template = TenantTemplate.parse({ ...others, ...lhcs, instance: '*' });
  expect(await found(wireTenantCheck(keyless, template))).toMatch(/^problem: no key serves/);
  expect(await found(wireTenantCheck(wire(), template))).toBe('');
  // Its callbacks alone have that form: nobody calls.
  const outgoing = tenant({ callbackFlavour: 'xmppservice' });
  expect(await found(wireTenantCheck({ ...keyless, api: null }, outgoing))).toBe('');
  expect(await found(xmlRpcCheck(keyless))).toMatch(
    /^problem: XMLRPC_PASSWORD is not set.* -> set it to rpc_password/,
  );

  const other = wire({ secretKey: 'another-secret', rpcPassword: 'another' });
  expect(await found(wireTenantCheck(other, tenant()))).toMatch(
    /^problem: the running service does not take.* -> restart/,
  );
  expect(await found(xmlRpcCheck(other))).toMatch(
    /^problem: the running service does not take XMLRPC_PASSWORD/,
  );
});

it('names settings that do not fit each other', async () => {
  const native = tenant({ routing: { by: 'lhc' }, callbackUrl: 'https://shop.example/x' });
  expect(await found(wireTenantCheck(wire(), native))).toMatch(
    /\nwarning: .*native form.* -> set "callbackFlavour"/,
  );
  const both = tenant({ callbackFlavour: 'xmppservice' });
  expect(await found(wireTenantCheck(wire(), both))).toMatch(
    /\nwarning: .*own routing picks them too -> /,
  );
  expect(await found(wireCheck(wire({ users: [] })))).toMatch(/\nwarning: .*no tenant.* uses it/);
  expect(await found(wireCheck(wire({ users: [], hasOtherUsers: true })))).not.toMatch(/warning/);
});

const NOW = 1_800_000_000_000;
const older = (
  view: { ours?: number; at?: number; refused?: Record<string, unknown> },
  expected = true,
) => {
  const { ours, at, refused = {} } = view;
  const body = {
    hosts: ours === undefined ? {} : { 'xmpp.test': { acceptedAt: ours } },
    olderModules: {
      hosts: at === undefined ? {} : { 'xmpp.test': { at, callbacks: 3, address: '10.0.0.3' } },
      refused,
    },
  };
  const seen = service({ '/debug/webhooks': body });
  return found(olderModulesCheck(seen, ['xmpp.test'], expected, () => NOW));
};

it('tells whether callbacks of the older modules arrive, and from where', async () => {
  expect(await older({ at: NOW - 5_000 })).toMatch(
    /^ok: the older modules report from xmpp.test: 3 callbacks, the last one 5 s ago from 10.0.0.3/,
  );
  expect(await older({})).toMatch(
    /^warning: no callback of the older modules .* -> .*ping_address/,
  );
  expect(await older({ ours: NOW })).toBe('');
  expect(await older({}, false)).toBe('');
  expect(await older({ refused: { '10.0.0.9': { at: NOW, callbacks: 7 } } }, false)).toMatch(
    /^problem: .*refused.*: 10.0.0.9 \(7\) -> .*add the address to LEGACY_CALLBACKS_FROM/,
  );
  expect(await found(olderModulesCheck(service(), ['xmpp.test'], true))).toBe('');
});

it('warns about both modules at once', async () => {
  expect(await older({ at: NOW - 1_000, ours: NOW - 1_000 })).toMatch(
    /^warning: both mod_lhc and the older modules report .* -> remove mod_lhcping/,
  );
  expect(await older({ at: NOW - BOTH_WITHIN_MS, ours: NOW })).toMatch(/^ok/);
});
