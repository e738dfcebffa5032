/**
 * What LHC says in its answer to a callback beside taking it: it refuses, or it has something to tell the operator. The
 * answer becomes a fact of the visitor, with an id of the callback's fact: a callback that comes again, after a crash, is
 * answered with the same, and the operator reads it once.
 */
import { visitorFact } from '../../actors/facts.ts';
import { actorOf, type Username } from '../../actors/ids.ts';
import type { RefusedByLhc, VisitorFact } from '../../actors/visitor/facts.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { InWords, Said } from '../../lhc/callback-answer.ts';
import type { Done, RefusalCode } from '../../lhc/callback-types.ts';
import type { Actors } from '../../runtime/ports.ts';

/** What an operator has written, in a fact. `command` without its `!`. */
export interface Written {
  readonly operator: Username;
  readonly messageId: string;
  readonly command?: string;
}

/** The operator's words in this fact; null if it has none. */
export function writtenIn(event: RecordedEvent): Written | null {
  const fact = visitorFact(event);
  switch (fact?.type) {
    case 'OperatorMessageReceived':
      return { operator: fact.data.operator, messageId: fact.data.messageId };
    case 'OperatorCommandSent': {
      const { operator, messageId, command } = fact.data;
      return { operator, messageId, command };
    }
    case 'NoteAdded':
      return { operator: fact.data.operator, messageId: fact.data.noteId, command: 'note' };
    default:
      return null;
  }
}

/** What an operator has taken back, in a fact; null if it has none. */
export function retractionIn(event: RecordedEvent): (Written & { retraction: true }) | null {
  const fact = visitorFact(event);
  if (fact?.type !== 'OperatorMessageRetracted') return null;
  const { operator, messageId } = fact.data;
  return { operator, messageId, retraction: true };
}

/** An operator's deed in a fact, and who it is. */
interface Deed {
  readonly operator: Username;
  readonly refused: RefusedByLhc;
}

const DONE: Done = 'done';
/** LHC has not said that it has done it. */
const UNCONFIRMED: RefusalCode = 'not-possible';

/** A chat that LHC does not have any more cannot be closed there, and need not be. */
const OVER: ReadonlySet<string> = new Set<RefusalCode>([
  'chat-ended',
  'chat-unknown',
  'visitor-unknown',
]);

/** What an operator did by this fact, if LHC's refusal of it is news to them. What nobody did is nobody's to hear. */
function deedOf(event: RecordedEvent, fact: VisitorFact, code: string): Deed | null {
  const written = writtenIn(event);
  if (written) {
    const { operator, ...refused } = written;
    return { operator, refused };
  }
  switch (fact.type) {
    case 'OperatorMessageRetracted':
      return { operator: fact.data.operator, refused: { change: 'retract' } };
    case 'MessageReacted':
      return { operator: fact.data.operator, refused: { change: 'react' } };
    case 'ChatAccepted':
      return { operator: fact.data.operator, refused: { change: 'accept' } };
    case 'ChatTransferred': {
      const { by, from, operator, taken } = fact.data;
      const who = taken ? operator : from;
      return by === 'operator' && who ? { operator: who, refused: { change: 'transfer' } } : null;
    }
    case 'ChatClosed': {
      const { by, operator } = fact.data;
      const isNews = by === 'operator' && !OVER.has(code);
      return isNews && operator ? { operator, refused: { change: 'close' } } : null;
    }
    default:
      return null;
  }
}

/** LHC's refusal; null if it has done what it was told. Older receivers accept without doing it. */
function refusalIn(fact: VisitorFact, answer: Said): InWords | null {
  if (answer.outcome === 'refused') return answer.refusal;
  const needsWord = fact.type === 'OperatorMessageRetracted' || fact.type === 'MessageReacted';
  return needsWord && answer.notice?.code !== DONE ? { code: UNCONFIRMED, text: null } : null;
}

/**
 * Writes down what LHC has answered to the callback of a fact. A client that asked for a receipt (XEP-0184) gets it for a
 * message that LHC has accepted. May be called again for the same fact.
 */
export async function reportAnswer(
  actors: Pick<Actors, 'visitor'>,
  event: RecordedEvent,
  answer: Said,
): Promise<void> {
  const actor = actorOf(event.stream);
  const fact = visitorFact(event);
  if (actor?.kind !== 'visitor' || !fact) return;
  const visitor = actors.visitor(actor.tenant, actor.name);
  const originOf = (what: string) => ({ commandId: `${what}:${event.id}` });
  const refusal = refusalIn(fact, answer);
  if (refusal) {
    const { code, text } = refusal;
    const deed = deedOf(event, fact, code);
    if (!deed) return;
    const chatId = 'chatId' in fact.data ? (fact.data.chatId ?? null) : null;
    const invites = fact.type === 'OperatorMessageReceived' && fact.data.invites === true;
    const { revision } = event;
    const report = {
      type: 'ReportLhcRefusal',
      ...deed,
      revision,
      chatId,
      code,
      text,
      invites,
    } as const;
    await visitor.send(report, originOf('refused'));
    return;
  }
  if (answer.outcome === 'refused') return;
  if (fact.type === 'OperatorMessageReceived' && fact.data.receipt) {
    const { operator, messageId } = fact.data;
    const report = { type: 'ReportOperatorMessageAccepted', operator, messageId } as const;
    await visitor.send(report, originOf('accepted'));
  }
  const { notice } = answer;
  if (notice?.code === DONE) return;
  const reader = notice && deedOf(event, fact, '')?.operator;
  if (!reader) return;
  const { code, text } = notice;
  const said = { type: 'AnswerOperator', operator: reader, text, notice: code } as const;
  await visitor.send(said, originOf('noticed'));
}
