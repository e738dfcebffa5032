/** Carries out a command that an operator wrote in a conversation, or refuses it with a reason for the operator. */
import {
  type Person,
  personOf,
  type TenantId,
  type Username,
  type VisitorKey,
} from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { CannedTextStore, TeamReading } from '../../runtime/desk-ports.ts';
import type { Actors, Receiver, Transfer } from '../../runtime/ports.ts';
import { type CommandOrigin, originOf, withoutNumber } from './origin.ts';
import type { Written } from './read.ts';
import { invite, readable, sendCanned } from './sent-words.ts';
import { whomOf } from './whom.ts';

export type Command = Exclude<Written, { kind: 'message' }>;

/** The two people of a conversation. */
export interface Ends {
  readonly operator: Extract<Person, { kind: 'operator' }>;
  readonly visitor: Extract<Person, { kind: 'visitor' }>;
}

/** Where an operator writes a command: in the conversation with this visitor, or to the desk (null). */
export interface CommandPlace {
  readonly operator: Ends['operator'];
  readonly visitor: Ends['visitor'] | null;
  /** In the room of the visitor's chat, and not in their conversation. */
  readonly room?: boolean;
}

/** The command's name, as the answer to it has it. */
export const nameOf = (written: Command): string =>
  'command' in written ? written.command : written.kind;

/** Answers to a command that changes nothing. Without them the operator would see no reaction. */
const ALREADY = {
  take: 'you have this chat already',
  decline: 'you have declined this chat already',
} as const;

/**
 * Resolves when the facts are durable. A repeated command id does nothing.
 * @throws {AppError} `refused` with a reason for the operator; `not-found` if the visitor is unknown; and the errors of
 * the actor host
 */
export type CarryOut = (
  written: Command,
  place: CommandPlace,
  origin: CommandOrigin,
) => Promise<void>;

export interface CarryOutOptions {
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly transfer: Transfer;
  readonly team: Pick<TeamReading, 'find'>;
  readonly canned: CannedTextStore;
  /** Registered operators with this username or name, or else with this word in it. */
  readonly colleagues: (tenant: TenantId, name: string) => Promise<readonly Username[]>;
  /** An operator's name as visitors read it; null if none is known. */
  readonly operatorName: (operator: Ends['operator']) => Promise<string | null>;
  /** A visitor's name; null if none is known. */
  readonly visitorName: (visitor: Ends['visitor']) => Promise<string | null>;
}

export function createCarryOut(options: CarryOutOptions): CarryOut {
  return async (written, place, origin) => {
    const { operator, visitor } = place;
    const { messageId } = origin;
    const sent = originOf(origin);
    const by = operator.name;
    const sendToOperator = async (command: OperatorCommand): Promise<void> => {
      await options.actors.operator(operator.tenant, by).send(command, sent);
    };
    const ask = (command: string, argument: string | null, found: Found = {}): Promise<void> =>
      sendToOperator({
        type: 'AskQuestion',
        visitor: visitor?.name ?? null,
        messageId,
        command,
        argument,
        ...found,
      });

    switch (written.kind) {
      case 'availability': {
        const away = written.command === 'away';
        const where = { visitor: visitor?.name ?? null, messageId };
        return sendToOperator({ type: 'SetAvailability', away, ...where });
      }
      case 'question':
        return ask(written.command, written.argument);
      case 'faulty':
        return refuse(written.reason);
      case 'canned': {
        const { name } = written;
        const changed = withoutNumber(origin);
        if (written.do === 'use') await sendCanned(options, name, place, origin);
        else if (written.do === 'remove') {
          await options.canned.remove(operator.tenant, name, by, changed);
        } else await options.canned.save(operator.tenant, written, by, changed);
        return ask('canned', `${written.do} ${written.name}`);
      }
      case 'invite': {
        const found = await whomOf(options, operator.tenant, written.whom);
        if ('visitors' in found) return ask('invite', null, found);
        const words = await readable(options, operator, written.text);
        await invite(options, operator, found.visitor, words, origin);
        return ask('invite', 'sent', { visitors: [found.visitor] });
      }
      default:
        if (!visitor) return refuse('it is about one visitor; write it in their conversation');
        return inConversation(options, written, { ...place, visitor }, origin);
    }
  };
}

type AboutVisitor = Exclude<
  Command,
  { kind: 'availability' | 'question' | 'faulty' | 'canned' | 'invite' }
>;

