/** Reads what stands behind `!canned`, `!invite` and `!room`. */
import { CannedName, CannedWords } from '../../actors/tenant/canned-texts.ts';
import type { Written } from './read.ts';
import { isBlank, oneLine, plain } from './words.ts';

/** Names in one `!room`: as many as a room has places beside the one who writes. */
export const ROOM_MAX_NAMES = 19;
/** Longest of them, in UTF-16 units. */
const COLLEAGUE_MAX_LENGTH = 128;

/** Longest name, key or address of a visitor to invite, in UTF-16 units. */
export const WHOM_MAX_LENGTH = 256;

/** Answers that an argument is wrong. */
type Faulty = (reason: string) => Written;

export function readCanned(argument: string, faulty: Faulty): Written {
  if (argument === '') return { kind: 'question', command: 'canned', argument: null };
  const [, first = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/u.exec(argument) ?? [];
  const word = plain(first);
  if (word !== 'add' && word !== 'remove') {
    return rest === ''
      ? named(word, faulty, (name) => ({ kind: 'canned', do: 'use', name }))
      : faulty('write !canned and one name, or !canned add NAME TEXT, or !canned remove NAME');
  }
  const [, given = '', text = ''] = /^(\S*)\s*([\s\S]*)$/u.exec(rest) ?? [];
  if (given === '') return faulty(`name the text: !canned ${word} NAME`);
  if (word === 'remove') {
    return text === ''
      ? named(plain(given), faulty, (name) => ({ kind: 'canned', do: 'remove', name }))
      : faulty('write !canned remove and one name');
  }
  const words = CannedWords.safeParse(text);
  if (!words.success) return faulty(`the text ${words.error.issues[0]?.message}`);
  const { data } = words;
  return named(plain(given), faulty, (name) => ({ kind: 'canned', do: 'add', name, text: data }));
}

function named(given: string, faulty: Faulty, then: (name: CannedName) => Written): Written {
  const name = CannedName.safeParse(given);
  return name.success ? then(name.data) : faulty(name.error.issues[0]?.message ?? 'no such name');
}

/** A name in quotation marks, of any kind that keyboards make; or one word. */
const WHOM =
  /^(?:["\u201c\u201d\u201e\u00ab\u00bb]([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u201e\u00ab\u00bb]|(\S+))\s*([\s\S]*)$/u;

export function readInvitation(argument: string, faulty: Faulty): Written {
  const [, quoted, word, text = ''] = WHOM.exec(argument) ?? [];
  const whom = oneLine(quoted ?? word ?? '');
  if (whom === '' || isBlank(text)) {
    return faulty(
      'say whom and what: !invite, the name, key or address of a visitor, and the text',
    );
  }
  return whom.length > WHOM_MAX_LENGTH
    ? faulty('this is too long for the name of a visitor')
    : { kind: 'invite', whom, text };
}

const QUOTED =
  /["\u201c\u201d\u201e\u00ab\u00bb]([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u201e\u00ab\u00bb]|([^\s,;]+)/gu;

/**
 * Names of colleagues: one word each, or in quotation marks; with commas between them as people have them. A colleague who
 * is called "close" is written with an @.
 */
export function readRoom(argument: string, faulty: Faulty): Written {
  if (plain(argument.trim()) === 'close') return { kind: 'room', do: 'close' };
  const hasCommas = /[,;]/u.test(argument);
  const parts = hasCommas
    ? argument.split(/[,;]/u).map((part) => part.replace(/["\u201c\u201d\u201e\u00ab\u00bb]/gu, ''))
    : [...argument.matchAll(QUOTED)].map(([, quoted, word]) => quoted ?? word ?? '');
  const names = parts.map((part) => oneLine(part).replace(/^@/, '')).filter((name) => name !== '');
  if (names.length > ROOM_MAX_NAMES) return faulty(`it takes at most ${ROOM_MAX_NAMES} names`);
  return names.some((name) => name.length > COLLEAGUE_MAX_LENGTH)
    ? faulty('this is too long for the name of a colleague')
    : { kind: 'room', do: 'open', names };
}
