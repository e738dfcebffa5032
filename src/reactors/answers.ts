/** What the service answers an operator in a conversation: to questions, to commands, to what was refused. */
import type { Username, VisitorKey } from '../actors/ids.ts';
import type { OperatorFact } from '../actors/operator.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { VisitorFact } from '../actors/visitor-facts.ts';
import type { EventStore } from '../eventstore/port.ts';
import type { ActorHost } from '../runtime/host.ts';
import type { Notice } from './notices.ts';
import type { PersonalData } from './personal.ts';

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

export function createAnswers(_options: {
  host: ActorHost;
  store: EventStore;
  personal: PersonalData;
  now: () => number;
}): Answers {
  return {
    async answerTo(_tenant, _username, fact) {
      if (fact.type !== 'MessageRefused') return null;
      const { visitor, command, reason } = fact.data;
      const what = command === undefined ? 'Not delivered' : `!${command}`;
      return { visitor: visitor as VisitorKey, texts: [`${what}: ${reason}.`] }; // parsed when it came in
    },
    async confirmationsOf(_tenant, fact) {
      if (fact.type === 'NoteAdded') {
        return [{ to: fact.data.operator, text: `Noted in chat #${fact.data.chatId}.` }];
      }
      return [];
    },
  };
}
