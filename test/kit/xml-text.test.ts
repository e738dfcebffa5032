import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isXmlText, legibleText, xmlText } from '../../src/kit/xml-text.ts';

test('replaces what XML cannot carry by U+FFFD and line ends by \\n, and keeps everything else', () => {
  expect(xmlText('a\u0000b\u001bc\u007fd')).toBe('a\ufffdb\ufffdc\u007fd');
  expect(xmlText('\ud800x\udc00')).toBe('\ufffdx\ufffd');
  expect(xmlText('\ufffe\uffff')).toBe('\ufffd\ufffd');
  expect(xmlText('1\r\n2\r3\n4\t5')).toBe('1\n2\n3\n4\t5');
  expect(xmlText('Grüße 👋🏽 日本')).toBe('Grüße 👋🏽 日本');
});

test('makes any text fit for XML 1.0, and a second call changes nothing', () => {
  // https://www.w3.org/TR/xml/#NT-Char
  const carried = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u;
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const made = xmlText(text);
      return carried.test(made) && isXmlText(made) && xmlText(made) === made;
    }),
  );
});

test('isXmlText refuses what xmlText would change', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(isXmlText(text)).toBe(xmlText(text) === text);
    }),
  );
});

test('legibleText keeps line breaks and leaves out what has no shape', () => {
  expect(legibleText('a\u000bb\u000cc\r\nd\re')).toBe('a\nb\nc\nd\ne');
  expect(legibleText('a\u0000\u001b[1m\ufffe\uffffb')).toBe('a[1mb');
  expect(legibleText('\ud83d👋\udc4b')).toBe('\ufffd👋\ufffd');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const made = legibleText(text);
      return isXmlText(made) && legibleText(made) === made && (!isXmlText(text) || made === text);
    }),
  );
});
