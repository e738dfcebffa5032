/** What mod_lhc posts (docs/contracts.md, ejabberd/mod_lhc/README.md), parsed. */
import { z } from 'zod';

/** The id of a stanza at most. */
export const MESSAGE_ID_MAX_CHARACTERS = 1024;

/** Reactions of one stanza, and the length of one in UTF-16 units: mod_lhc has bounds of its own. */
export const MAX_REACTIONS = 20;
export const MAX_REACTION_CHARACTERS = 64;

const base = {
  queueId: z.uuid(),
  seq: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  at: z.string().max(40),
  host: z.string().min(1).max(255),
};
const user = z.string().min(1).max(1023);
const resource = z.string().max(1023);
const session = z.string().min(1).max(255);
const jid = z.string().min(1).max(3071); // RFC 7622 §3.1: three parts of 1,023 bytes
/**
 * Which stream of a client it came from: the first id of its session, which a resumption keeps (XEP-0198), and the number
 * of resumptions. Older modules (before 1.2.0) do not say it.
 */
const stream = {
  session: session.optional(),
  resumptions: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
};
/** To the room of the visitor's chat (docs/adr/0062). `to` is the visitor all the same. */
const room = z.boolean().optional();
const messageId = z.string().min(1).max(MESSAGE_ID_MAX_CHARACTERS);

/** One type of event: what all have, and its own. */
const event = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.object({ ...base, type: z.literal(type), ...shape });

const events = [
  /** `instance`: that of the tenant whose queue it is, `''` without one. An older module, with one queue, has no field. */
  event('module.started', { instance: z.string().max(255).optional() }),
  event('operator.connected', { user, resource, session }),
  event('operator.disconnected', { user, resource, session }),
  event('operator.presence', {
    user,
    resource,
    session,
    show: z.enum(['available', 'chat', 'away', 'xa', 'dnd', 'unavailable']),
    status: z.string().default(''),
    priority: z.number().int().min(-128).max(127).default(0), // RFC 6121 §4.7.2.3
  }),
  event('operator.ping', { user, resource }),
  event('operator.ping_timeout', { user, resource }),
  event('message', {
    from: jid,
    to: jid,
    id: messageId,
    body: z.record(z.string(), z.string()).refine((texts) => Object.keys(texts).length > 0),
    /** The operator's client asked for a receipt (XEP-0184), for markers (XEP-0333). */
    receipt: z.boolean().default(false),
    markable: z.boolean().default(false),
    /** It corrects the message with this id (XEP-0308). */
    replaces: messageId.optional(),
    /** It replies to the message with this id (XEP-0461). A part of the text quotes that one (XEP-0428). */
    replyTo: messageId.optional(),
    quote: z.tuple([z.number().int().min(0), z.number().int().min(1)]).optional(),
    room,
    ...stream,
  }),
  /** It takes the message `retracts` back (XEP-0424). */
  event('retraction', {
    from: jid,
    to: jid,
    id: messageId,
    retracts: messageId,
    room,
    ...stream,
  }),
  /** All reactions to the message `reactsTo` that there are now (XEP-0444). */
  event('reaction', {
    from: jid,
    to: jid,
    id: messageId,
    reactsTo: messageId,
    reactions: z.array(z.string().max(MAX_REACTION_CHARACTERS)).max(MAX_REACTIONS),
    room,
    ...stream,
  }),
  /** Sent instead of a text, or with one that only says so; of a newer module perhaps something else. */
  event('unsupported', {
    from: jid,
    to: jid,
    id: messageId,
    what: z.string().max(64),
    room,
    ...stream,
  }),
  event('chat_state', { from: jid, to: jid, state: z.enum(['composing', 'paused', 'active']) }),
  event('delivered', {
    from: jid,
    to: jid,
    ids: z.array(messageId).min(1).max(10_000),
    by: z.enum(['receipt', 'ping']),
  }),
  event('displayed', { from: jid, to: jid, id: messageId }),
] as const;

export const WebhookEvent = z.discriminatedUnion('type', events);
export type WebhookEvent = z.infer<typeof WebhookEvent>;
export type WebhookEventOf<T extends WebhookEvent['type']> = Extract<WebhookEvent, { type: T }>;

/** The number of an event, when the rest of it cannot be used. */
export const Numbered = z.object({ queueId: base.queueId, seq: base.seq });

const KNOWN = new Set<unknown>(events.map(({ shape }) => shape.type.value));

/** Types of events that this release does not know are no mistake: a newer module may send them. */
export const isKnownType = (type: unknown): boolean => KNOWN.has(type);
