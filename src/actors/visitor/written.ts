/**
 * The last messages of operators to a visitor: which one a client means by an id, and what becomes of it. Clients name a
 * message by the id of its stanza: XEP-0308 and XEP-0424 their own, XEP-0444 and XEP-0461 (in a talk of two) also the other
 * side's, which has the visitor's message ids (message-changes.ts).
 */
import { shortHash } from '../../kit/hash.ts';
import type { Username } from '../ids.ts';
import { refuse } from '../machine/decider.ts';
import type { Of } from './facts.ts';
import type { VisitorContext, WrittenMessage } from './state.ts';

/** Messages of operators that can be corrected, taken back or reacted to. */
export const MAX_WRITTEN_MESSAGES = 50;

type Written = Pick<VisitorContext, 'written' | 'writtenBefore'>;

/** What a visitor without messages of operators has. */
export const NOTHING_WRITTEN: Written = { written: [], writtenBefore: false };

/** Whether a client means this message by an id: its own, that of a correction, or of what it took the place of. */
const isCalled =
  (hash: string) =>
  (each: WrittenMessage): boolean =>
    each.hash === hash || each.corrected === hash || each.alias?.hash === hash;

/**
 * The newest message with this id, with a correction of this id, or in the place of what had it.
 * @param operator whose own go before those of others: in a room many write, and some clients count their ids
 */
export function writtenMessage(
  { written }: Written,
  id: string,
  operator?: Username,
): WrittenMessage | undefined {
  const found = written.filter(isCalled(shortHash(id)));
  return found.findLast((each) => each.operator === operator) ?? found.at(-1);
}

/** The same, if the visitor has it: no whisper. */
export function messageOfVisitor({ written }: Written, id: string): WrittenMessage | undefined {
  const isMeant = isCalled(shortHash(id));
  return written.findLast((each) => !each.whisper && isMeant(each));
}

/** The id by which LHC knows the message. @param id as the client gave it */
export const idInLhc = ({ alias }: WrittenMessage, id: string): string =>
  alias?.hash === shortHash(id) ? alias.id : id;

export function keepWritten(
  { written, writtenBefore }: Written,
  { type, data, revision }: Of<'OperatorMessageReceived' | 'Whispered'>,
): Written {
  const hash = shortHash(data.messageId);
  const { corrects, operator, insteadOf, messageId: id } = data;
  if (corrects !== undefined) {
    return { written: changed(written, corrects, { corrected: hash }), writtenBefore };
  }
  const alias = insteadOf === undefined ? {} : { alias: { hash: shortHash(insteadOf), id } };
  const whisper = type === 'Whispered' && ({ whisper: true } as const);
  const all = [...written, { hash, revision, operator, ...alias, ...whisper }];
  return {
    written: all.slice(-MAX_WRITTEN_MESSAGES),
    writtenBefore: writtenBefore || all.length > MAX_WRITTEN_MESSAGES,
  };
}

const changed = (
  written: readonly WrittenMessage[],
  revision: number,
  change: Partial<WrittenMessage>,
): WrittenMessage[] =>
  written.map((each) => (each.revision === revision ? { ...each, ...change } : each));

export const retractWritten = (
  { written }: Written,
  { data, revision }: Of<'OperatorMessageRetracted'>,
): Pick<Written, 'written'> => ({
  written: changed(written, data.revision, { retracted: revision }),
});

/** A message that LHC has refused never reached the visitor, and a refused retraction has taken nothing back. */
export const refuseWritten = (
  { written }: Written,
  { data: { revision } }: Of<'LhcRefused'>,
): Pick<Written, 'written'> => ({
  written: written
    .filter((each) => each.revision !== revision)
    .map(({ retracted, ...each }) =>
      retracted === undefined || retracted === revision ? each : { ...each, retracted },
    ),
});

export const reactToWritten = (
  { written }: Written,
  { data }: Of<'OperatorMessageReacted'>,
): Pick<Written, 'written'> => ({ written: changed(written, data.revision, { reacted: true }) });

/** Nothing of what was written can be corrected any more. */
export const endWritten = ({ written }: Written): Pick<Written, 'written'> => ({
  written: written.map((each): WrittenMessage => ({ ...each, over: true })),
});

/**
 * The message of this operator that a correction or retraction means.
 * @returns null if what has this id never was a message to the visitor: a command, or what was refused
 * @throws {AppError} `refused` if it is another operator's, or too old
 */
export function ownMessage(
  context: Written,
  operator: Username,
  id: string,
): WrittenMessage | null {
  const known = writtenMessage(context, id, operator);
  if (!known) {
    if (!context.writtenBefore) return null;
    return refuse('the message that it is about is too old, or never reached the visitor');
  }
  if (known.operator !== operator) {
    return refuse(`the message that it is about is one of @${known.operator}`);
  }
  return known;
}
