/** What makes an event of an operator's client the same as an earlier one (docs/adr/0030). */
import { createHmac } from 'node:crypto';
import type { Hook, Said } from '../actors/machine/idempotency.ts';
import type { WebhookEventOf } from './events.ts';
import type { MessageParts } from './message-parts.ts';
import type { CommandPlace } from './operator-commands/carry-out.ts';
import type { Conversation } from './people.ts';

/** Stands for the desk where a visitor's key would stand. */
const DESK = '@desk';
/** The same words in the room and in the conversation were said twice. */
const ROOM = '@room';
/** The command id of an event: mod_lhc may post it again. */
export const commandIdOf = ({ operator }: CommandPlace, { queueId, seq }: Hook): string =>
  `op:${operator.name}:${queueId}:${seq}`;

/**
 * A UUID (RFC 9562) with its version and variant, with or without hyphens. Clients that make ids so (Conversations, Dino,
 * Gajim, Converse.js, poezio) never make the same id for another message. Others count, some from 1 at each start.
 */
const UNIQUE_ID = /[0-9a-f]{8}-?[0-9a-f]{4}-?[1-8][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}/i;

/**
 * What an event says. A client that resumes its session or logs in anew may send a stanza again, as a new event with the
 * same stanza id (docs/adr/0030). A careless client may use one stanza id for several messages, to one visitor or to
 * several. So sender, receiver, id and text together say what it is.
 */
export function saidBy(
  { digestKey }: MessageParts,
  { operator, visitor, room }: CommandPlace,
  {
    id,
    at: time,
    session,
    resumptions,
  }: WebhookEventOf<'message' | 'retraction' | 'reaction' | 'unsupported'>,
  text: string,
): { said?: Said } {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return {};
  const fingerprint = createHmac('sha256', digestKey);
  const where = [visitor?.name ?? DESK, ...(room ? [ROOM] : [])];
  fingerprint.update(JSON.stringify([operator.name, id, text, ...where]));
  return {
    said: {
      key: fingerprint.digest('base64url').slice(0, 22),
      at,
      ...(session !== undefined && { session }),
      ...(resumptions !== undefined && { resumptions }),
      ...(UNIQUE_ID.test(id) && { unique: true }),
    },
  };
}

/** True if the client of the sender has sent this before, and now again on another stream. */
export const isSaidAgain = (
  { operator, visitor }: Conversation,
  { said }: { said?: Said },
): boolean =>
  said !== undefined && (operator.seen.wasSaid(said) || visitor?.seen.wasSaid(said) === true);
