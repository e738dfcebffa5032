/** Texts that no visitor may get, because they may be a whisper. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  isLikeWhisper,
  LIKE_WHISPER,
  QUOTES_WHISPER,
  whisperIn,
} from '../../../src/actors/visitor/whisper-form.ts';
import { readWritten } from '../../../src/inbox/operator-commands/read.ts';

it.each([
  // A whisper that is no command, by what stands before it.
  'whisper he is rude',
  'Whisper: he is rude',
  'WHISPER he is rude',
  'whispr he is rude',
  'wisper he is rude',
  'hwisper he is rude',
  'whisperhe is rude',
  '/whisper he is rude',
  '/w he is rude',
  '1whisper he is rude',
  '1 wisper he is rude',
  '¡whisper he is rude',
  '?wispr he is rude',
  '.whisper he is rude',
  '(whisper) he is rude',
  '/me !whisper he is rude',
  '/me whisper he is rude',
  'ｗｈｉｓｐｅｒ he is rude',
  '\u200bwhisper he is rude',
  '> Hello?\nwhisper he is rude',
  // One inside of a text.
  'Olga: !whisper he is rude',
  'Olga, !wisper he is rude',
  'Hello\n!whisper he is rude',
  'Hello\n > !whisper he is rude',
  'Hello! !Whisper he is rude',
  'Hello! !\u200bwhis\u200bper he is rude',
  'Hello! !\u2060whísper he is rude',
  'Hello ！whisper he is rude',
  'Yes ! whisper he is rude',
  '!whisper he is rude',
  '!!whisper he is rude',
  '> !whisper he is rude\nI think so too',
])('%j does not go to the visitor', (text) => {
  expect(whisperIn(text)).toBe(LIKE_WHISPER);
});

it.each([
  '> :: Sam whispers: he is rude\nI think so too',
  '>> :: Sam Jones (sam) whispers (corrected): he is rude\nYes',
  ':: Sam whispers: he is rude',
  // `!history`, and what was said before a room was opened.
  '> :: 14:05 Sam (whisper): he is rude\nI think so too',
  '> 14:05 Sam Jones (sam) (whisper) (corrected): he is rude\nYes',
  '> :: The last 2 messages.\n> :: 14:05 Sam (note): he is rude\nYes',
  ':: 14:05 Sam (whisper): he is rude',
  // A misspelt one.
  '> wisper he is rude\nI think so too',
  '>> /whisper he is rude\n> Yes\nI think so too',
  '> Hello\n> whisper: he is rude\nYes',
])('%j quotes a whisper', (text) => {
  expect(whisperIn(text)).toBe(QUOTES_WHISPER);
});

it.each([
  'Hello!',
  'In a whisper she said so',
  'Whiskers are 5 EUR',
  'The Whisper 3000 is here! It costs 5 EUR',
  'We have it! In white, too',
  '!!important',
  '1w delivery',
  'wispy curtains',
  '> Does it whisper?\nNot at all!',
  '> At 14:05 I wrote (note): hello\nYes',
  '> :: 14:05 Olga (corrected): Hello\nYes',
  'She whispers: hello',
  '',
])('%j goes to the visitor', (text) => {
  expect(whisperIn(text)).toBeNull();
});

it("a name like a whisper's goes to LHC no more than to the visitor", () => {
  for (const name of ['whisper', 'wisper', 'Whispr', 'whispers']) {
    expect(isLikeWhisper(name), name).toBe(true);
    expect(readWritten(`!lhc ${name} he is rude`, [name])).toMatchObject({ kind: 'faulty' });
  }
  for (const name of ['block', 'goto', 'translate', 'w']) expect(isLikeWhisper(name)).toBe(false);
});

/** One slip of the finger in the word: a letter less, another one, one more, or two swapped. */
const slip = fc
  .record({
    at: fc.nat({ max: 6 }),
    how: fc.constantFrom('less', 'other', 'more', 'swapped', 'none'),
    letter: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz'),
  })
  .map(({ at, how, letter }) => {
    const letters = [...'whisper'];
    const next = letters[at + 1];
    if (how === 'less') letters.splice(at, 1);
    if (how === 'other') letters[at] = letter;
    if (how === 'more') letters.splice(at, 0, letter);
    if (how === 'swapped' && next !== undefined) letters.splice(at, 2, next, letters[at] ?? '');
    return letters.join('');
  });

it('with a slip of the finger, behind any exclamation mark, it reaches nobody as a message', () => {
  fc.assert(
    fc.property(
      slip,
      fc.constantFrom('!', '！', '﹗', ' !', '!\u200b', '> quoted\n!', '!!', 'Olga: !', '! ! '),
      fc.constantFrom(' he is rude', '\nhe is rude', ': he is rude', ''),
      (word, mark, text) => {
        const body = `${mark}${word}${text}`;
        const written = readWritten(body, ['block', 'close']);
        const isSent = written.kind === 'message' && whisperIn(written.body) === null;
        expect(isSent, body).toBe(false);
      },
    ),
    { numRuns: 2_000 },
  );
});