/** Visitors whom a command meant. */
interface Found {
  readonly visitors?: VisitorKey[];
  readonly more?: number;
}

/** True if this very command was carried out before. */
async function isRepeat(
  { actors }: CarryOutOptions,
  visitor: Ends['visitor'],
  origin: CommandOrigin,
): Promise<boolean> {
  const { commandId, hook, said } = origin;
  const seen = (await actors.visitor(visitor.tenant, visitor.name).state())?.seen;
  if (!seen) return false;
  return (
    seen.hasCommand(commandId) || (!!hook && seen.hasHook(hook)) || (!!said && seen.wasSaid(said))
  );
}

/** The receiver by the name that the operator wrote. The name may be an operator's XMPP address. */
function receiverOf({ tenants }: CarryOutOptions, name: string, { operator }: Ends): Receiver {
  const person = personOf(name, tenants.ofHost);
  return person?.kind === 'operator' && person.tenant === operator.tenant
    ? { operator: person.name }
    : { name };
}

/** Carries out a command about the visitor in whose conversation it was written. */
async function inConversation(
  options: CarryOutOptions,
  written: AboutVisitor,
  ends: Ends & Pick<CommandPlace, 'room'>,
  origin: CommandOrigin,
): Promise<void> {
  const { actors, transfer } = options;
  const { visitor, operator, room = false } = ends;
  const { messageId, replaces } = origin;
  const sent = originOf(origin);
  const by = operator.name;
  const sendToVisitor = (command: VisitorCommand) =>
    actors.visitor(visitor.tenant, visitor.name).send(command, sent);
  switch (written.kind) {
    case 'take':
    case 'decline': {
      const { facts } = await sendToVisitor(
        written.kind === 'take'
          ? { type: 'AcceptChat', operator: by, ...(room && { room }) }
          : { type: 'DeclineChat', operator: by },
      );
      // Without facts the command changed nothing, or it is a repeat.
      if (facts > 0 || (await isRepeat(options, visitor, origin))) return;
      return refuse(ALREADY[written.kind]);
    }
    case 'transfer': {
      const to = receiverOf(options, written.name, ends);
      await transfer(visitor.tenant, visitor.name, { chatId: null, from: by, to }, sent);
      return;
    }
    case 'close': {
      const { reason } = written;
      const command = { type: 'CloseChat', chatId: null, by: 'operator', operator: by } as const;
      await sendToVisitor({ ...command, reason });
      return;
    }
    case 'room': {
      if (written.do === 'close') {
        await sendToVisitor({ type: 'CloseRoom', chatId: null, operator: by });
        return;
      }
      // A repeated command gets its first answer, although somebody may have another name by now.
      if (await isRepeat(options, visitor, origin)) return;
      const operators = await colleaguesOf(options, operator, written.names);
      await sendToVisitor({ type: 'OpenRoom', operator: by, operators });
      return;
    }
    case 'whisper': {
      const { text: body } = written;
      const about = { ...(room && { room }), ...(replaces !== undefined && { replaces }) };
      await sendToVisitor({ type: 'Whisper', operator: by, messageId, body, ...about });
      return;
    }
    case 'note': {
      const { text: body } = written;
      await sendToVisitor({ type: 'AddNote', operator: by, noteId: messageId, body });
      return;
    }
    case 'lhc': {
      const { command, text } = written;
      const wish = { type: 'SendOperatorCommand', operator: by, messageId } as const;
      await sendToVisitor({ ...wish, command, text });
      return;
    }
  }
}

/** Names that a refusal lists. */
const CHOICES_IN_REFUSAL = 10;

/** The colleagues who are meant. @throws {AppError} `refused` if nobody is, or several. It does not repeat what was written */
async function colleaguesOf(
  { colleagues }: CarryOutOptions,
  { tenant, name: by }: Ends['operator'],
  names: readonly string[],
): Promise<Username[]> {
  const meant: Username[] = [];
  for (const [index, name] of names.entries()) {
    const found = await colleagues(tenant, name);
    const others = found.filter((each) => each !== by);
    const [one, ...more] = others.length > 0 ? others : found;
    if (!one) return refuse(`nobody is called like name ${index + 1}; !who lists your colleagues`);
    if (more.length > 0) {
      const who = others.slice(0, CHOICES_IN_REFUSAL).map((each) => `@${each} (${each})`);
      return refuse(`several are called like name ${index + 1}: ${who.join(', ')}`);
    }
    if (!meant.includes(one)) meant.push(one);
  }
  return meant;
}
