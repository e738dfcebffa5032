/**
 * What an operator writes into a conversation: a message to the visitor, or a command to us. Whatever begins with `!` is
 * a command, also one that is misspelt, so that nothing meant for us is ever read by a visitor.
 */
import { nearest } from './spelling.ts';

/** What was written, read. */
export type Written =
  | { readonly kind: 'message'; readonly body: string }
  | { readonly kind: 'take' | 'decline' }
  | { readonly kind: 'transfer'; readonly name: string }
  | { readonly kind: 'close'; readonly reason: string | null }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'availability'; readonly command: 'away' | 'back' }
  /** One of LHC's own; `text` is all of it, as LHC's back office would take it. */
  | { readonly kind: 'lhc'; readonly command: string; readonly text: string }
  /** To be answered in the conversation. */
  | { readonly kind: 'question'; readonly command: Question; readonly argument: string | null }
  /** A command that lacks something, or has too much. */
  | { readonly kind: 'faulty'; readonly command: string; readonly reason: string };

/**
 * {@link UNKNOWN} is no command that anybody knows: its argument is the known one that was meant, if one is near. What
 * was written is not kept: it may be a message to the visitor with a slip at its beginning.
 */
export type Question = 'info' | 'history' | 'help' | typeof UNKNOWN;
export const UNKNOWN = '?';

interface Command {
  readonly name: string;
  /** How it is written, with what goes behind it. */
  readonly usage: string;
  /** What it does, in a few words. */
  readonly does: string;
}

/** Ours, in the order in which they are explained. */
export const COMMANDS: readonly Command[] = [
  { name: 'take', usage: '!take', does: 'this chat is yours, also one that is offered to others' },
  { name: 'decline', usage: '!decline', does: 'a chat that is offered to you goes to others' },
  { name: 'transfer', usage: '!transfer NAME', does: 'hand it to an operator or a department' },
  { name: 'close', usage: '!close [REASON]', does: 'end the chat' },
  { name: 'info', usage: '!info', does: 'all that is known of this visitor' },
  { name: 'history', usage: '!history [N]', does: 'the last N messages (20, at most 100)' },
  { name: 'note', usage: '!note TEXT', does: 'a note in LHC, which the visitor does not see' },
  { name: 'away', usage: '!away', does: 'no new chats for you, whatever your client shows' },
  { name: 'back', usage: '!back', does: 'new chats again' },
  { name: 'help', usage: '!help', does: 'this list' },
  {
    name: 'lhc',
    usage: '!lhc COMMAND',
    does: "one of LHC's commands, also one that is not listed",
  },
];

/** `!history` without a number, and at most. */
export const HISTORY = { usual: 20, most: 100 };

/** Of an operator or a department. */
const MOST_OF_NAME = 128;
const MOST_OF_REASON = 200;
/** A command's name as LHC can have it (src/actors/tenant/machine.ts, `lhcCommands`). */
const NAME = /^[a-z][a-z0-9_-]{0,31}$/;

// What shows as nothing: white space, marks of direction, joiners, a BOM (Unicode's Cf and Default_Ignorable), the control
// characters that XML 1.0 allows, Braille's blank.
/** The marks as keyboards make them: ASCII, full width, small form. Not `¡`, with which sentences begin. */
const BEGINNING = /^[\s\p{Cc}\p{Cf}\p{DI}\u2800]*[!\uff01\ufe57][\p{Cf}\p{DI}]*/u;
const MARK = /^[!\uff01\ufe57]/u;
/** What a client puts before a reply, for clients that know no replies (XEP-0461, XEP-0393 §5.1.3). */
const QUOTE = /^(?:[\s\p{Cc}\p{Cf}\p{DI}\u2800]*>[^\n]*\n)*/u;

/**
 * Reads what an operator wrote. `!!` sends a text that begins with `!` on purpose: one less is sent. What is quoted
 * before it counts for nothing: who replies to a message of the visitor with a command means the command.
 * @param lhcCommands those that this tenant's LHC knows, without `!`; where ours have the same name they are meant
 */
