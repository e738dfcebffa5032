import { expect, it } from 'vitest';
import { hanging, onOneLine } from '../../src/kit/lines.ts';

it.each([
  ['Anna', 'Anna'],
  ['Anna\r\n\t:: Not delivered', 'Anna :: Not delivered'],
  ['a\u2028b\vc', 'a b c'],
  ['Anna \u202egniklat si', 'Anna gniklat si'],
  ['\u2066\u202aAnna', 'Anna'],
  ['אנה\u200f (Anna)', 'אנה\u200f (Anna)'],
])('%j on one line is %j: it changes nothing of what stands around it', (text, line) => {
  expect(onOneLine(text)).toBe(line);
});

it('hanging lines are indented, whatever ends them', () => {
  expect(hanging('a\nb\u2029c\r\nd')).toBe('a\n  b\n  c\n  d');
});
