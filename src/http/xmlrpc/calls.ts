/**
 * The calls of XML-RPC that LHC makes, each by the name of ejabberd's command. A call is answered with a fault only if what
 * was asked cannot be right: a fault keeps LHC from sending a message, or ends a private chat of operators. What cannot be
 * done now is logged, and answered as if it had been done (docs/adr/0039).
 */
import { bareJid, personOf, type TenantId, type VisitorKey } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { type Struct, textIn } from './caller.ts';
import { FAULT, Fault, type RpcValue } from './codec.ts';
import type { XmlRpcDeps } from './deps.ts';
import { shownBy } from './presence.ts';

/** The resource of the one session that a visitor who is online has here. */
const VISITOR_RESOURCE = 'xmpp-chat';

export interface CallContext {
  readonly deps: XmlRpcDeps;
  /** The host of the credentials. Nothing of another host can be named. */
  readonly host: string;
  /** The instance in the path of the request; '' without one. */
  readonly instance: string;
}

type Handle = (context: CallContext, args: Struct) => Promise<RpcValue>;

export interface RpcCall {
  readonly handle: Handle;
  /** The answer if it cannot be done now. */
  readonly otherwise: RpcValue;
}

const DONE = { res: 0 };

/** @throws {Fault} unless the argument is this host */
function requireHost({ host }: CallContext, args: Struct, name: string, expected = host): void {
  if (textIn(args, name).toLowerCase() === expected) return;
  throw new Fault(FAULT.failed, `The ${name} has to be ${expected}, as in the credentials.`);
}

const serviceOf = (host: string): string => `conference.${host}`;

/** The visitor whom `user` names; null for a name that is no visitor of a known tenant. */
function visitorOf(
  context: CallContext,
  args: Struct,
): { tenant: TenantId; key: VisitorKey } | null {
  requireHost(context, args, 'host');
  const { tenants } = context.deps;
  const person = personOf(`${textIn(args, 'user')}@${context.host}`, tenants.ofHost);
  return person?.kind === 'visitor' ? { tenant: person.tenant, key: person.name } : null;
}

/** LHC asks whether there is anybody to tell of a new nick. */
async function userSessionsInfo(context: CallContext, args: Struct): Promise<RpcValue> {
  const visitor = visitorOf(context, args);
  const isOnline = visitor && (await context.deps.visitors.isOnline(visitor.tenant, visitor.key));
  return { sessions_info: isOnline ? [VISITOR_SESSION] : [] };
}

/** As ejabberd describes a session: a list of structs with one member each. */
const VISITOR_SESSION = {
  session: Object.entries({
    connection: 'c2s',
    ip: '127.0.0.1',
    port: 0,
    priority: 0,
    node: 'xmpp-chat',
    uptime: 0,
    status: 'available',
    resource: VISITOR_RESOURCE,
    statustext: '',
  }).map(([name, value]) => ({ [name]: value })),
};

async function sendStanzaC2s(context: CallContext, args: Struct): Promise<RpcValue> {
  const visitor = visitorOf(context, args);
  const shown = shownBy(textIn(args, 'stanza'));
  if (visitor) await context.deps.visitors.show(visitor.tenant, visitor.key, shown);
  return DONE;
}

/**
 * The tenant whose rooms are meant. Calls about rooms name no instance, so on a host of instances the path of the request
 * has to. Without it nobody's rooms are meant.
 */
function tenantOfRooms({ deps, host, instance }: CallContext): Tenant | null {
  const ofHost = deps.tenants.ofHost(host);
  const [only] = ofHost;
  if (ofHost.length === 1 && only && !only.instance) return only;
  const named = ofHost.find((tenant) => tenant.instance === instance);
  if (!named) deps.onRoomsWithoutTenant(host);
  return named ?? null;
}

/** A call about one room. */
const roomCall = (
  room: (context: CallContext, args: Struct) => string,
  carryOut: (context: CallContext, args: Struct, tenant: Tenant, room: string) => Promise<void>,
  answer: RpcValue = DONE,
): RpcCall => ({
  async handle(context, args) {
    const name = room(context, args);
    const tenant = tenantOfRooms(context);
    if (tenant) await carryOut(context, args, tenant, name);
    return answer;
  },
  otherwise: answer,
});