export function readWritten(body: string, lhcCommands: readonly string[]): Written {
  const quote = QUOTE.exec(body)?.[0] ?? '';
  const own = body.slice(quote.length);
  const beginning = BEGINNING.exec(own);
  if (!beginning) return { kind: 'message', body };
  const rest = own.slice(beginning[0].length);
  if (MARK.test(rest)) return { kind: 'message', body: `${quote}${rest}` };
  const [, space = '', word = '', behind = ''] = /^(\s*)(\S*)([\s\S]*)$/u.exec(rest) ?? [];
  const name = plain(word);
  const known = [...COMMANDS.map((command) => command.name), ...lhcCommands];
  if (space !== '' || !known.includes(name)) {
    const meant = nearest(name.replace(/[^a-z0-9_-]+$/, ''), known);
    return { kind: 'question', command: UNKNOWN, argument: meant };
  }
  return commandOf(name, isBlank(behind) ? '' : behind.trim(), known);
}

/**
 * As it was meant: phones capitalise the first letter (a Turkish one makes `İ` of `i`), and put a full stop behind it.
 * Longer than any command is no command, and is not worth the work.
 */
const plain = (word: string): string =>
  word
    .slice(0, 100)
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{DI}]/gu, '')
    .toLowerCase()
    .replace(/[.,:;!]+$/, '');

/** Nothing of it shows. */
export const isBlank = (text: string): boolean => /^[\s\p{Cc}\p{Cf}\p{DI}\u2800]*$/u.test(text);

const oneLine = (text: string): string => text.replace(/\s+/gu, ' ').trim();

function commandOf(name: string, argument: string, known: readonly string[]): Written {
  const faulty = (reason: string): Written => ({ kind: 'faulty', command: name, reason });
  /** For those that take nothing: what stands behind them was meant for the visitor, or says that they were not meant. */
  const alone = (written: Written): Written =>
    argument === ''
      ? written
      : faulty(`nothing goes behind it; write !${name} alone, and the rest without !`);
  switch (name) {
    case 'take':
    case 'decline':
      return alone({ kind: name });
    case 'away':
    case 'back':
      return alone({ kind: 'availability', command: name });
    case 'info':
      return alone({ kind: 'question', command: 'info', argument: null });
    case 'help': {
      const about = plain(argument.replace(MARK, ''));
      const topic = known.includes(about) ? about : null;
      return { kind: 'question', command: 'help', argument: topic };
    }
    case 'history': {
      if (argument === '') return { kind: 'question', command: 'history', argument: null };
      const number = /^\d{1,9}$/.test(argument) ? Number(argument) : 0;
      if (number === 0) return faulty(`say how many messages, 1 to ${HISTORY.most}: !history 50`);
      const least = Math.min(number, HISTORY.most);
      return { kind: 'question', command: 'history', argument: String(least) };
    }
    case 'transfer': {
      const to = oneLine(argument).replace(/^@/, '');
      if (to === '')
        return faulty('say to whom: !transfer and the name of an operator or department');
      return to.length > MOST_OF_NAME
        ? faulty('this is too long for the name of an operator or department')
        : { kind: 'transfer', name: to };
    }
    case 'close': {
      const reason = oneLine(argument);
      return reason.length > MOST_OF_REASON
        ? faulty(`the reason is longer than ${MOST_OF_REASON} characters`)
        : { kind: 'close', reason: reason || null };
    }
    case 'note':
      return argument === ''
        ? faulty('say what is to be noted: !note and the text')
        : { kind: 'note', text: argument };
    case 'lhc': {
      const [, word = '', behind = ''] = /^(\S*)([\s\S]*)$/u.exec(argument) ?? [];
      const command = plain(word.replace(MARK, ''));
      return NAME.test(command)
        ? passedOn(command, behind.trim())
        : faulty("say which of LHC's commands: !lhc and its name");
    }
    default:
      return passedOn(name, argument);
  }
}

/** As LHC reads it: the name in lower case, one space, the rest. */
const passedOn = (command: string, argument: string): Written => ({
  kind: 'lhc',
  command,
  text: argument === '' ? `!${command}` : `!${command} ${argument}`,
});
