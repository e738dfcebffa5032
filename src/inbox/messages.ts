/** What operators write to visitors: messages and commands, what no visitor can be shown, and what has to be set aside. */
import { createHmac } from 'node:crypto';
import { onlyChatOf, type TenantId, type Username, type VisitorKey } from '../actors/ids.ts';
import type { Hook, Said } from '../actors/machine/idempotency.ts';
import type { OperatorCommand } from '../actors/operator/decisions.ts';
import { BEING_REMOVED } from '../actors/tenant/configuration.ts';
import { lhcCommandsOf } from '../actors/tenant/lhc-commands.ts';
import type { Tenant } from '../actors/tenant/tenant.ts';
import type { VisitorCommand } from '../actors/visitor/decisions.ts';
import { writtenMessage } from '../actors/visitor/written.ts';
import { AppError, isRejected } from '../errors.ts';
import { isStoreAway } from '../eventstore/port.ts';
import type { Origin } from '../runtime/ports.ts';
import type { Budgets } from './budget.ts';
import { emojisIn } from './emoji.ts';
import {
  MESSAGE_ID_MAX_CHARACTERS,
  Numbered,
  type WebhookEvent,
  type WebhookEventOf,
} from './events.ts';
import {
  type CarryOut,
  type CommandPlace,
  type Ends,
  nameOf,
} from './operator-commands/carry-out.ts';
import { readWritten, type Written } from './operator-commands/read.ts';
import { isBlank } from './operator-commands/words.ts';
import { isAction, unreadable, visibleText, withoutAction } from './operator-text.ts';
import {
  type Conversation,
  conversationOf,
  endsOf,
  giveBack,
  knownVisitor,
  mayBeKnown,
  mayBeRegistered,
  operatorAtDesk,
  type PeopleOptions,
  registeredOperator,
  sendToOperator,
  sendToVisitor,
} from './people.ts';
import type { SetAside } from './set-aside.ts';

/** The event's number in its queue; or the command id of a message that a person sends again. */
interface MessageOrigin {
  readonly hook?: Hook;
  readonly commandId?: string;
}

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

export interface MessageParts extends PeopleOptions {
  readonly setAside: SetAside;
  readonly digestKey: Buffer;
  readonly budgets: Budgets;
  readonly carryOut: CarryOut;
  readonly operatorName: OperatorName;
}

/** An operator's name; null if none is known. */
export type OperatorName = (operator: Ends['operator']) => Promise<string | null>;

/** One text from bodies in several languages: without a language first, and one that is not blank if there is any. */
function textOf(body: Readonly<Record<string, string>>): string {
  const texts = [body[''] ?? '', ...Object.values(body)];
  return texts.find((text) => !isBlank(text)) ?? texts.find((text) => text !== '') ?? '';
}

/** What a client sends that takes a message back (XEP-0424). */
const RETRACTION = 'retraction';
/** Why a visitor cannot be shown something, and what the operator can do instead. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  [
    'encrypted',
    'it is encrypted, and visitors cannot read that; switch encryption off for this contact',
  ],
  [
    'encrypted-file',
    'it is an encrypted file, and visitors cannot open that; switch encryption off for this contact and send it again',
  ],
  [RETRACTION, 'the visitor has the message already'],
  ['reaction', 'visitors cannot see reactions; write a message instead'],
]);
const UNSUPPORTED_OTHER = 'visitors cannot see what your client has sent; write a message instead';

const UNSUPPORTED_AT_DESK = 'the front desk reads plain text alone; !help says what it knows';

/** Stands for the desk where a visitor's key would stand. */
const DESK = '@desk';
/** A command cannot take the place of a message. */
const KEEPS_MESSAGE =
  'the visitor has the message that you have corrected; write the command as a message of its own';

/** What a person reads whose message was set aside. */
const SET_ASIDE =
  'the service could not pass it on. It is kept for an administrator; write it again if it is urgent';
/** What an operator reads who wrote more than their budget allows. */
const TOO_FAST =
  'you write faster than this service passes on. What you write in the next seconds is returned to you';

