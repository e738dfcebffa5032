/** State charts of the real machines, laid out. */
import { describe, expect, test } from 'vitest';
import { activeIds, regionsNow } from '../../console/src/stream/chart/active.ts';
import {
  type Box,
  type Drawing,
  everywhere,
  layOut,
  pathOf,
  textOf,
} from '../../console/src/stream/chart/layout.ts';
import { ACTOR_KINDS, machineOf } from '../../src/replay/machines.ts';

const overlap = (a: Box, b: Box): boolean =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2;

describe.each(ACTOR_KINDS)('the chart of a %s', (kind) => {
  const { regions, anywhere } = machineOf(kind);
  const drawn = Promise.all(regions.map(layOut));
  const each = async () =>
    (await drawn).map((drawing, index): [Drawing, (typeof regions)[number]] => {
      const region = regions[index];
      if (!drawing || !region) throw new Error('a region without states');
      return [drawing, region];
    });

  test('has each state once, with room for its lines, and none lies over another', async () => {
    for (const [{ boxes, width, height }, { states }] of await each()) {
      const ids = boxes.filter((box) => box.kind === 'state').map(({ id }) => id);
      expect(ids.toSorted()).toEqual(states.map(({ id }) => id).toSorted());
      for (const [index, box] of boxes.entries()) {
        expect(box.x + box.width / 2).toBeLessThanOrEqual(width);
        expect(box.y + box.height / 2).toBeLessThanOrEqual(height);
        expect(boxes.slice(index + 1).some((other) => overlap(box, other))).toBe(false);
      }
    }
  });

  test('has each transition once', async () => {
    const shown = (await each()).flatMap(([{ boxes, arrows }]) =>
      [...boxes, ...arrows].flatMap(({ lines }) => lines.map(({ transition }) => transition.id)),
    );
    const all = [...anywhere, ...regions.flatMap(({ transitions }) => transitions)];
    const inEvery = everywhere({ regions, anywhere }).map(({ transition }) => transition.id);
    expect([...shown, ...inEvery].toSorted()).toEqual(all.map(({ id }) => id).toSorted());
  });

  test('has an arrow for each that leaves its state, and one to the initial state', async () => {
    for (const [{ arrows, boxes }, { states }] of await each()) {
      const ids = new Set(boxes.map(({ id }) => id));
      for (const { from, to, points } of arrows) {
        expect([ids.has(from), ids.has(to), pathOf(points)]).toEqual([
          true,
          true,
          expect.stringMatching(/^M [\d.]+ [\d.]+ [QL] /),
        ]);
      }
      const start = arrows.find(({ from }) => from === '.');
      expect(states.find(({ initial }) => initial)?.id).toBe(start?.to);
    }
  });
});

test('a transition says its cause, its guard, and whether it enters its state anew', () => {
  const [presence] = machineOf('visitor').regions;
  const texts = presence?.transitions.map(textOf);
  expect(texts).toEqual(
    expect.arrayContaining([
      'PageViewed ↻',
      'TimedOut',
      'ChatUnassigned [isAnswered] ↻',
      'after cleanupAfter [noOpenChat]',
    ]),
  );
  const always = machineOf('operator').regions.flatMap(({ transitions }) =>
    transitions.map(textOf),
  );
  expect(always).toContain('at once [isAvailable]');
});

describe('what is active', () => {
  test('in several regions, and in one', () => {
    const visitor = machineOf('visitor');
    const value = { presence: 'online', conversation: 'none', offer: 'open' };
    expect([...activeIds(visitor, value)]).toEqual(
      expect.arrayContaining(['visitor.presence.online', 'visitor.conversation.none']),
    );
    expect(regionsNow(visitor, activeIds(visitor, value), []).map(({ active }) => active)).toEqual([
      ['online'],
      ['none'],
      ['open'],
    ]);
    const operator = machineOf('operator');
    expect([...activeIds(operator, 'away')]).toEqual(['operator.away']);
  });

  test('each region has its transitions, but those that every state accepts', () => {
    const visitor = machineOf('visitor');
    const taken = [
      {
        id: 'visitor.presence.online PageViewed',
        from: 'visitor.presence.online',
        to: 'visitor.presence.online',
      },
      { id: 'visitor LoggedIn', from: 'visitor', to: 'visitor' },
    ];
    expect(regionsNow(visitor, new Set(), taken).map((now) => now.taken.length)).toEqual([1, 0, 0]);
    const operator = machineOf('operator');
    const inEvery = [{ id: 'operator MessageRefused', from: 'operator.away', to: 'operator.away' }];
    expect(everywhere(operator).map(({ transition }) => transition.id)).toContain(inEvery[0]?.id);
    expect(regionsNow(operator, new Set(), inEvery)[0]?.taken).toEqual([]);
  });
});
