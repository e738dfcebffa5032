/**
 * What the service writes to an operator by itself, in a conversation or from the desk: answers to questions,
 * confirmations of commands, and the reasons of refusals. `!info`, `!history`, and what is asked about the team have a
 * file each.
 */
import { type TenantId, type Username, type VisitorKey, visitorJid } from '../../actors/ids.ts';
import type { OperatorFact, OperatorFacts } from '../../actors/operator/machine.ts';
import { lhcCommandsOf } from '../../actors/tenant/lhc-commands.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import { SOMEBODY_IN_LHC } from '../../actors/visitor/open-chat.ts';
import type { EventStore, Position } from '../../eventstore/port.ts';
import { ALL, COMMANDS, HISTORY, type Place, UNKNOWN } from '../../inbox/operator-commands/read.ts';
import type { CannedTextStore, TeamReading } from '../../runtime/desk-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { asSubject } from '../texts/in-lhc.ts';
import { withNames } from '../texts/names.ts';
import { confirmationsOf, type Notice } from '../texts/notices.ts';
import { visitorAs } from '../texts/presence-text.ts';
import { createHistory, NO_MESSAGES } from './history.ts';
import { createInfo } from './info.ts';
import { andMore, createTeamAnswers, shortened } from './team.ts';

/** Messages in the conversation with this visitor, or from the desk (null). A long answer has several. */
export interface Answer {
  readonly visitor: VisitorKey | null;
  readonly texts: readonly string[];
}

export interface Answers {
  /**
   * The answer to a fact of an operator; null if the fact calls for none.
   * @param position of the fact: answers about the team know what was done before
   */
  answerTo(
    tenant: Tenant,
    username: Username,
    fact: OperatorFact,
    position?: Position,
  ): Promise<Answer | null>;
  /** The answer to a question that is no fact: by a form of the client (XEP-0050). */
  textsFor(tenant: Tenant, username: Username, question: Question): Promise<readonly string[]>;
  /** The last messages before this revision of the visitor's stream, as `!history` has them; none if there are none. */
  saidBefore(tenant: TenantId, visitor: VisitorKey, revision: number): Promise<readonly string[]>;
  /** Confirms a command of an operator by the visitor's fact that it caused. */
  confirmationsOf(tenant: Tenant, fact: VisitorFact): Promise<readonly Notice[]>;
}

/** What an operator wants to know, and where they ask. */
export type Question = Pick<
  OperatorFacts['QuestionAsked'],
  'visitor' | 'command' | 'argument' | 'visitors' | 'more'
>;

/** Canned texts in one answer. */
export const CANNED_MAX_LINES = 20;

const ESCAPE_HINT = 'To send a text that begins with !, write !! instead.';