/** The command id of an event: mod_lhc may post it again. */
const commandIdOf = ({ operator }: CommandPlace, { queueId, seq }: Hook): string =>
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
function saidBy(
  { digestKey }: MessageParts,
  { operator, visitor }: CommandPlace,
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
  fingerprint.update(JSON.stringify([operator.name, id, text, visitor?.name ?? DESK]));
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
const isSaidAgain = ({ operator, visitor }: Conversation, { said }: { said?: Said }): boolean =>
  said !== undefined && (operator.seen.wasSaid(said) || visitor?.seen.wasSaid(said) === true);

/** An operator's message: a text for the visitor, or a command. To the desk all are commands. @returns whether LHC gets it as a message */
export async function handleMessage(
  parts: MessageParts,
  event: WebhookEventOf<'message'>,
  { hook, commandId: given }: MessageOrigin,
): Promise<boolean> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return false;
  const { place } = conversation;
  const { operator, visitor } = place;
  const { id: messageId, receipt, markable, replaces, replyTo } = event;
  const sent = textOf(event.body);
  // Some clients send an empty body with a chat state. It must neither accept a chat nor invite a visitor.
  if (sent === '') return false;
  const { quotation, own } = splitReply(sent, event);
  const quoted = visibleText(quotation);
  const body = visibleText(own);
  const settings = parts.tenants.get(operator.tenant);
  const written = writtenIn(place, body, settings);
  const commandId = given ?? commandIdOf(place, event);
  // A person who sends a message again means it.
  const said = given === undefined ? saidBy(parts, place, event, sent) : {};
  // The message was refused before. The visitor's state may have changed since, but the answer stays. The number in the
  // queue does not tell: later events of this operator may be done before a message is set aside.
  if (conversation.operator.seen.hasCommand(commandId)) return false;
  if (isSaidAgain(conversation, said)) return false;
  const refuse = refusal(parts, place, messageId, { commandId, ...said }, written);
  // The event is among the dead letters. If it were taken now, it would arrive twice once it is sent again from there.
  if (hook && (await parts.setAside.has(hook.queueId, hook.seq))) return refuse(SET_ASIDE);
  const isRepeat = conversation.visitor?.seen.hasCommand(commandId) === true;
  if (settings?.removing && !isRepeat) return refuse(BEING_REMOVED);
  if (hook && !isRepeat) {
    const isQuestion = written.kind === 'question';
    const at = Date.parse(event.at);
    const charge = parts.budgets.charge(operator.tenant, operator.name, isQuestion, at);
    if (charge === 'first') return refuse(TOO_FAST);
    if (charge === 'over') {
      giveBack(parts, event, 'policy-violation', `Not delivered: ${TOO_FAST}.`);
      return false;
    }
  }
  if (isBlank(body)) return refuse('there is nothing to read in it');
  try {
    if (written.kind !== 'message') {
      if (replaces !== undefined && hasMessage(conversation, replaces))
        return refuse(KEEPS_MESSAGE);
      const origin = { messageId, commandId, hook, ...said, receipt, markable };
      await parts.carryOut(written, place, origin);
      return written.kind === 'canned' && written.do === 'use';
    }
    if (!visitor) {
      await sendToOperator(parts, operator, askDesk(messageId), { commandId, hook, ...said });
      return false;
    }
    const unshown = UNSUPPORTED.get(unreadable(body) ?? '');
    if (unshown !== undefined) return refuse(unshown);
    const words = isAction(written.body)
      ? withoutAction(written.body, await parts.operatorName(operator))
      : written.body;
    const onlyChat = onlyChatOf(visitor.name);
    const command: VisitorCommand = {
      type: 'ReceiveOperatorMessage',
      operator: operator.name,
      messageId,
      body: `${quoted}${words}`,
      receipt,
      markable,
      ...(replaces !== undefined && { replaces }),
      ...(replyTo !== undefined && { reply: { to: replyTo, plain: words } }),
      ...(onlyChat !== null && { onlyChat }),
    };
    await sendToVisitor(parts, visitor, command, { commandId, hook, ...said });
    return true;
  } catch (error) {
    if (!isRejected(error)) throw error;
    return refuse(error.message);
  }
}

/** The text is a command, or not, by where it was written. */
const writtenIn = (
  { visitor }: Pick<CommandPlace, 'visitor'>,
  body: string,
  tenant?: Tenant,
): Written =>
  readWritten(body, tenant ? lhcCommandsOf(tenant) : [], visitor ? 'conversation' : 'desk');

/** A text to the desk that is no command: a line explains the desk. */
const askDesk = (messageId: string): OperatorCommand => ({
  type: 'AskQuestion',
  visitor: null,
  messageId,
  command: 'desk',
  argument: null,
});

/** The quotation before a reply, and the text itself, as the client says where it is (XEP-0461). */
function splitReply(
  sent: string,
  { replyTo, quote }: WebhookEventOf<'message'>,
): { quotation: string; own: string } {
  const whole = { quotation: '', own: sent };
  // In the middle of a text it is no quotation before a reply, and people read it as a part of the text.
  if (replyTo === undefined || quote?.[0] !== 0) return whole;
  const characters = [...sent]; // XEP-0426 counts characters of Unicode
  const own = characters.slice(quote[1]).join('');
  return isBlank(own) ? whole : { quotation: characters.slice(0, quote[1]).join(''), own };
}

/** True if this operator's message with this id is with the visitor. */
function hasMessage({ place, visitor }: Conversation, id: string): boolean {
  const known = visitor && writtenMessage(visitor.context, id);
  return known?.operator === place.operator.name && known.retracted === undefined;
}

/** Refuses a message or a command, with a reason for its sender. @returns false: LHC does not get it */
const refusal =
  (
    parts: MessageParts,
    { operator, visitor }: CommandPlace,
    messageId: string,
    origin: Partial<Origin>,
    written: Written,
  ) =>
  async (reason: string): Promise<false> => {
    const command: OperatorCommand = {
      type: 'RefuseMessage',
      visitor: visitor?.name ?? null,
      messageId,
      reason,
      ...(written.kind !== 'message' && { command: nameOf(written) }),
    };
    await sendToOperator(parts, operator, command, origin);
    return false;
  };

