import { describe, expect, test } from 'vitest';
import { lineOf, pathText, type TreeNode, treeOf } from '../../console/src/stream/context-tree.ts';

/** Key, mark and value of each part, deep. */
const told = ({ key, mark, value, before, parts }: TreeNode): unknown =>
  parts
    ? [key, mark, parts.map(told)]
    : before === undefined
      ? [key, mark, value]
      : [key, mark, before, value];

const parts = (node: TreeNode): unknown[] => (node.parts ?? []).map(told);

describe('a value with changes', () => {
  test('nothing changed', () => {
    const tree = treeOf({ a: 1, b: { c: [] } }, []);
    expect(parts(tree)).toEqual([
      ['a', null, 1],
      ['b', null, [['c', null, []]]],
    ]);
    expect(tree.isTouched).toBe(false);
  });

  test('what is new, what is gone and what is changed, each at its place', () => {
    const tree = treeOf({ kept: 1, chat: { id: 'c1', operator: 'ann' }, fresh: true }, [
      { path: ['chat', 'operator'], before: null, after: 'ann' },
      { path: ['chat', 'draft'], before: 'x' },
      { path: ['fresh'], after: true },
    ]);
    expect(parts(tree)).toEqual([
      ['kept', null, 1],
      [
        'chat',
        null,
        [
          ['id', null, 'c1'],
          ['operator', 'changed', null, 'ann'],
          ['draft', 'removed', 'x'],
        ],
      ],
      ['fresh', 'added', true],
    ]);
    expect(tree.parts?.map(({ isTouched }) => isTouched)).toEqual([false, true, true]);
  });

  test('a list that lost entries at its front: they stand before what has their place now', () => {
    const tree = treeOf({ list: ['c', 'd'] }, [
      { path: ['list', 0], before: 'a' },
      { path: ['list', 1], before: 'b' },
      { path: ['list', 1], after: 'd' },
    ]);
    expect(parts(tree)).toEqual([
      [
        'list',
        null,
        [
          [0, 'removed', 'a'],
          [1, 'removed', 'b'],
          [0, null, 'c'],
          [1, 'added', 'd'],
        ],
      ],
    ]);
  });

  test('a whole object that came or went shows what is in it', () => {
    const tree = treeOf({ chat: null, next: { id: 1 } }, [
      { path: ['chat'], before: { id: 'c1' }, after: null },
      { path: ['next'], after: { id: 1 } },
    ]);
    expect(parts(tree)).toEqual([
      ['chat', 'changed', { id: 'c1' }, null],
      ['next', 'added', [['id', null, 1]]],
    ]);
  });

  test('a context that changed as a whole', () => {
    expect(treeOf({ a: 1 }, [{ path: [], before: {}, after: { a: 1 } }])).toMatchObject({
      mark: 'changed',
      isTouched: true,
    });
  });
});

test('paths as people write them', () => {
  expect(pathText(['chat', 'offeredTo', 0, 'a-b'])).toBe('chat.offeredTo[0]["a-b"]');
});

test('a long value is cut', () => {
  expect(lineOf(['abcdef'], 100)).toBe('["abcdef"]');
  expect(lineOf(['abcdef'], 5)).toBe('["ab…');
});
