/** The recorded days of the wire of existing installations (README.md). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A request that LHC made. */
export interface Request {
  readonly dir: 'lhc-to-service';
  readonly n: number;
  readonly step: string;
  readonly port: 4560 | 4567;
  readonly method: string;
  readonly path: string;
  /** Exactly as sent. */
  readonly body: string;
  /** The XML-RPC call. */
  readonly rpc?: string;
  readonly answer: { readonly status: number; readonly body?: string };
}

/** A callback of the older modules. */
export interface ToLhc {
  readonly dir: 'ejabberd-to-lhc';
  readonly n: number;
  readonly step: string;
  readonly path: string;
  /** The site, in hosting. */
  readonly host?: string;
  readonly body: string;
}

interface Other {
  readonly dir: 'act' | 'db' | 'note';
  readonly n: number;
  readonly step: string;
}

export type Line = Request | ToLhc | Other;

/** All lines of a recording, in order. */
export const recorded = (name: 'day' | 'hosting' | 'failures'): readonly Line[] =>
  readFileSync(join(import.meta.dirname, `${name}.jsonl`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** The fields of a request to the Node server; all that LHC sends is text, but for `password: null` and `display_array`. */
export const fieldsOf = ({ body }: Request): Readonly<Record<string, string>> => JSON.parse(body);

/** What a message to an operator says, and to whom. */
export interface SentMessage {
  readonly n: number;
  /** Bare JIDs. */
  readonly visitor: string;
  readonly operator: string;
  readonly text: string;
}

/** Texts that LHC writes in a visitor's name: they are no words of the visitor. */
const LHC_WORDS = /^(\[\[System Assistant\]\] |New chat request from visitor\. )/;

/** The visitors' messages, once for each operator who gets them, in order. */
export const sentMessages = (lines: readonly Line[]): readonly SentMessage[] =>
  lines.flatMap((line) => {
    if (line.dir !== 'lhc-to-service' || line.path !== '/xmpp-send-message') return [];
    const { jid = '', operator_username: operator = '', message: text = '' } = fieldsOf(line);
    return LHC_WORDS.test(text) ? [] : [{ n: line.n, visitor: jid, operator, text }];
  });
