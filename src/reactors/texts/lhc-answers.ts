/** What LHC has answered to a callback, as a line for the operator. */
import type { VisitorFacts } from '../../actors/visitor/facts.ts';
import type { RefusalCode, WordedNotice } from '../../lhc/callback-types.ts';

/** Why, for the end of a sentence. `file-refused` is the service's own (docs/adr/0061). */
const REFUSALS: Readonly<Record<RefusalCode | 'file-refused', string>> = {
  'chat-ended': 'the visitor has ended this chat',
  'chat-unknown': 'LHC does not know this chat',
  'visitor-unknown': 'LHC does not know this visitor',
  'operator-unknown': 'LHC does not know you as one of its operators',
  'operator-disabled': 'your user in LHC is disabled',
  'not-allowed': 'your user in LHC has no right to do this',
  'command-refused': 'LHC has not carried it out',
  'not-possible': 'LHC cannot do this',
  'file-refused': 'the file was not passed on',
};
/** LHC's own words follow: these say little without. */
const UNEXPLAINED: ReadonlySet<string> = new Set<keyof typeof REFUSALS>([
  'file-refused',
  'not-allowed',
  'command-refused',
  'not-possible',
]);

const NOTICES: Readonly<Record<WordedNotice, string>> = {
  'not-shown-yet': 'The visitor reads this when they answer your invitation, or load a page.',
  invited: 'The chat was over, so your words have become an invitation.',
};

const CHANGES = {
  accept: (chat: string) => `LHC has not given you ${chat}`,
  transfer: (chat: string) => `LHC has not transferred ${chat}`,
  close: (chat: string) => `LHC has not closed ${chat}`,
  retract: () => 'Not taken back',
  react: () => 'The visitor does not see your reaction',
} as const;

/** The reason of a refusal. @param text LHC's own words; null if there are none, or they were erased */
export function reasonOfRefusal(code: string, text: string | null): string {
  const reason = Object.hasOwn(REFUSALS, code) ? REFUSALS[code as keyof typeof REFUSALS] : null;
  if (reason === null) return text ?? 'LHC has refused it';
  return UNEXPLAINED.has(code) && text !== null ? `${reason}: ${text}` : reason;
}

/** `Not delivered: the visitor has ended this chat.` */
export function lineOfRefusal(data: VisitorFacts['LhcRefused'], text: string | null): string {
  const reason = reasonOfRefusal(data.code, text);
  const end = /[.!?]$/.test(reason) ? '' : '.';
  return `${subjectOf(data)}: ${reason}${end}`;
}

function subjectOf(data: VisitorFacts['LhcRefused']): string {
  if ('change' in data) return CHANGES[data.change](`chat #${data.chatId}`);
  return data.command === undefined ? 'Not delivered' : `!${data.command}`;
}

/** @param text LHC's own words @returns null if they were erased */
export function lineOfNotice(notice: string | undefined, text: string | null): string | null {
  if (notice !== undefined && Object.hasOwn(NOTICES, notice))
    return NOTICES[notice as WordedNotice];
  return text === null ? null : `LHC: ${text}`;
}
