/** The tree of what a request caused. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { TraceNode } from '../../console/src/api/types.ts';
import { lengthOf, treeOf } from '../../console/src/trace-tree.ts';

const node = (id: string, parent: string | null, at = 0, ms: number | null = null): TraceNode => ({
  id,
  parent,
  kind: 'fact',
  name: id,
  stream: 'visitor-acme.1',
  revision: 0,
  at,
  ms,
  outcome: null,
  detail: null,
});
const drawn = (nodes: readonly TraceNode[]) =>
  treeOf(nodes).map(({ node: { id }, depth }) => `${'.'.repeat(depth)}${id}`);

it('has each step behind its cause, in the order of time', () => {
  const nodes = [
    node('request', null, 0),
    node('sent', 'request', 1),
    node('xmpp', 'sent', 5),
    node('lhc', 'sent', 3),
    node('attempt', 'xmpp', 6),
    node('second', 'request', 2),
    node('at once', 'request', 2),
  ];
  expect(drawn(nodes)).toEqual([
    'request',
    '.sent',
    '..lhc',
    '..xmpp',
    '...attempt',
    '.second',
    '.at once',
  ]);
});

it('shows what belongs to nobody at the top, and nothing twice', () => {
  expect(drawn([node('a', 'cut'), node('b', 'b'), node('c', 'd'), node('d', 'c')])).toEqual([
    'a',
    'b',
    'c',
    '.d',
  ]);
});

it('says when each step began and how long it took', () => {
  const nodes = [node('a', null, 100, 50), node('b', 'a', 150, 50)];
  expect(treeOf(nodes).map(({ begin, offset, share }) => [begin, offset, share])).toEqual([
    [100, 0, 0.5],
    [100, 0.5, 0.5],
  ]);
  expect(lengthOf(nodes)).toBe(100);
  expect([lengthOf([]), treeOf([])]).toEqual([0, []]);
});

it('shows every node once, whatever the parents are', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const parents = fc.array(fc.constantFrom(null, 'x', ...ids), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(parents, (of) => {
      const nodes = ids.map((id, i) => node(id, of[i] ?? null, i));
      expect(
        treeOf(nodes)
          .map(({ node: { id } }) => id)
          .toSorted(),
      ).toEqual(ids);
    }),
  );
});
