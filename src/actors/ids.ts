/**
 * Names of actors, and the streams and JIDs that are derived from them. Names are strict and lower case, so that each
 * stream name and each JID can be read back in one way only (docs/names.md).
 */
import { z } from 'zod';

export const TenantId = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,30}$/,
    'a tenant id is a-z, 0-9 and -, begins with a letter, at most 31',
  )
  .refine((id) => id !== 'chat', '"chat" is reserved')
  .brand<'TenantId'>();
export type TenantId = z.infer<typeof TenantId>;

const SIMPLE_ID = /^[a-z0-9_-]{1,64}$/;

export const ChatId = z
  .string()
  .regex(SIMPLE_ID, 'a chat id is a-z, 0-9, _ and -, at most 64')
  .brand<'ChatId'>();
export type ChatId = z.infer<typeof ChatId>;

/** `{visitorId}`, or `{chatId}.chat` for a chat with no tracked visitor. */
export const VisitorKey = z
  .string()
  .regex(
    /^[a-z0-9_-]{1,64}(\.chat)?$/,
    'a visitor key is an id (a-z, 0-9, _ and -, at most 64), or a chat id followed by ".chat"',
  )
  .brand<'VisitorKey'>();
export type VisitorKey = z.infer<typeof VisitorKey>;

/** The chat of a visitor who is known by it alone; null if the visitor is tracked. */
export function onlyChatOf(key: VisitorKey): ChatId | null {
  if (!key.endsWith('.chat')) return null;
  return ChatId.safeParse(key.slice(0, -'.chat'.length)).data ?? null;
}

export const Username = z
  .string()
  .regex(
    /^[a-z0-9_][a-z0-9._-]{0,62}$/,
    'a username is a-z, 0-9, ., _ and -, does not begin with . or -, at most 63',
  )
  .refine((name) => name !== 'admin' && !name.startsWith('visitor'), 'this username is reserved')
  .brand<'Username'>();
export type Username = z.infer<typeof Username>;

export const Instance = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    'an instance is a-z, 0-9 and -, begins with a letter, at most 63',
  )
  .refine((name) => name !== 'chat', '"chat" is reserved')
  .brand<'Instance'>();
export type Instance = z.infer<typeof Instance>;

