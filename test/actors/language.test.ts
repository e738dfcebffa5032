import { expect, it } from 'vitest';
import { isSameLanguage, Language, languageTag } from '../../src/actors/language.ts';

it.each([
  ['de', 'de', true],
  ['de', 'de-AT', true],
  ['pt-BR', 'pt-PT', true],
  ['zh-Hant', 'zh', true],
  ['de', 'den', false],
  ['de-AT', 'en-AT', false],
  ['fr', 'de', false],
])('%s and %s are the same language: %s', (one, other, same) => {
  expect(isSameLanguage(one, other)).toBe(same);
  expect(isSameLanguage(other, one)).toBe(same);
});

it.each([
  ['DE_at', 'de-AT'],
  [' pt-br ', 'pt-BR'],
  ['x', null],
  ['', null],
  ['*', null],
  ['a'.repeat(36), null],
  ['German', 'german'],
])('the tag of %j is %j', (text, tag) => {
  expect(languageTag(text)).toBe(tag);
  expect(Language.safeParse(text).data ?? null).toBe(tag);
});
