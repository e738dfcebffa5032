/** What the service answers an operator in a conversation: to questions, to commands, to what was refused. */
import type { Username, VisitorKey } from '../../actors/ids.ts';
import type { OperatorFact, OperatorFacts } from '../../actors/operator/machine.ts';
import { lhcCommandsOf } from '../../actors/tenant/lhc-commands.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import type { VisitorFact } from '../../actors/visitor/facts.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { COMMANDS, HISTORY, UNKNOWN } from '../../inbox/written/read.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Notice } from '../conversation/notices.ts';
import type { PersonalData } from '../personal.ts';
import { createHistory } from './history.ts';
import { createInfo } from './info.ts';

/** Said in the conversation with this visitor; long ones in several messages. */
export interface Answer {
  readonly visitor: VisitorKey;
  readonly texts: readonly string[];
}

export interface Answers {
  /** Of a fact of the operator; null: it is no question. */
  answerTo(tenant: TenantSettings, username: Username, fact: OperatorFact): Promise<Answer | null>;
  /** Of a fact of a visitor that an operator wished: that it was done. */
  confirmationsOf(tenant: TenantSettings, fact: VisitorFact): Promise<readonly Notice[]>;
}

const ON_PURPOSE = 'To send a text that begins with !, write !! instead.';

export function createAnswers(options: {
  actors: Actors;
  store: Pick<EventStore, 'readStream'>;
  personal: PersonalData;
  now: () => number;
}): Answers {
  const infoOf = createInfo(options);
  const historyOf = createHistory(options);

  async function textsFor(
    tenant: TenantSettings,
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
        return [notKnown(command === UNKNOWN ? argument : null)];
    }
  }

  return {
    async answerTo(tenant, _username, fact) {
      switch (fact.type) {
        case 'QuestionAsked':
          return answer(fact, await textsFor(tenant, fact.data));
        case 'AvailabilitySet':
          return answer(fact, [availability(fact.data)]);
        case 'MessageRefused': {
          const { command, reason } = fact.data;
          const what = command === undefined ? 'Not delivered' : `!${command}`;
          return answer(fact, [`${what}: ${sentence(reason)}`]);
        }
        default:
          return null;
      }
    },
    async confirmationsOf(_tenant, fact) {
      switch (fact.type) {
        case 'NoteAdded': {
          const { operator: to, chatId } = fact.data;
          return [{ to, text: `Noted in chat #${chatId}; the visitor does not see it.` }];
        }
        case 'OperatorCommandSent': {
          const { operator: to, command } = fact.data;
          return [{ to, text: `!${command} was passed on to LHC.` }];
        }
        default:
          return [];
      }
    },
  };
}

const answer = (fact: { data: { visitor: VisitorKey } }, texts: readonly string[]): Answer => ({
  visitor: fact.data.visitor,
  texts,
});

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** @param meant the known command that is near to what was written */
function notKnown(meant: string | null): string {
  const perhaps = meant === null ? '' : ` Did you mean !${meant}?`;
  return `Nothing was sent: what begins with ! is a command, and this one is not known.${perhaps} !help lists them. ${ON_PURPOSE}`;
}

function availability({ away, availability: { to } }: OperatorFacts['AvailabilitySet']): string {
  if (away) return 'You get no new chats until !back. Chats that you have stay yours.';
  if (to === 'available') return 'You get new chats again.';
  return `You get new chats again as soon as your client shows you as available; now you are ${to}.`;
}

/** @param topic one command; null: all of them */
function helpOn(tenant: TenantSettings, topic: string | null): string {
  const one = COMMANDS.find(({ name }) => name === topic);
  if (one) return `${one.usage}: ${one.does}`;
  if (topic !== null) return `!${topic} is one of LHC's own commands and is passed on to it.`;
  const ours = new Set(COMMANDS.map(({ name }) => name));
  const theirs = lhcCommandsOf(tenant).filter((name) => !ours.has(name));
  return [
    'Commands, which the visitor never sees:',
    ...COMMANDS.map(({ usage, does }) => `${usage}: ${does}`),
    '!!text: sends "!text" to the visitor',
    ...(theirs.length > 0
      ? [`Passed on to LHC: ${theirs.map((name) => `!${name}`).join(' ')}`]
      : []),
  ].join('\n');
}
