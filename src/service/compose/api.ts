/** The three listeners: the HTTP API, and the two of the xmppservice wire. Nothing listens yet. */
import type { Config } from '../../config/config.ts';
import { PRESENCE } from '../../effects/presence.ts';
import { createApp } from '../../http/app.ts';
import { createStreamHub } from '../../http/stream/hub.ts';
import { createXmlRpc } from '../../http/xmlrpc/app.ts';
import { createRpcVisitors } from '../../http/xmlrpc/visitors.ts';
import { createXmppserviceApp } from '../../http/xmppservice/app.ts';
import type { Instances } from '../../http/xmppservice/deps.ts';
import { newId } from '../../kit/id.ts';
import type { ReadModels } from '../../projections/read-models.ts';
import { clockJumpOf, healthOf } from '../health.ts';
import type { Reactors } from './reactors.ts';
import type { Runtime } from './runtime.ts';

/** The HTTP API. */
export function createApi(
  config: Config,
  version: string,
  runtime: Runtime,
  reactors: Reactors,
  readModels: ReadModels,
) {
  const { tenants, tenancy, actors, store, vault, secrets, logger, failpoint } = runtime;
  const { crowd, inbox, reporters, olderModules, operatorAccounts } = reactors;
  const { routing, lhcPeople, tenantEffects, typing, deadLetters } = reactors;
  const stream = createStreamHub({ ...runtime, changes: readModels.changes });
  const app = createApp({
    tenants,
    tenancy,
    tenantEffects,
    actors,
    inbox: {
      take: async (events) => {
        reporters.noteSigned(events);
        await inbox.take(events);
        failpoint('before-webhook-answer');
      },
    },
    lhcChats: reactors.lhcChats,
    olderModules,
    olderModulesFrom: config.olderModulesFrom,
    crowd,
    operatorAccounts,
    transfer: routing.transfer,
    lhcPeople,
    cannedTexts: reactors.canned,
    typing,
    readModels,
    stream,
    store,
    vault,
    deadLetters,
    eraseVisitor: reactors.erasures.erase,
    clockJump: () => clockJumpOf(runtime.clock),
    onClockCheck: reactors.retention.watchClock,
    ...healthOf({ ...runtime, ...reactors, readModels }),
    adminToken: config.adminToken,
    webhookSecrets: config.ejabberd.webhookSecrets,
    digestKey: secrets.digest,
    now: Date.now, // signatures of others are compared with it
    newId,
    logger,
    journal: runtime.journal,
    snapshotOf: runtime.snapshotOf,
    effectPlaces: [...reactors.destinations, PRESENCE],
    awayReason(tenant, destination) {
      const failure = reactors.lanes.failures(destination).get(tenant);
      return failure?.away ? failure.reason : null;
    },
    version,
  });
  return { app, stream };
}

/** The API of the old Node server, for LHC's xmppservice extension. */
export function createXmppservice(config: Config, runtime: Runtime, reactors: Reactors) {
  const { secrets } = runtime;
  return createXmppserviceApp({
    ...runtime,
    ...reactors,
    instances: instancesOf(runtime),
    secretKey: config.xmppservice.secretKey,
    digestKey: secrets.digest,
  });
}

/** The instances of hosts with a template, for LHC, which makes and removes them. */
const instancesOf = ({ tenants, tenancy }: Runtime): Instances => ({
  templateOf: tenants.templateOf,
  make: (host, instance, again) => tenancy.ofInstance(host, instance, again),
  isMade: ({ source }) => source === 'template',
  async remove({ id }) {
    await tenancy.beginRemoval(id, false);
  },
});

/** The listener for LHC's calls of XML-RPC. */
export function createXmlRpcApp(config: Config, runtime: Runtime, { operatorRooms }: Reactors) {
  const { secrets } = runtime;
  return createXmlRpc({
    ...runtime,
    visitors: createRpcVisitors({ ...runtime, digestKey: secrets.digest }),
    rooms: operatorRooms,
    password: config.xmlRpc.password,
    isTemplateHost: (host) => runtime.tenants.templateOf(host) !== undefined,
  });
}
