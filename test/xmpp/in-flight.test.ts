import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { createInFlight } from '../../src/xmpp/in-flight.ts';

const gone = new AppError('unavailable', 'gone');

function recorded() {
  const settled: string[] = [];
  const inFlight = createInFlight();
  const add = (name: string) =>
    inFlight.add(
      {
        resolve: () => settled.push(name),
        reject: (error) => settled.push(`${name}: ${error.message}`),
      },
      `op@xmpp.test ${name}`,
    );
  return { inFlight, settled, add };
}

test('one ping covers all waiting stanzas, and later ones wait for the next ping', () => {
  const { inFlight, settled, add } = recorded();
  add('a');
  add('b');
  const first = inFlight.nextPing(0) ?? '';
  add('c');
  expect(inFlight.nextPing(1)).toBeUndefined();
  expect(inFlight.answered('another')).toBe(false);
  expect(inFlight.answered(first)).toBe(true);
  expect(settled).toEqual(['a', 'b']);
  expect(inFlight.waiting).toBe(true);
  expect(inFlight.answered(inFlight.nextPing(2) ?? '')).toBe(true);
  expect(settled).toEqual(['a', 'b', 'c']);
  expect(inFlight.nextPing(3)).toBeUndefined();
  expect(inFlight.nextPing(3, true)).toBeDefined();
});

test('a message that its receiver returns fails alone, and the rest fails together at the end', () => {
  const { inFlight, settled, add } = recorded();
  add('a');
  add('b');
  inFlight.nextPing(0);
  add('c');
  const nobody = new AppError('refused', 'nobody');
  expect(inFlight.returned('other@xmpp.test b', nobody)).toBe(false);
  expect(inFlight.returned('op@xmpp.test b', nobody)).toBe(true);
  expect(inFlight.returned('op@xmpp.test b', gone)).toBe(false);
  expect(inFlight.size).toBe(2);
  inFlight.failAll(gone);
  expect(settled).toEqual(['b: nobody', 'a: gone', 'c: gone']);
  expect(inFlight.pingedAt).toBeUndefined();
});

test('of two stanzas with one key the first one is returned first', () => {
  const { inFlight, settled, add } = recorded();
  add('a');
  add('a');
  expect(inFlight.returned('op@xmpp.test a', gone)).toBe(true);
  expect(settled).toEqual(['a: gone']);
  inFlight.answered(inFlight.nextPing(0) ?? '');
  expect(settled).toEqual(['a: gone', 'a']);
  expect(inFlight.returned('op@xmpp.test a', gone)).toBe(false);
});