/** `name` and `service` of a room. */
function byName(context: CallContext, args: Struct): string {
  requireHost(context, args, 'service', serviceOf(context.host));
  return textIn(args, 'name');
}

/** The JID of a room. */
const byJid =
  (name: string) =>
  ({ host }: CallContext, args: Struct): string => {
    const jid = textIn(args, name);
    const at = jid.lastIndexOf('@');
    if (jid.slice(at + 1).toLowerCase() === serviceOf(host)) return jid.slice(0, Math.max(at, 0));
    throw new Fault(FAULT.failed, `The ${name} has to be the JID of a room of ${serviceOf(host)}.`);
  };

/** A JID of somebody at this host. */
function personIn({ host }: CallContext, name: string, jid: string): string {
  if (bareJid(jid)?.host === host) return jid;
  throw new Fault(FAULT.failed, `The ${name} has to be at ${host}.`);
}

function allowed(args: Struct): boolean {
  const [option, value] = [textIn(args, 'option'), textIn(args, 'value')];
  if (option === 'allow_subscription' && (value === 'true' || value === 'false')) {
    return value === 'true';
  }
  throw new Fault(FAULT.failed, 'Only allow_subscription can be changed here, to true or false.');
}

async function onlineRooms(context: CallContext, args: Struct): Promise<RpcValue> {
  const { host, deps } = context;
  requireHost(context, args, 'host', serviceOf(host));
  const tenant = tenantOfRooms(context);
  const names = tenant ? await deps.rooms.list(tenant.id) : [];
  return { rooms: names.map((name) => ({ room: `${name}@${serviceOf(host)}` })) };
}

const CALLS: Readonly<Record<string, RpcCall>> = {
  user_sessions_info: { handle: userSessionsInfo, otherwise: { sessions_info: [] } },
  send_stanza_c2s: { handle: sendStanzaC2s, otherwise: DONE },
  muc_online_rooms: { handle: onlineRooms, otherwise: { rooms: [] } },
  create_room: roomCall(
    (context, args) => {
      requireHost(context, args, 'host');
      return byName(context, args);
    },
    ({ deps }, _args, { id }, room) => deps.rooms.create(id, room),
  ),
  change_room_option: roomCall(byName, async ({ deps }, args, { id }, room) =>
    deps.rooms.allowSubscription(id, room, allowed(args)),
  ),
  subscribe_room: roomCall(
    byJid('room'),
    async (context, args, { id }, room) => {
      const jid = personIn(context, 'user', textIn(args, 'user'));
      const [nick, nodes] = [textIn(args, 'nick'), textIn(args, 'nodes')];
      await context.deps.rooms.subscribe(id, room, { jid, nick, nodes });
    },
    { nodes: [{ node: '' }] },
  ),
  send_direct_invitation: roomCall(byName, async (context, args, { id }, room) => {
    const jids = textIn(args, 'users').split(':');
    for (const jid of jids) personIn(context, 'users', jid);
    await context.deps.rooms.invite(id, room, jids, textIn(args, 'reason'));
  }),
  send_message: roomCall(byJid('to'), async (context, args, { id }, room) => {
    if (textIn(args, 'type') !== 'groupchat') {
      throw new Fault(FAULT.failed, 'Only messages of the type groupchat are sent here.');
    }
    const from = personIn(context, 'from', textIn(args, 'from'));
    await context.deps.rooms.say(id, room, from, textIn(args, 'body'));
  }),
  destroy_room: roomCall(byName, ({ deps }, _args, { id }, room) => deps.rooms.destroy(id, room)),
};

/** @throws {Fault} if there is no such call */
export function callNamed(method: string): RpcCall {
  const call = Object.hasOwn(CALLS, method) ? CALLS[method] : undefined;
  if (call) return call;
  throw new Fault(FAULT.unknownCall, 'Unknown call: xmpp-chat does not have this command.');
}
