/**
 * Reads what an operator writes in a conversation: a message to the visitor, or a command to the service. Every text that
 * begins with `!` is a command, even a misspelt one, so that no visitor ever reads a command (docs/adr/0014).
 */
import { nearest } from './spelling.ts';

/** The meaning of a text. */
export type Written =
  | { readonly kind: 'message'; readonly body: string }
  | { readonly kind: 'take' | 'decline' }
  | { readonly kind: 'transfer'; readonly name: string }
  | { readonly kind: 'close'; readonly reason: string | null }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'availability'; readonly command: 'away' | 'back' }
  /** A command of LHC; `text` is the whole command, as LHC's back office accepts it. */
  | { readonly kind: 'lhc'; readonly command: string; readonly text: string }
  /** A question that the service answers in the conversation. */
  | { readonly kind: 'question'; readonly command: Question; readonly argument: string | null }
  /** A command with a missing or superfluous argument. */
  | { readonly kind: 'faulty'; readonly command: string; readonly reason: string };

/**
 * {@link UNKNOWN} stands for a command that nobody knows. Its argument is the known command that was probably meant. The
 * text itself is not kept: it may be a message to the visitor with a typing error at its beginning.
 */
export type Question = 'info' | 'history' | 'help' | typeof UNKNOWN;
export const UNKNOWN = '?';

interface Command {
  readonly name: string;
  /** The command with its arguments. */
  readonly usage: string;
  /** Its effect, in a few words. */
  readonly does: string;
  /** It is in the short list. */
  readonly common?: true;
}

/** The service's own commands, in the order of `!help all`. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'take',
    usage: '!take',
    does: 'take this chat, even if it is offered to others',
    common: true,
  },
  {
    name: 'decline',
    usage: '!decline',
    does: 'decline a chat that is offered to you',
    common: true,
  },
  {
    name: 'transfer',
    usage: '!transfer NAME',
    does: 'transfer the chat to an operator or a department',
    common: true,
  },
  { name: 'close', usage: '!close [REASON]', does: 'end the chat', common: true },
  {
    name: 'info',
    usage: '!info',
    does: 'everything that is known about this visitor',
    common: true,
  },
  {
    name: 'history',
    usage: '!history [N]',
    does: 'the last N messages (default 20, at most 100)',
    common: true,
  },
  { name: 'note', usage: '!note TEXT', does: 'add a note in LHC that the visitor does not see' },
  { name: 'away', usage: '!away', does: 'get no new chats, whatever your client shows' },
  { name: 'back', usage: '!back', does: 'get new chats again' },
  {
    name: 'help',
    usage: '!help [COMMAND]',
    does: 'the commonest commands, or one command; !help all lists all of them',
  },
  {
    name: 'lhc',
    usage: '!lhc COMMAND',
    does: 'run a command of LHC, even one that is not listed here',
  },
];

/** The argument of `!help` that asks for every command. */
export const ALL = 'all';

/** How many messages `!history` shows: without a number, and at most. */
export const HISTORY = { usual: 20, most: 100 };

/** Longest name of an operator or a department, in UTF-16 units. */
const NAME_MAX_LENGTH = 128;
/** Longest reason of `!close`, in UTF-16 units. */
const REASON_MAX_LENGTH = 200;
/** A word is cut here before it is normalised: no command is this long. */
const WORD_MAX_LENGTH = 100;
/** The names that a command of LHC can have (src/actors/tenant/machine.ts, `lhcCommands`). */
const NAME = /^[a-z][a-z0-9_-]{0,31}$/;

// Invisible characters: white space, direction marks, joiners, a byte order mark (Unicode's Cf and Default_Ignorable),
// the control characters that XML 1.0 allows, and Braille's blank.
/** Exclamation marks as keyboards make them: ASCII, full width, small form. Not `¡`, because it begins sentences. */
const BEGINNING = /^[\s\p{Cc}\p{Cf}\p{DI}\u2800]*[!\uff01\ufe57][\p{Cf}\p{DI}]*/u;
const MARK = /^[!\uff01\ufe57]/u;
/** The quotation before a reply, for clients that do not know replies (XEP-0461, XEP-0393 §5.1.3). */
const QUOTE = /^(?:[\s\p{Cc}\p{Cf}\p{DI}\u2800]*>[^\n]*\n)*/u;

/**
 * Reads what an operator wrote. `!!` sends a text that begins with `!`, without the first one. A quotation before the
 * text is ignored: an operator who replies to the visitor's message with a command means the command.
 * @param lhcCommands names of the commands that this tenant's LHC knows, without `!`; the service's own commands come first
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

/** The word without the changes that phones make: a capital letter (`İ` for a Turkish `i`), a full stop at the end. */
const plain = (word: string): string =>
  word
    .slice(0, WORD_MAX_LENGTH)
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{DI}]/gu, '')
    .toLowerCase()
    .replace(/[.,:;!]+$/, '');

/** True if the text has only invisible characters. */
export const isBlank = (text: string): boolean => /^[\s\p{Cc}\p{Cf}\p{DI}\u2800]*$/u.test(text);

const oneLine = (text: string): string => text.replace(/\s+/gu, ' ').trim();

function commandOf(name: string, argument: string, known: readonly string[]): Written {
  const faulty = (reason: string): Written => ({ kind: 'faulty', command: name, reason });
  /** For commands without arguments. A text behind them was meant for the visitor, or the command was not meant. */
  const alone = (written: Written): Written =>
    argument === ''
      ? written
      : faulty(`it takes no text; write !${name} alone, and the rest without !`);
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
      const topic = about === ALL || known.includes(about) ? about : null;
      return { kind: 'question', command: 'help', argument: topic };
    }
    case 'history': {
      if (argument === '') return { kind: 'question', command: 'history', argument: null };
      const number = /^\d{1,9}$/.test(argument) ? Number(argument) : 0;
      if (number === 0) return faulty(`say how many messages, 1 to ${HISTORY.most}: !history 50`);
      const count = Math.min(number, HISTORY.most);
      return { kind: 'question', command: 'history', argument: String(count) };
    }
    case 'transfer': {
      const to = oneLine(argument).replace(/^@/, '');
      if (to === '')
        return faulty('say to whom: !transfer and the name of an operator or a department');
      return to.length > NAME_MAX_LENGTH
        ? faulty('this is too long for the name of an operator or department')
        : { kind: 'transfer', name: to };
    }
    case 'close': {
      const reason = oneLine(argument);
      return reason.length > REASON_MAX_LENGTH
        ? faulty(`the reason is longer than ${REASON_MAX_LENGTH} characters`)
        : { kind: 'close', reason: reason || null };
    }
    case 'note':
      return argument === ''
        ? faulty('write the note: !note and the text')
        : { kind: 'note', text: argument };
    case 'lhc': {
      const [, word = '', behind = ''] = /^(\S*)([\s\S]*)$/u.exec(argument) ?? [];
      const command = plain(word.replace(MARK, ''));
      return NAME.test(command)
        ? lhcCommand(command, behind.trim())
        : faulty('name a command of LHC: !lhc and the name');
    }
    default:
      return lhcCommand(name, argument);
  }
}

/** The command as LHC reads it: the name in lower case, one space, the rest. */
const lhcCommand = (command: string, argument: string): Written => ({
  kind: 'lhc',
  command,
  text: argument === '' ? `!${command}` : `!${command} ${argument}`,
});
