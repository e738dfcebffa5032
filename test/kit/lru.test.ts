import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lru } from '../../src/kit/lru.ts';

test('keeps the entries that were used last, whatever was set, read and deleted', () => {
  const key = fc.integer({ min: 0, max: 9 }).map(String);
  const step = fc.record({ what: fc.constantFrom('set', 'get', 'peek', 'delete'), key });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 6 }),
      fc.array(step, { maxLength: 200 }),
      (most, steps) => {
        const evicted: string[] = [];
        const lru = new Lru<string>(most, (name) => evicted.push(name));
        /** The oldest first. */
        let model: string[] = [];
        const dropped: string[] = [];
        for (const { what, key: name } of steps) {
          if (what === 'get') {
            expect(lru.get(name)).toBe(model.includes(name) ? name : undefined);
            if (model.includes(name)) model = [...model.filter((one) => one !== name), name];
          } else if (what === 'peek') {
            expect(lru.peek(name)).toBe(model.includes(name) ? name : undefined);
          } else {
            model = model.filter((one) => one !== name);
            if (what === 'delete') lru.delete(name);
            else {
              lru.set(name, name);
              model.push(name);
              if (model.length > most) dropped.push(model.shift() ?? '');
            }
          }
          expect([...lru.entries()].map(([one]) => one)).toEqual(model);
        }
        expect(evicted).toEqual(dropped);
      },
    ),
  );
});
