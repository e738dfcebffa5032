/**
 * What the service writes to an operator in a conversation by itself: answers to questions, confirmations of commands,
 * and the reasons of refusals. `!info` and `!history` have a file each.
 */
import type { Username, VisitorKey } from '../../actors/ids.ts';
import type { OperatorFact, OperatorFacts } from '../../actors/operator/machine.ts';
import { lhcCommandsOf } from '../../actors/tenant/lhc-commands.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import { SOMEBODY_IN_LHC } from '../../actors/visitor/open-chat.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { ALL, COMMANDS, HISTORY, UNKNOWN } from '../../inbox/operator-commands/read.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { asSubject } from '../texts/in-lhc.ts';
import { withNames } from '../texts/names.ts';
import { confirmationsOf, type Notice } from '../texts/notices.ts';
import { createHistory } from './history.ts';
import { createInfo } from './info.ts';

/** Messages in the conversation with this visitor. A long answer has several. */
export interface Answer {
  readonly visitor: VisitorKey;
  readonly texts: readonly string[];
}

export interface Answers {
  /** The answer to a fact of an operator; null if the fact calls for none. */
  answerTo(tenant: Tenant, username: Username, fact: OperatorFact): Promise<Answer | null>;
  /** Confirms a command of an operator by the visitor's fact that it caused. */
  confirmationsOf(tenant: Tenant, fact: VisitorFact): Promise<readonly Notice[]>;
}

const ESCAPE_HINT = 'To send a text that begins with !, write !! instead.';

export function createAnswers(options: {
  actors: Pick<Actors, 'visitor'>;
  store: Pick<EventStore, 'readStream'>;
  personal: PersonalData;
  names: Pick<OperatorNames, 'of'>;
  now: () => number;
}): Answers {
  const infoOf = createInfo(options);
  const historyOf = createHistory(options);

  /** The reason of a refusal with people's names: it stands in a fact, which has none. */
  async function named(tenant: Tenant, key: VisitorKey, reason: string): Promise<string> {
    const { of: nameOf } = await options.names.of(tenant.id);
    const text = withNames(reason, nameOf);
    if (!text.startsWith(SOMEBODY_IN_LHC)) return text;
    const state = await options.actors.visitor(tenant.id, key).state();
    const person = state && (await options.personal.ownerInLhc(tenant.id, key, state, nameOf));
    return person ? text.replace(SOMEBODY_IN_LHC, asSubject(person)) : text;
  }

  async function textsFor(
    tenant: Tenant,
    { visitor, command, argument }: OperatorFacts['QuestionAsked'],
  ): Promise<readonly string[]> {
    switch (command) {
      case 'info':
        return [await infoOf(tenant.id, visitor)];
      case 'history':
        return historyOf(tenant.id, visitor, Number(argument ?? HISTORY.usual));
      case 'help':
        return [helpOn(tenant, argument)];
      default:
        return [unknownCommand(command === UNKNOWN ? argument : null)];
    }
  }

  return {
    async answerTo(tenant, _username, fact) {
      switch (fact.type) {
        case 'QuestionAsked':
          return { visitor: fact.data.visitor, texts: await textsFor(tenant, fact.data) };
        case 'AvailabilitySet':
          return { visitor: fact.data.visitor, texts: [availability(tenant, fact.data)] };
        case 'MessageRefused': {
          const { visitor, command, retraction, reason } = fact.data;
          const message = retraction ? 'Not taken back' : 'Not delivered';
          const what = command === undefined ? message : `!${command}`;
          return { visitor, texts: [`${what}: ${sentence(await named(tenant, visitor, reason))}`] };
        }
        default:
          return null;
      }
    },
    confirmationsOf: async (_tenant, fact) => confirmationsOf(fact),
  };
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** @param similar a known command with a similar name */
function unknownCommand(similar: string | null): string {
  const suggestion = similar === null ? '' : ` Did you mean !${similar}?`;
  return `Nothing was sent. A text that begins with ! is a command, and this command is unknown.${suggestion} !help all lists all commands. ${ESCAPE_HINT}`;
}

function availability(
  { routing }: Tenant,
  { away, availability: { to } }: OperatorFacts['AvailabilitySet'],
): string {
  if (routing.by === 'lhc') {
    return `You are shown as ${to}. LHC picks the operators of its chats itself, and may send you new ones all the same.`;
  }
  if (away) return 'You get no new chats until you write !back. You keep your open chats.';
  if (to === 'available') return 'You get new chats again.';
  return `You get new chats again as soon as your client shows you as available. Now you are ${to}. Of several clients the one with the highest priority counts.`;
}

/** @param topic one command, or {@link ALL}; null for the commonest */
function helpOn(tenant: Tenant, topic: string | null): string {
  if (topic === null) return shortHelp(tenant);
  if (topic === ALL) return longHelp(tenant);
  const command = COMMANDS.find(({ name }) => name === topic);
  return command ? lineOf(command) : `!${topic} is a command of LHC and is passed on to LHC.`;
}

const lineOf = ({ usage, does }: (typeof COMMANDS)[number]): string => `${usage}: ${does}`;

/** What LHC has no form for where it picks the operators itself (docs/adr/0037). */
const NOT_BY_LHC: ReadonlySet<string> = new Set(['take', 'decline', 'transfer']);

const commandsOf = ({ routing }: Tenant) =>
  routing.by === 'lhc' ? COMMANDS.filter(({ name }) => !NOT_BY_LHC.has(name)) : COMMANDS;

/** It fits on the screen of a phone. */
const shortHelp = (tenant: Tenant): string =>
  [
    ...commandsOf(tenant)
      .filter(({ common }) => common)
      .map(lineOf),
    '!help all: all commands, !help COMMAND: one of them. The visitor sees none.',
  ].join('\n');

function longHelp(tenant: Tenant): string {
  const ours = new Set(COMMANDS.map(({ name }) => name));
  const theirs = lhcCommandsOf(tenant).filter((name) => !ours.has(name));
  return [
    'Commands. The visitor never sees them.',
    ...commandsOf(tenant).map(lineOf),
    '!!text: sends "!text" to the visitor',
    ...(theirs.length > 0
      ? [`Passed on to LHC: ${theirs.map((name) => `!${name}`).join(' ')}`]
      : []),
  ].join('\n');
}
