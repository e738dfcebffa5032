import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createInFlight } from '../../../src/xmpp/sessions/in-flight.ts';

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
      { id: name, to: 'op@xmpp.test' },
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
  expect(inFlight.returned({ id: 'b', to: 'other@xmpp.test' }, nobody)).toBe(false);
  expect(inFlight.returned({ id: 'b', to: 'op@xmpp.test' }, nobody)).toBe(true);
  expect(inFlight.returned({ id: 'b', to: 'op@xmpp.test' }, gone)).toBe(false);
  inFlight.failAll(gone);
  expect(settled).toEqual(['b: nobody', 'a: gone', 'c: gone']);
  expect(inFlight.pingedAt).toBeUndefined();
});