export function createAnswers(options: {
  actors: Pick<Actors, 'visitor'>;
  store: Pick<EventStore, 'readStream'>;
  personal: PersonalData;
  names: Pick<OperatorNames, 'of'>;
  team: TeamReading;
  canned: CannedTextStore;
  now: () => number;
}): Answers {
  const { team, canned } = options;
  const infoOf = createInfo(options);
  const historyOf = createHistory(options);
  const teamAnswers = createTeamAnswers(options);

  /** The reason of a refusal with people's names: it stands in a fact, which has none. */
  async function named(tenant: Tenant, key: VisitorKey | null, reason: string): Promise<string> {
    const { of: nameOf } = await options.names.of(tenant.id);
    const text = withNames(reason, nameOf);
    if (key === null || !text.startsWith(SOMEBODY_IN_LHC)) return text;
    const state = await options.actors.visitor(tenant.id, key).state();
    const person = state && (await options.personal.ownerInLhc(tenant.id, key, state, nameOf));
    return person ? text.replace(SOMEBODY_IN_LHC, asSubject(person)) : text;
  }

  async function nameOfVisitor(tenant: Tenant, key: VisitorKey): Promise<string> {
    const state = await options.actors.visitor(tenant.id, key).state();
    const known = state && (await options.personal.profileOf(tenant.id, key, state));
    return shortened(visitorAs(key, known?.profile ?? {}));
  }

  /** `argument`: null for the list; otherwise what was done with which text. */
  async function aboutCanned(
    tenant: Tenant,
    { visitor, argument }: Question,
  ): Promise<readonly string[]> {
    const [what, name = ''] = argument?.split(' ') ?? [];
    switch (what) {
      case 'add':
        return [`The canned text ${name} is saved. In a conversation !canned ${name} sends it.`];
      case 'remove':
        return [`The canned text ${name} is removed.`];
      case 'use':
        return [`The canned text ${name} was sent to the visitor.`];
      default:
        return cannedList(tenant, visitor === null);
    }
  }

  async function cannedList(tenant: Tenant, isDesk: boolean): Promise<readonly string[]> {
    const all = await canned.names(tenant.id);
    const add = 'To save one: !canned add NAME TEXT';
    if (all.length === 0) return [`Your team has no canned texts. ${add}`];
    const shown = all.slice(0, CANNED_MAX_LINES);
    const texts = await Promise.all(shown.map((name) => canned.get(tenant.id, name)));
    const use = isDesk ? 'In a conversation !canned NAME sends one.' : '!canned NAME sends one.';
    return [
      ...texts.flatMap((each) => (each ? [`${each.name}: ${shortened(each.text)}`] : [])),
      ...andMore({ more: all.length - shown.length }),
      `${use} ${add}`,
    ];
  }

  /** `argument` is `sent`, or the visitors fit and one has to be chosen. */
  async function aboutInvitation(
    tenant: Tenant,
    { argument, visitors = [], more = 0 }: Question,
  ): Promise<readonly string[]> {
    const found = await Promise.all(
      visitors.map(async (key) => ({ key, name: await nameOfVisitor(tenant, key) })),
    );
    if (argument !== null) {
      return found.map(
        ({ key, name }) =>
          `${name} has your invitation. The conversation with them: xmpp:${visitorJid(tenant, key)}`,
      );
    }
    return [
      found.length > 1
        ? 'Several visitors fit. Nobody was invited. Write it again with one of these:'
        : 'This visitor may be meant. Nobody was invited. Write it again so:',
      ...found.map(({ key, name }) => `!invite ${key} TEXT: ${name}`),
      ...andMore({ more }),
    ];
  }

  async function linesFor(
    tenant: Tenant,
    username: Username,
    question: Question,
  ): Promise<readonly string[]> {
    const { visitor, command, argument } = question;
    switch (command) {
      case 'who':
        return teamAnswers.who(tenant, username);
      case 'queue':
        return teamAnswers.queue(tenant);
      case 'stats':
        return teamAnswers.stats(tenant, username);
      case 'canned':
        return aboutCanned(tenant, question);
      case 'invite':
        return aboutInvitation(tenant, question);
      case 'help':
        return [helpOn(tenant, argument, visitor === null ? 'desk' : 'conversation')];
      case 'desk':
        return [DESK_HINT];
      default: {
        const similar = command === UNKNOWN ? argument : null;
        return [visitor === null ? unknownAtDesk(similar) : unknownCommand(similar)];
      }
    }
  }

  async function textsFor(
    tenant: Tenant,
    username: Username,
    question: Question,
  ): Promise<readonly string[]> {
    const { visitor, command, argument } = question;
    if (visitor !== null && command === 'info') return [await infoOf(tenant.id, visitor)];
    if (visitor !== null && command === 'history') {
      return historyOf(tenant.id, visitor, Number(argument ?? HISTORY.usual));
    }
    return [(await linesFor(tenant, username, question)).join('\n')];
  }

  return {
    textsFor,
    async saidBefore(tenant, visitor, revision) {
      const texts = await historyOf(tenant, visitor, HISTORY.usual, revision);
      return texts[0] === NO_MESSAGES ? [] : texts;
    },
    async answerTo(tenant, username, fact, position) {
      switch (fact.type) {
        case 'QuestionAsked': {
          const { visitor, command } = fact.data;
          if (position && OF_ROWS.has(command)) await team.reach(position);
          return { visitor, texts: await textsFor(tenant, username, fact.data) };
        }
        case 'AvailabilitySet':
          return { visitor: fact.data.visitor, texts: [availability(tenant, fact.data)] };
        case 'MessageRefused': {
          const { visitor, command, retraction, reason } = fact.data;
          const notDelivered = visitor === null ? 'Not understood' : 'Not delivered';
          const message = retraction ? 'Not taken back' : notDelivered;
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

/** Questions whose answers are in the read models. */
const OF_ROWS: ReadonlySet<string> = new Set(['who', 'queue', 'stats']);

const DESK_HINT =
  'This is the front desk of the service. It reads commands alone, and nobody else reads what you write here. !help lists the commands. To write to a visitor, write to their own contact.';

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** @param similar a known command with a similar name */
function unknownCommand(similar: string | null): string {
  const suggestion = similar === null ? '' : ` Did you mean !${similar}?`;
  return `Nothing was sent. A text that begins with ! is a command, and this command is unknown.${suggestion} !help all lists all commands. ${ESCAPE_HINT}`;
}

function unknownAtDesk(similar: string | null): string {
  const suggestion = similar === null ? '' : ` Did you mean !${similar}?`;
  return `This command is unknown.${suggestion} !help lists the commands of the front desk.`;
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
function helpOn(tenant: Tenant, topic: string | null, place: Place): string {
  if (place === 'desk' && (topic === null || topic === ALL)) return deskHelp();
  if (topic === null) return shortHelp(tenant);
  if (topic === ALL) return longHelp(tenant);
  const command = COMMANDS.find(({ name }) => name === topic);
  return command ? lineOf(command) : `!${topic} is a command of LHC and is passed on to LHC.`;
}

/** What the desk does, in a conversation about no one. */
const deskHelp = (): string =>
  [
    'Commands of the front desk:',
    ...COMMANDS.filter(({ only }) => only !== 'conversation').map(lineOf),
    'In the conversation with a visitor there are more: write !help there.',
  ].join('\n');

const lineOf = ({ usage, does }: (typeof COMMANDS)[number]): string => `${usage}: ${does}`;

/** What LHC has no form for where it picks the operators itself (docs/adr/0037). */
const NOT_BY_LHC: ReadonlySet<string> = new Set(['take', 'decline', 'transfer', 'room']);

const commandsOf = ({ routing }: Tenant) =>
  COMMANDS.filter(
    ({ name, only }) => only !== 'desk' && !(routing.by === 'lhc' && NOT_BY_LHC.has(name)),
  );

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
