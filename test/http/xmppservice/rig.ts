/** The xmppservice wire over real actors and a fake ejabberd. */
import { type TenantDirectory, TenantIndex } from '../../../src/actors/tenant/directory.ts';
import type { Tenant } from '../../../src/actors/tenant/tenant.ts';
import { createXmppserviceApp } from '../../../src/http/xmppservice/app.ts';
import type { XmppserviceDeps } from '../../../src/http/xmppservice/deps.ts';
import { createOperatorAccounts } from '../../../src/reactors/operators/accounts.ts';
import { createLhcUsers } from '../../../src/reactors/operators/lhc-users.ts';
import { createOperatorRemoval } from '../../../src/reactors/operators/removal.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { newId, openRig, silent } from '../../support/rig.ts';
import { tenantWith } from '../../support/tenant.ts';

export const HOST = 'xmpp.acme.example';
/** The `secret_key` of the recordings. */
export const SECRET = 'legacy-secret-1';
export const OK = '{"error":false,"msg":""}';

const LHC = { routing: { by: 'lhc' }, callbackFlavour: 'xmppservice' };

export const acme = (more: object = {}): Tenant =>
  tenantWith({ id: 'acme', host: HOST, apiKey: 'key-of-acme-0123456789', ...LHC, ...more });

export type WireRig = Awaited<ReturnType<typeof openWire>>;

/** @param hosting the host has a template in the place of a tenant */
export async function openWire(
  options: { tenants?: readonly Tenant[]; hosting?: boolean; deps?: Partial<XmppserviceDeps> } = {},
) {
  const { hosting = false } = options;
  const rig = await openRig();
  const ejabberd = fakeEjabberd();
  const { admin } = ejabberd;
  const index = new TenantIndex<Tenant>();
  for (const tenant of options.tenants ?? (hosting ? [] : [acme()])) index.set(tenant);
  const tenants: TenantDirectory = {
    get: (id) => index.get(id),
    ofHost: (host) => index.ofHost(host),
    all: () => index.all(),
    standing: (id) => (index.get(id) ? 'active' : 'unknown'),
    isComplete: () => true,
  };
  const { actors, store, vault, now, digestKey, monotonic } = rig;
  const base = { actors, admin, now };
  const operatorAccounts = createOperatorAccounts({
    ...base,
    store,
    vault,
    tenants,
    lhcUsers: createLhcUsers(base),
    removal: createOperatorRemoval({ ...base, ownership: soleOwner }),
    sessions: {
      compare: async () => true,
      compareAll: () => {},
      compareSoon: () => {},
      restarted: async () => {},
      stop: () => {},
    },
    reserved: ['api'],
  });
  const made: string[] = [];
  /** Instances whose removal is complete. */
  const removed = new Set<string>();
  const app = createXmppserviceApp({
    tenants,
    instances: {
      templateOf: (host) => (hosting && host === HOST ? acme({ id: 'template' }) : undefined),
      async make(host, instance, again) {
        if (removed.has(instance) && !again) return null;
        const tenant = acme({ id: instance, host, instance });
        index.set(tenant);
        made.push(instance);
        return tenant;
      },
      isMade: ({ instance }) => hosting && instance !== undefined,
      async remove(tenant) {
        index.set({ ...tenant, removing: true });
      },
    },
    actors,
    crowd: { full: () => null },
    operatorAccounts,
    secretKey: SECRET,
    digestKey,
    newId,
    monotonic,
    logger: silent,
    ...options.deps,
  });

  /** Sends a body as it is. */
  const raw = async (path: string, body: string) => {
    const response = await app.request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    const { status, headers } = response;
    return { status, type: headers.get('content-type'), text: await response.text() };
  };
  /** Sends a call with the key of the recordings. */
  const call = (path: string, body: object) =>
    raw(path, JSON.stringify({ secret_key: SECRET, ...body }));
  /** The reason of a refusal; null for a success. */
  const reasonOf = async (path: string, body: object): Promise<string | null> => {
    const { text } = await call(path, body);
    if (text === 'ok') return null;
    const { error, msg } = JSON.parse(text);
    return error ? msg : null;
  };
  const factsOf = async (stream: string) => (await rig.store.readStream(stream)).slice();
  const typesOf = async (stream: string) => (await factsOf(stream)).map(({ type }) => type);
  const close = () => rig.close();
  return {
    ...rig,
    app,
    ejabberd,
    index,
    made,
    removed,
    raw,
    call,
    reasonOf,
    factsOf,
    typesOf,
    close,
  };
}
