/**
 * Reads what an operator writes in a conversation with a visitor, or to the desk: a message, or a command to the service. Every text that
 * begins with `!` is a command, even a misspelt one, so that no visitor ever reads a command (docs/adr/0014).
 */
import type { CannedName } from '../../actors/tenant/canned-texts.ts';
import { isLikeWhisper } from '../../actors/visitor/whisper-form.ts';
import { readCanned, readInvitation, readRoom } from './read-arguments.ts';
import { nearest } from './spelling.ts';
import { isBlank, oneLine, plain } from './words.ts';

/** The meaning of a text. */
export type Written =
  | { readonly kind: 'message'; readonly body: string }
  | { readonly kind: 'take' | 'decline' }
  | { readonly kind: 'transfer'; readonly name: string }
  | { readonly kind: 'close'; readonly reason: string | null }
  | { readonly kind: 'note'; readonly text: string }
  /** `names`: as the operator wrote them. */
  | { readonly kind: 'room'; readonly do: 'open'; readonly names: readonly string[] }
  | { readonly kind: 'room'; readonly do: 'close' }
  /** A word to colleagues, which never reaches the visitor. */
  | { readonly kind: 'whisper'; readonly text: string }
  | { readonly kind: 'availability'; readonly command: 'away' | 'back' }
  /** A command of LHC; `text` is the whole command, as LHC's back office accepts it. */
  | { readonly kind: 'lhc'; readonly command: string; readonly text: string }
  /** A question that the service answers in the conversation. */
  | { readonly kind: 'question'; readonly command: Question; readonly argument: string | null }
  /** `use` sends the text to the visitor in whose conversation it was written. */
  | { readonly kind: 'canned'; readonly do: 'use'; readonly name: CannedName }
  | { readonly kind: 'canned'; readonly do: 'remove'; readonly name: CannedName }
  | {
      readonly kind: 'canned';
      readonly do: 'add';
      readonly name: CannedName;
      readonly text: string;
    }
  /** `whom`: a name or a part of it, a key or an address. */
  | { readonly kind: 'invite'; readonly whom: string; readonly text: string }
  /** A command with a missing or superfluous argument. */
  | { readonly kind: 'faulty'; readonly command: string; readonly reason: string };

/**
 * {@link UNKNOWN} stands for a command that nobody knows. Its argument is the known command that was probably meant. The
 * text itself is not kept: it may be a message to the visitor with a typing error at its beginning.
 */
export type Question =
  | 'info'
  | 'history'
  | 'help'
  | 'who'
  | 'queue'
  | 'stats'
  | 'canned'
  | typeof UNKNOWN;
export const UNKNOWN = '?';

interface Command {
  readonly name: string;
  /** The command with its arguments. */
  readonly usage: string;
  /** Its effect, in a few words. */
  readonly does: string;
  /** It is in the short list. */
  readonly common?: true;
  /** Where it means something, if not in both places. */
  readonly only?: Place;
}

/** Where an operator writes: in the conversation with a visitor, or to the desk. */
export type Place = 'conversation' | 'desk';

