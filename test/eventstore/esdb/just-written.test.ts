import { expect, it } from 'vitest';
import {
  createJustWritten,
  JUST_WRITTEN_MS,
  MOST_JUST_WRITTEN,
} from '../../../src/eventstore/esdb/just-written.ts';

it('knows what was written within the last second', () => {
  let now = 0;
  const streams = createJustWritten(() => now);
  streams.add('new', 0);
  streams.add('a', 3);
  now += JUST_WRITTEN_MS;
  streams.add('b', 1);
  streams.add('c', 1);
  streams.remove('c');
  const known = () => ['new', 'a', 'b', 'c'].filter((stream) => streams.has(stream));
  expect(known()).toEqual(['a', 'b']);
  now += 1;
  expect(known()).toEqual(['b']);
});

it('holds no more than its bound', () => {
  const streams = createJustWritten(() => 0);
  for (let i = 0; i <= MOST_JUST_WRITTEN; i += 1) streams.add(`s${i}`, 1);
  expect([streams.has('s0'), streams.has('s1'), streams.has(`s${MOST_JUST_WRITTEN}`)]).toEqual([
    false,
    true,
    true,
  ]);
});
