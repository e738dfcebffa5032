/** What a search finds: messages, visitors, closed chats, each with the texts that have words of the question. */
import type { VisitorKey } from '../actors/ids.ts';
import { findPhrases, type Phrase, type Snippet } from '../kit/words.ts';
import type { MessageView } from './message-queries.ts';
import { MAX_DOCUMENT_WORDS } from './search-index.ts';
import type { FoundField } from './search-profile.ts';
import type { VisitorView } from './visitor-queries.ts';

/** A field that has words of the question, with where they are. */
export interface FoundText extends Snippet {
  readonly field: 'body' | FoundField;
}

interface FoundOfVisitor {
  readonly visitor: VisitorKey;
  /** ms since 1970 */
  readonly at: number;
  /** The fact in the visitor's stream. */
  readonly revision: number;
  readonly found: readonly FoundText[];
}

export interface FoundMessage
  extends FoundOfVisitor,
    Pick<MessageView, 'id' | 'chatId' | 'direction' | 'operator' | 'inLhc'> {
  readonly kind: 'message';
  /** What kind of message: see {@link MessageView}. */
  readonly messageKind: MessageView['kind'];
}

/** `at`: when they were last seen. */
export interface FoundVisitor extends FoundOfVisitor {
  readonly kind: 'visitor';
  readonly nick: string | null;
  readonly presence: VisitorView['presence'];
}

/** A closed chat by the name that the visitor had in it. `at`: when it started. */
export interface FoundChat extends FoundOfVisitor {
  readonly kind: 'chat';
  readonly chatId: string;
  readonly nick: string;
}

export type FoundItem = FoundMessage | FoundVisitor | FoundChat;

/** @returns the fields that have words of the question; null unless each phrase is in one of them */
export function foundIn(
  phrases: readonly Phrase[],
  fields: { readonly [F in FoundText['field']]?: string | null },
): FoundText[] | null {
  const missing = new Set(phrases.keys());
  const found: FoundText[] = [];
  // The keys of the type above.
  for (const [field, text] of Object.entries(fields) as [FoundText['field'], string | null][]) {
    if (text === null || text === '') continue;
    const { has, snippet } = findPhrases(phrases, text, MAX_DOCUMENT_WORDS);
    if (!snippet) continue;
    for (const [i, isThere] of has.entries()) if (isThere) missing.delete(i);
    found.push({ field, ...snippet });
  }
  return missing.size === 0 ? found : null;
}