/** The service's own commands, in the order of `!help all`. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'take',
    usage: '!take',
    does: 'take this chat, even if it is offered to others',
    common: true,
    only: 'conversation',
  },
  {
    name: 'decline',
    usage: '!decline',
    does: 'decline a chat that is offered to you',
    common: true,
    only: 'conversation',
  },
  {
    name: 'transfer',
    usage: '!transfer NAME',
    does: 'transfer the chat to an operator or a department',
    common: true,
    only: 'conversation',
  },
  {
    name: 'close',
    usage: '!close [REASON]',
    does: 'end the chat',
    common: true,
    only: 'conversation',
  },
  {
    name: 'info',
    usage: '!info',
    does: 'everything that is known about this visitor',
    common: true,
    only: 'conversation',
  },
  {
    name: 'history',
    usage: '!history [N]',
    does: 'the last N messages (default 20, at most 100)',
    common: true,
    only: 'conversation',
  },
  {
    name: 'note',
    usage: '!note TEXT',
    does: 'add a note in LHC that the visitor does not see',
    only: 'conversation',
  },
  {
    name: 'room',
    usage: '!room [NAME …]',
    does: 'open a chat room for this chat, for you, its operator and these colleagues; or come in. !room close closes it',
    only: 'conversation',
  },
  {
    name: 'whisper',
    usage: '!whisper TEXT',
    does: 'tell the colleagues in this chat something that the visitor never sees',
    only: 'conversation',
  },
  {
    name: 'canned',
    usage: '!canned [NAME]',
    does: 'the canned texts of your team; with a name, in a conversation: send that text to the visitor. Also !canned add NAME TEXT, !canned remove NAME',
  },
  { name: 'who', usage: '!who', does: 'your colleagues: who is available, and their chats' },
  { name: 'queue', usage: '!queue', does: 'the visitors who wait for an answer' },
  { name: 'stats', usage: '!stats', does: 'the chats of today' },
  {
    name: 'invite',
    usage: '!invite VISITOR TEXT',
    does: 'invite a visitor to a chat, by name (in quotation marks if it has spaces), key or address',
    only: 'desk',
  },
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
    only: 'conversation',
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
 * @param place where it was written: LHC's commands are for conversations
 */
export function readWritten(
  body: string,
  lhcCommands: readonly string[],
  place: Place = 'conversation',
): Written {
  const quote = QUOTE.exec(body)?.[0] ?? '';
  const own = body.slice(quote.length);
  const beginning = BEGINNING.exec(own);
  // What may be a whisper in such a text is refused where it would go to the visitor (src/actors/visitor/whisper-form.ts).
  if (!beginning) return { kind: 'message', body };
  const rest = own.slice(beginning[0].length);
  if (MARK.test(rest)) return { kind: 'message', body: `${quote}${rest}` };
  const [, space = '', word = '', behind = ''] = /^(\s*)(\S*)([\s\S]*)$/u.exec(rest) ?? [];
  const name = plain(word);
  const known = [
    ...COMMANDS.map((command) => command.name),
    ...(place === 'desk' ? [] : lhcCommands),
  ];
  if (space !== '' || !known.includes(name)) {
    const meant = nearest(name.replace(/[^a-z0-9_-]+$/, ''), known);
    return { kind: 'question', command: UNKNOWN, argument: meant };
  }
  const only = COMMANDS.find((command) => command.name === name)?.only;
  if (only !== undefined && only !== place) {
    return { kind: 'faulty', command: name, reason: ELSEWHERE[only] };
  }
  return commandOf(name, isBlank(behind) ? '' : behind.trim(), known);
}

/** What a person reads who has written a command in the wrong place. */
const ELSEWHERE: Readonly<Record<Place, string>> = {
  conversation: 'it is about one visitor; write it in the conversation with them',
  desk: 'write it to the front desk, the contact of the service',
};

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
    case 'who':
    case 'queue':
    case 'stats':
      return alone({ kind: 'question', command: name, argument: null });
    case 'canned':
      return readCanned(argument, faulty);
    case 'invite':
      return readInvitation(argument, faulty);
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
    case 'room':
      return readRoom(argument, faulty);
    case 'whisper':
      return argument === ''
        ? faulty('write what they are to know: !whisper and the text')
        : { kind: 'whisper', text: argument };
    case 'note':
      return argument === ''
        ? faulty('write the note: !note and the text')
        : { kind: 'note', text: argument };
    case 'lhc': {
      const [, word = '', behind = ''] = /^(\S*)([\s\S]*)$/u.exec(argument) ?? [];
      const command = plain(word.replace(MARK, ''));
      if (isLikeWhisper(command)) return faulty('LHC has no whispers; write !whisper and the text');
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