/** How visitors are in XMPP: with an account each, or all by one component (docs/adr/0056). */
export const TRANSPORTS = ['accounts', 'component'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** The parts of a tenant's JIDs. A host has either one tenant without an instance, or several with one each. */
export interface TenantNaming {
  readonly id: TenantId;
  readonly host: string;
  readonly instance?: Instance | undefined;
  /** Default `accounts`. Decides which address visitors have now. */
  readonly transport?: Transport | undefined;
}

/** An actor by its kind and name. */
export type ActorRef =
  | { readonly kind: 'visitor'; readonly tenant: TenantId; readonly name: VisitorKey }
  | { readonly kind: 'operator'; readonly tenant: TenantId; readonly name: Username }
  | { readonly kind: 'tenant'; readonly tenant: TenantId };

export type ActorKind = ActorRef['kind'];

export const visitorRef = (tenant: TenantId, name: VisitorKey): ActorRef => ({
  kind: 'visitor',
  tenant,
  name,
});
export const operatorRef = (tenant: TenantId, name: Username): ActorRef => ({
  kind: 'operator',
  tenant,
  name,
});
export const tenantRef = (tenant: TenantId): ActorRef => ({ kind: 'tenant', tenant });

/** The name of an actor's stream. The first `-` ends the category. */
export const streamOf = (actor: ActorRef): string =>
  actor.kind === 'tenant'
    ? `tenant-${actor.tenant}`
    : `${actor.kind}-${actor.tenant}.${actor.name}`;

/** The actor that this stream belongs to; null if it is not an actor's stream. */
export function actorOf(stream: string): ActorRef | null {
  const dash = stream.indexOf('-');
  if (dash < 0) return null;
  const kind = stream.slice(0, dash);
  const rest = stream.slice(dash + 1);
  // Only streamOf makes these names, from parsed parts. So splitting is enough, and replays save the cost of parsing.
  if (kind === 'tenant') return { kind, tenant: rest as TenantId };
  if (kind !== 'visitor' && kind !== 'operator') return null;
  const dot = rest.indexOf('.');
  if (dot < 0) return null;
  const tenant = rest.slice(0, dot) as TenantId;
  const name = rest.slice(dot + 1);
  return kind === 'visitor'
    ? { kind, tenant, name: name as VisitorKey }
    : { kind, tenant, name: name as Username };
}

/** The stream of a lane: how far the effects of an actor's facts are done at one place. @param stream of the actor */
export const laneStream = (stream: string, destination: string): string =>
  `lane-${stream}.${destination}`;

/** The stream of the actor that a lane works for; of any other stream the stream itself. */
export const streamOfLane = (stream: string): string =>
  /^lane-(.+)\.[^.]+$/.exec(stream)?.[1] ?? stream;

/**
 * The name of the data key that encrypts an actor's personal data. Visitors have one each; other actors share their
 * tenant's.
 * @param generation how often the visitor was erased (docs/adr/0049)
 */
export const sealingKeyOf = (actor: ActorRef, generation = 0): string =>
  actor.kind === 'visitor'
    ? keyOfGeneration(`${actor.tenant}.${actor.name}`, generation)
    : actor.tenant;

/** Stands in no name of a tenant or visitor. */
const GENERATION = '~';

/** The name of a data key. @param person as {@link sealingKeyOf} has it for the generation 0 */
export const keyOfGeneration = (person: string, generation: number): string =>
  generation === 0 ? person : `${person}${GENERATION}${generation}`;

/** The parts of the name of a data key. */
export function generationOf(key: string): {
  readonly person: string;
  readonly generation: number;
} {
  const [person = '', generation = '0'] = key.split(GENERATION, 2);
  return { person, generation: Number(generation) };
}

const suffix = (tenant: TenantNaming): string => (tenant.instance ? `.${tenant.instance}` : '');

/** Before a host: the domain of its component. */
const VISITORS_DOMAIN = 'visitors.';

/** The domain of a host's component. No tenant's host may be called so. */
export const componentDomain = (host: string): string => `${VISITORS_DOMAIN}${host}`;

/** The host whose component has this domain; null for any other domain. */
export const hostOfComponent = (domain: string): string | null =>
  domain.startsWith(VISITORS_DOMAIN) ? domain.slice(VISITORS_DOMAIN.length) : null;

/** Hosts that addresses of this host can be mistaken for, itself included. */
export const hostsAround = (host: string): readonly string[] => {
  const ofComponent = hostOfComponent(host);
  return [host, componentDomain(host), ...(ofComponent ? [ofComponent] : [])];
};

/** The domain that a tenant's visitors and its desk are at. */
export const visitorDomain = ({ host, transport }: TenantNaming): string =>
  transport === 'component' ? componentDomain(host) : host;

const visitorLocal = (tenant: TenantNaming, key: VisitorKey): string =>
  `visitor.${key}${suffix(tenant)}`;

/** A visitor's bare JID, by the tenant's transport. */
export const visitorJid = (tenant: TenantNaming, key: VisitorKey): string =>
  `${visitorLocal(tenant, key)}@${visitorDomain(tenant)}`;

/** The bare JID that the visitor has by the other transport. An operator's older window writes to it. */
export const otherVisitorJid = (tenant: TenantNaming, key: VisitorKey): string =>
  visitorJid({ ...tenant, transport: otherTransport(tenant) }, key);

/** The transport that a tenant does not have. */
export const otherTransport = ({ transport }: Pick<TenantNaming, 'transport'>): Transport =>
  transport === 'component' ? 'accounts' : 'component';

/**
 * The bare JID of a tenant's desk: the contact for what concerns no single chat. No operator and no visitor can have this
 * name.
 */
export const deskJid = (tenant: TenantNaming): string =>
  `${DESK}${suffix(tenant)}@${visitorDomain(tenant)}`;

const DESK = 'visitors';

/** The domain of a host's chat rooms. */
export const roomDomain = (host: string): string => `conference.${host}`;

/** The room of a visitor's chats, the same by either transport (docs/adr/0062). mod_lhc knows the visitor by it. */
export const visitorRoom = (
  tenant: TenantNaming,
  key: VisitorKey,
): { readonly name: string; readonly service: string } => ({
  name: visitorLocal(tenant, key),
  service: roomDomain(tenant.host),
});

/** An operator's bare JID. */
export const operatorJid = (tenant: TenantNaming, username: Username): string =>
  `${username}${suffix(tenant)}@${tenant.host}`;

/** The names of a tenant's two shared roster groups in ejabberd. */
export const rosterGroups = (tenant: TenantNaming): { visitors: string; operators: string } => ({
  visitors: `visitors${suffix(tenant)}`,
  operators: `operators${suffix(tenant)}`,
});

/** A JID without its resource, in two parts, in lower case; null if it has no local part. */
export function bareJid(jid: string): { local: string; host: string } | null {
  const bare = jid.split('/', 1)[0] ?? '';
  const at = bare.indexOf('@');
  if (at <= 0 || at === bare.length - 1) return null;
  return { local: bare.slice(0, at).toLowerCase(), host: bare.slice(at + 1).toLowerCase() };
}

/** A visitor or an operator. */
export type Person = Extract<ActorRef, { kind: 'visitor' | 'operator' }>;

type TenantsOf = (host: string) => readonly TenantNaming[];

/** A tenant's part of an address: what stands before the instance. */
interface Placed {
  readonly tenant: TenantNaming;
  readonly name: string;
  /** The address is at the component's domain. */
  readonly isAtComponent: boolean;
}

/** The tenants that an address may belong to. */
function* placesOf(jid: string, tenantsOf: TenantsOf): Generator<Placed> {
  const parts = bareJid(jid);
  if (!parts) return;
  const host = hostOfComponent(parts.host);
  const hosts = [
    { name: parts.host, isAtComponent: false },
    ...(host === null ? [] : [{ name: host, isAtComponent: true }]),
  ];
  for (const { name, isAtComponent } of hosts) {
    for (const tenant of tenantsOf(name)) {
      const end = suffix(tenant);
      if (tenant.host !== name || !parts.local.endsWith(end)) continue;
      const local = end ? parts.local.slice(0, -end.length) : parts.local;
      yield { tenant, name: local, isAtComponent };
    }
  }
}

/**
 * The visitor or operator that a JID belongs to. A visitor has an address by each transport, and both are understood at
 * any time: a conversation's older window has the other one.
 * @param jid bare or full
 * @param tenantsOf the tenants of a host: one without an instance, or any number with an instance each
 * @returns null if the JID does not fit the naming of any tenant
 */
export function personOf(jid: string, tenantsOf: TenantsOf): Person | null {
  for (const { tenant, name, isAtComponent } of placesOf(jid, tenantsOf)) {
    if (name.startsWith('visitor.')) {
      const key = VisitorKey.safeParse(name.slice('visitor.'.length));
      if (key.success) return { kind: 'visitor', tenant: tenant.id, name: key.data };
    } else if (!isAtComponent) {
      const username = Username.safeParse(name);
      if (username.success) return { kind: 'operator', tenant: tenant.id, name: username.data };
    }
  }
  return null;
}

/**
 * The tenant whose desk a JID is, by either transport; null if it is no desk.
 * @param jid bare or full
 * @param tenantsOf as for {@link personOf}
 */
export function deskOf(jid: string, tenantsOf: TenantsOf): TenantId | null {
  for (const { tenant, name } of placesOf(jid, tenantsOf)) if (name === DESK) return tenant.id;
  return null;
}
