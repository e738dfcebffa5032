import { expect, it } from 'vitest';
import { emojisIn } from '../../src/inbox/emoji.ts';

it('reactions are emojis of Unicode, each once, as clients send them', () => {
  const emojis = ['👍', '❤️', '❤', '👋🏽', '👩‍💻', '🇩🇪', '1️⃣', '☺'];
  expect(emojisIn(emojis)).toEqual(emojis);
  expect(emojisIn(['🐢', '👍', '🐢'])).toEqual(['🐢', '👍']);
  expect(emojisIn(['', 'a', '1', ':-)', '👍👍', '👍 ', '<b>', '\u202e', '::'])).toEqual([]);
});
