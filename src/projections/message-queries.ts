/** Queries on the read model of messages. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { IN_LHC_SELECTED, type InLhc, withInLhc } from './in-lhc.ts';
import { Conditions, type Order, type Page, type PageRequest, readPage } from './list.ts';

/** `note` and `command` are lines of operators that visitors do not see: a note in LHC, and a command for LHC. */
export const MESSAGE_KINDS = ['chat', 'invitation', 'note', 'command'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

export interface MessageView {
  readonly id: string;
  readonly chatId: string | null;
  readonly direction: 'visitor' | 'operator';
  readonly kind: MessageKind;
  /** The operator who wrote it, or who had the chat when the visitor wrote it; null before any operator has the chat. */
  readonly operator: string | null;
  /** Who wrote it in LHC's own pages; null if it was not written there. */
  readonly inLhc: InLhc | null;
  /** The newest text; null if the person was erased, or the operator has taken the message back. */
  readonly body: string | null;
  /** In ms since 1970. */
  readonly at: number;
  /**
   * A visitor's message is `sent`, then `taken` by ejabberd, then `delivered` to a client of the operator or to somebody in
   * LHC, or `failed`. An operator's message is `received`, or `failed` if LHC has refused it.
   */
  readonly state: 'sent' | 'taken' | 'delivered' | 'failed' | 'received';
  /** Why it failed; the code of a refusal (src/lhc/callback-types.ts) for an operator's message. */
  readonly reason: string | null;
  /** When the other side displayed it, in ms since 1970; null if that is not known. */
  readonly displayedAt: number | null;
  /** The id of the operator's message that this one corrects, if that one is not known. Release 0.1.0 knew none. */
  readonly replaces: string | null;
  /** When the operator corrected it last, in ms since 1970; null if they did not. */
  readonly correctedAt: number | null;
  /** When the operator took it back, in ms since 1970; null if they did not. */
  readonly retractedAt: number | null;
  /** The reactions of the other side. */
  readonly reactions: readonly string[];
  /** The revision of its fact on the visitor's stream. Messages are in this order. */
  readonly revision: number;
}

export interface MessageFilter extends PageRequest {
  readonly tenant: string;
  readonly visitor: string;
  readonly chatId?: string | undefined;
  /** Default `chat` and `invitation`: the messages that the visitor sees. */
  readonly kinds?: readonly MessageKind[] | undefined;
}

export interface MessageQueries {
  /**
   * Messages, the oldest first.
   * @throws {AppError} `invalid` for a cursor of another list
   */
  list(filter: MessageFilter): Page<MessageView>;
  /** @returns the message of the fact at this revision of the visitor's stream; null for another fact */
  at(tenant: string, visitor: string, revision: number): MessageView | null;
  /** @returns the messages with this id of a visitor's browser or an operator's client. Mostly it is one */
  byId(tenant: string, visitor: string, id: string): readonly MessageView[];
}

const ORDER: Order = { name: 'revision', first: { sql: 'revision', type: 'number' } };

const VISIBLE: readonly MessageKind[] = ['chat', 'invitation'];

const COLUMNS = `id, chat_id AS chatId, direction, kind, operator, ${IN_LHC_SELECTED},
  CASE WHEN retracted_at IS NULL THEN body END AS body, at, state, reason, displayed_at AS displayedAt, replaces,
  corrected_at AS correctedAt, retracted_at AS retractedAt, reactions, revision`;

// The columns above have the names of the view, the table is STRICT, and `reactions` is JSON that messages.ts writes.
const viewOf = ({ reactions, ...row }: Record<string, SQLOutputValue>) =>
  ({
    ...withInLhc(row),
    reactions: typeof reactions === 'string' ? JSON.parse(reactions) : [],
  }) as unknown as MessageView; // the columns of the statement, as the view has them

export function messageQueries(db: DatabaseSync): MessageQueries {
  const at = db.prepare(
    `SELECT ${COLUMNS} FROM messages WHERE tenant = ? AND visitor = ? AND revision = ?`,
  );
  const byId = db.prepare(
    `SELECT ${COLUMNS} FROM messages WHERE tenant = ? AND visitor = ? AND id = ? ORDER BY revision`,
  );
  return {
    at: (tenant, visitor, revision) => {
      const row = at.get(tenant, visitor, revision);
      return row ? viewOf(row) : null;
    },
    byId: (tenant, visitor, id) => byId.all(tenant, visitor, id).map(viewOf),
    list: ({ tenant, visitor, chatId, kinds = VISIBLE, ...request }) => {
      const range = new Conditions();
      range.add('tenant = ?', tenant);
      range.add('visitor = ?', visitor);
      range.add(`kind IN (${kinds.map(() => '?').join(', ')})`, ...kinds);
      if (chatId) range.add('chat_id = ?', chatId);
      return readPage(
        db,
        { columns: COLUMNS, from: 'messages', range, order: ORDER },
        request,
        viewOf,
        ({ revision }) => [revision],
      );
    },
  };
}
