/** Whom LHC addressed with a visitor's messages, where LHC picks the operators itself (docs/adr/0037). */
import type { Username } from '../ids.ts';
import type { Of, VisitorEvent } from './facts.ts';
import type { AddressedMessage, Copy, Picked, VisitorContext } from './state.ts';

/**
 * LHC sends one message to several operators as so many calls, without an id. The same text for another operator within this
 * time of the last call is the same message. A call lasts 5 s at most, and then LHC makes the next one.
 */
export const SAME_MESSAGE_MS = 10_000;
/** The same text is looked for among so many last messages of the chat. */
export const ADDRESSED_MAX_MESSAGES = 16;
/** Operators whom LHC may address with one message. */
export const ADDRESSED_MAX_OPERATORS = 100;

/** Without a chat whose operators LHC picks. */
export const NOTHING_ADDRESSED: Pick<VisitorContext, 'addressed' | 'picked'> = {
  addressed: [],
  picked: null,
};

const withOperator = (known: readonly Username[], operator: Username): Username[] =>
  known.includes(operator) ? [...known] : [...known, operator].slice(-ADDRESSED_MAX_OPERATORS);

const copyFor = (operator: Username, opens: true | undefined): Copy => ({
  operator,
  ...(opens && { opens }),
});

/** These messages were shown to an operator who did not get them. */
const shownTo = (messages: readonly AddressedMessage[], operator: Username): AddressedMessage[] =>
  messages.map((message) =>
    message.to.some((copy) => copy.operator === operator)
      ? message
      : { ...message, shown: withOperator(message.shown, operator) },
  );

function sent(
  { addressed, picked }: VisitorContext,
  { data, revision, at }: Of<'VisitorMessageSent'>,
): AddressedMessage[] {
  const { messageId: id, digest = '', to, opens } = data;
  if (to === undefined) return addressed;
  const knowing = picked?.operators ?? [];
  const message = { id, digest, revision, at, to: [copyFor(to, opens)], knowing, shown: [] };
  const before = opens ? shownTo(addressed, to) : addressed;
  return [...before, message].slice(-ADDRESSED_MAX_MESSAGES);
}

/** One more operator has the message. So they know everything before the next one. */
function addressedTo(
  { addressed }: VisitorContext,
  { data: { messageId, operator, opens }, at }: Of<'MessageAddressed'>,
): AddressedMessage[] {
  const index = addressed.findIndex(({ id }) => id === messageId);
  const before = addressed.slice(0, Math.max(index, 0));
  const known = opens ? shownTo(before, operator) : before;
  return [...known, ...addressed.slice(known.length)].map((message, i) => {
    if (i === index) return { ...message, at, to: [...message.to, copyFor(operator, opens)] };
    if (i !== index + 1 || index < 0) return message;
    return { ...message, knowing: withOperator(message.knowing, operator) };
  });
}

function takenBy(
  { addressed }: VisitorContext,
  { data: { messageIds, operator } }: Of<'MessageTaken'>,
): AddressedMessage[] {
  if (operator === undefined) return addressed;
  return addressed.map((message) =>
    messageIds.includes(message.id)
      ? {
          ...message,
          to: message.to.map((copy) =>
            copy.operator === operator ? { ...copy, taken: true as const } : copy,
          ),
        }
      : message,
  );
}

/** The last addressed messages after a fact; the same array if it changes nothing. */
export function addressedAfter(context: VisitorContext, event: VisitorEvent): AddressedMessage[] {
  switch (event.type) {
    case 'VisitorMessageSent':
      return sent(context, event);
    case 'MessageAddressed':
      return addressedTo(context, event);
    case 'MessageTaken':
      return takenBy(context, event);
    case 'ChatAssigned':
      return event.data.opens ? shownTo(context.addressed, event.data.operator) : context.addressed;
    default:
      return context.addressed;
  }
}

/** Whom LHC has picked after a fact; the same object if it changes nothing. */
export function pickedAfter(context: VisitorContext, event: VisitorEvent): Picked | null {
  const { picked, chat, addressed } = context;
  const { at, revision } = event;
  switch (event.type) {
    case 'VisitorMessageSent': {
      const { to } = event.data;
      return to === undefined ? picked : { operators: [to], revision, at };
    }
    case 'MessageAddressed': {
      const { messageId, operator } = event.data;
      const message = addressed.find(({ id }) => id === messageId);
      // LHC picked them before the visitor's next message, or before the first answer.
      if (!picked || !message || message.revision < picked.revision) return picked;
      return { ...picked, operators: withOperator(picked.operators, operator), at };
    }
    case 'ChatOffered': {
      const { reason, operators, messageId } = event.data;
      if (reason !== 'lhc' || messageId !== undefined) return picked;
      const known = picked ?? { operators: [], revision, at };
      return { ...known, operators: operators.reduce(withOperator, known.operators) };
    }
    case 'ChatAssigned':
      // The first to answer has it. Whoever takes it over later was picked, and so may be others.
      if (!isByLhc(context) || chat?.accepted) return picked;
      return { operators: [event.data.operator], revision, at };
    case 'ChatClosed':
      return null;
    default:
      return picked;
  }
}

/** A message as LHC addressed it to this operator; undefined if it did not, or longer ago than the last messages. */
export const copyOf = (
  { addressed }: Pick<VisitorContext, 'addressed'>,
  messageId: string,
  operator: Username,
): Copy | undefined =>
  addressed.find(({ id }) => id === messageId)?.to.find((copy) => copy.operator === operator);

/** True if LHC picks the operators of the open chat. It may have addressed one that began otherwise. */
export const isByLhc = ({ chat, picked }: VisitorContext): boolean =>
  chat?.byLhc === true || picked !== null;

/**
 * True if this operator may write in the open chat as far as LHC has picked: they got the visitor's last message. The owner
 * may also write while LHC may still be about to address them.
 * @param now ms since 1970
 */
export function isPicked(
  { picked, chat }: VisitorContext,
  operator: Username,
  now: number,
): boolean {
  if (!picked || picked.operators.includes(operator)) return true;
  return chat?.operator === operator && now - picked.at < SAME_MESSAGE_MS;
}