/** Content that no visitor can be shown: the operator reads why. */
export async function handleUnsupported(
  parts: MessageParts,
  event: WebhookEventOf<'unsupported'>,
): Promise<void> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return;
  const { place, operator: state } = conversation;
  const { operator, visitor } = place;
  const { id: messageId, what, at } = event;
  const commandId = commandIdOf(place, event);
  const said = saidBy(parts, place, event, what);
  if (state.seen.hasCommand(commandId) || isSaidAgain(conversation, said)) return;
  const charge = parts.budgets.charge(operator.tenant, operator.name, false, Date.parse(at));
  const unshown = visitor ? (UNSUPPORTED.get(what) ?? UNSUPPORTED_OTHER) : UNSUPPORTED_AT_DESK;
  if (charge === 'over') {
    return giveBack(parts, event, 'policy-violation', `Not delivered: ${unshown}.`);
  }
  const reason = charge === 'first' ? TOO_FAST : unshown;
  const command: OperatorCommand = {
    type: 'RefuseMessage',
    visitor: visitor?.name ?? null,
    messageId,
    reason,
    ...(what === RETRACTION && { retraction: true }),
  };
  await sendToOperator(parts, operator, command, { commandId, ...said });
}

/** What a client sends about an earlier message: it takes it back, or reacts to it. */
export async function handleAboutMessage(
  parts: MessageParts,
  event: WebhookEventOf<'retraction' | 'reaction'>,
): Promise<void> {
  const conversation = await conversationOf(parts, event);
  if (!conversation) return;
  const { place, operator: state } = conversation;
  const { operator, visitor } = place;
  const { id: messageId, at } = event;
  const isRetraction = event.type === RETRACTION;
  const commandId = commandIdOf(place, event);
  const hook = { queueId: event.queueId, seq: event.seq };
  const about = isRetraction
    ? ['retracts', event.retracts]
    : ['reacts', event.reactsTo, event.reactions];
  const said = saidBy(parts, place, event, JSON.stringify(about));
  if (state.seen.hasCommand(commandId) || isSaidAgain(conversation, said)) return;
  const refuse = (reason: string) =>
    sendToOperator(
      parts,
      operator,
      {
        type: 'RefuseMessage',
        visitor: visitor?.name ?? null,
        messageId,
        reason,
        ...(isRetraction && { retraction: true as const }),
      },
      { commandId, ...said },
    );
  if (!conversation.visitor?.seen.hasCommand(commandId)) {
    const charge = parts.budgets.charge(operator.tenant, operator.name, false, Date.parse(at));
    if (charge === 'over') {
      return giveBack(parts, event, 'policy-violation', `Not delivered: ${TOO_FAST}.`);
    }
    if (charge === 'first') return void (await refuse(TOO_FAST));
  }
  if (!visitor) return void (await refuse(UNSUPPORTED_AT_DESK));
  const command = commandAbout(parts, operator, event);
  if (command === null) return;
  if (typeof command === 'string') return void (await refuse(command));
  try {
    await sendToVisitor(parts, visitor, command, { commandId, hook, ...said });
  } catch (error) {
    if (!isRejected(error)) throw error;
    await refuse(error.message);
  }
}

/** @returns the command; a text if it is refused; null if there is nothing to do */
function commandAbout(
  { tenants }: MessageParts,
  { tenant, name: operator }: Ends['operator'],
  event: WebhookEventOf<'retraction' | 'reaction'>,
): VisitorCommand | string | null {
  const settings = tenants.get(tenant);
  if (settings?.removing) return BEING_REMOVED;
  // LHC's REST API and its older extension can neither remove a message nor show a reaction.
  const isAble = settings?.callbackFlavour === 'native';
  if (event.type === RETRACTION) {
    if (!isAble) return UNSUPPORTED.get(RETRACTION) ?? UNSUPPORTED_OTHER;
    return { type: 'RetractOperatorMessage', operator, messageId: event.retracts };
  }
  const reactions = emojisIn(event.reactions);
  if (!isAble || (reactions.length === 0 && event.reactions.length > 0)) {
    if (event.reactions.length === 0) return null; // they were never shown
    return isAble ? 'visitors can be shown emojis alone' : (UNSUPPORTED.get('reaction') ?? null);
  }
  return { type: 'ReactToMessage', operator, messageId: event.reactsTo, reactions };
}

/** A person sends a message again, out of order. */
export async function sendAgain(
  parts: MessageParts,
  event: WebhookEventOf<'message'>,
  commandId: string,
): Promise<void> {
  const ends = endsOf(parts, event);
  const operator = ends && (await registeredOperator(parts, ends.operator));
  const visitor = ends && (await knownVisitor(parts, ends.visitor));
  if (!operator) throw new AppError('refused', 'its sender is not a registered operator');
  if (!visitor) throw new AppError('refused', 'its receiver is not known');
  // It was carried out after all, after it had been given up.
  if (visitor.seen.hasCommand(commandIdOf(ends, event))) return;
  await handleMessage(parts, event, { commandId });
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
