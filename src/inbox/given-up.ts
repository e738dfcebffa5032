/** What becomes of an operator's message that cannot be carried out. */
import type { TenantId, Username, VisitorKey } from '../actors/ids.ts';
import { lhcCommandsOf } from '../actors/tenant/lhc-commands.ts';
import { isStoreAway } from '../eventstore/port.ts';
import {
  MESSAGE_ID_MAX_CHARACTERS,
  Numbered,
  type WebhookEvent,
  type WebhookEventOf,
} from './events.ts';
import type { MessageParts } from './message-parts.ts';
import { writtenIn } from './messages.ts';
import { readWritten, type Written } from './operator-commands/read.ts';
import { textOf } from './operator-text.ts';
import { endsOf, mayBeKnown, mayBeRegistered, operatorAtDesk } from './people.ts';
import { refusal, SET_ASIDE } from './refusals.ts';
import { commandIdOf, saidBy } from './repeats.ts';

/** A message that has to be set aside. */
export interface Letter {
  readonly tenant: TenantId;
  /** The visitor whom the message concerns. */
  readonly visitor: VisitorKey;
  /** Who wrote it. */
  readonly operator: Username;
  /** To be called after the message was set aside: its sender is told. */
  readonly tell: () => Promise<unknown>;
}

/** Nobody would want a command later, so it is no dead letter. */
async function giveUpAtDesk(parts: MessageParts, event: WebhookEventOf<'message'>): Promise<void> {
  const operator = operatorAtDesk(parts, event);
  if (!operator || !(await mayBeRegistered(parts, operator))) return;
  const place = { operator, visitor: null };
  const body = textOf(event.body);
  const origin = { commandId: commandIdOf(place, event), ...saidBy(parts, place, event, body) };
  const refuse = refusal(parts, place, event.id, origin, writtenIn(place, body));
  await refuse(TRY_AGAIN).catch((error: unknown) => {
    if (isStoreAway(error)) throw error;
  });
}

const TRY_AGAIN = 'the service could not carry it out now; try again';

/** The value, if it is a text. */
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export async function giveUpMessage(
  parts: MessageParts,
  content: unknown,
  event: WebhookEvent | undefined,
): Promise<Letter | null> {
  const { from, to, id, host } = (content ?? {}) as Record<string, unknown>; // unparsed JSON
  if (event?.type === 'message' && operatorAtDesk(parts, event)) {
    await giveUpAtDesk(parts, event);
    return null;
  }
  const ends = endsOf(parts, { from: text(from), to: text(to), host: text(host) });
  if (!ends || !(await mayBeRegistered(parts, ends.operator))) return null;
  if (!(await mayBeKnown(parts, ends.visitor))) return null;
  const { tenant, name: visitor } = ends.visitor;
  const { name: operator } = ends.operator;
  const letter = (tell: () => Promise<unknown>): Letter => ({ tenant, visitor, operator, tell });
  if (event?.type !== 'message') {
    const messageId = text(id).slice(0, MESSAGE_ID_MAX_CHARACTERS);
    const numbered = Numbered.safeParse(content);
    const origin = numbered.success ? { commandId: commandIdOf(ends, numbered.data) } : {};
    const nothing: Written = { kind: 'message', body: '' };
    return letter(() => refusal(parts, ends, messageId, origin, nothing)(SET_ASIDE));
  }
  const settings = parts.tenants.get(tenant);
  const body = textOf(event.body);
  const written = readWritten(body, settings ? lhcCommandsOf(settings) : []);
  const origin = { commandId: commandIdOf(ends, event), ...saidBy(parts, ends, event, body) };
  const refuse = refusal(parts, ends, event.id, origin, written);
  if (written.kind === 'message') return letter(() => refuse(SET_ASIDE));
  // Nobody would want a command later, so it is no dead letter.
  await refuse(TRY_AGAIN).catch((error: unknown) => {
    if (isStoreAway(error)) throw error;
  });
  return null;
}
