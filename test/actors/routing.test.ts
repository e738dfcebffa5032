/**
 * Visitors and operators together. People and processes reserve, assign, confirm, offer, take, decline, transfer, revoke and
 * release chats. Processes overtake each other and stop anywhere (docs/architecture.md, ADR 0004).
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { load } from '../../src/actors/operator/decisions.ts';
import {
  CAPACITY,
  DEPARTMENTS,
  finish,
  OF_DEPARTMENT,
  OPERATORS,
  type Task,
  VISITORS,
  World,
} from './routing-world.ts';

/** Invariants that hold at each moment. */
function check(world: World): void {
  for (const operator of OPERATORS) {
    const { chats } = world.operator(operator).context;
    const given = Object.values(chats).filter((chat) => chat.reservation !== null);
    expect(given.length).toBeLessThanOrEqual(CAPACITY[operator] ?? 0);
    for (const department of DEPARTMENTS) {
      // Transfers by colleagues may exceed the limit that routing has.
      const routed = given.filter(
        (chat) => chat.department === department && !chat.reservation?.startsWith('transfer:'),
      );
      expect(routed.length).toBeLessThanOrEqual(OF_DEPARTMENT);
    }
  }
  for (const visitor of VISITORS) {
    const { chat } = world.visitor(visitor).context;
    if (!chat) continue;
    // Several operators have offers only while the chat has no operator.
    if (chat.operator !== null) expect(chat.offeredTo).toEqual([]);
    if (!chat.operator || chat.reservation === null || world.voided.has(chat.reservation)) continue;
    // The operator has each reservation that a chat is assigned with. So assignments never exceed the capacity.
    const held = world.operator(chat.operator).context.chats[chat.id];
    expect(held?.reservation).toBe(chat.reservation);
  }
}

/** Invariants of the final state: both sides agree, and no chat belongs to an operator who is gone or removed. */
function checkAtRest(world: World): void {
  check(world);
  for (const operator of OPERATORS) {
    const { chats, registered, gone } = world.operator(operator).context;
    const owned = VISITORS.map((visitor) => ({
      visitor,
      chat: world.visitor(visitor).context.chat,
    }))
      .filter(({ chat }) => chat?.operator === operator)
      .map(({ visitor, chat }) => [chat?.id, visitor, chat?.reservation]);
    const held = Object.entries(chats).map(([id, chat]) => {
      expect(chat.open).toBe(true);
      return [id, chat.visitor, chat.reservation];
    });
    expect(held.sort()).toEqual(owned.sort());
    if (gone || !registered) expect(owned).toEqual([]);
  }
}

/** A chat without an operator is not lost: an operator who is free gets it. */
function giveTheRest(world: World): void {
  for (const visitor of VISITORS) {
    const { chat } = world.visitor(visitor).context;
    if (!chat || chat.operator !== null) continue;
    const free = OPERATORS.find((name) => {
      const { availability, context } = world.operator(name);
      const ofIt = Object.values(context.chats).filter((one) => one.department === chat.department);
      return (
        context.registered &&
        availability === 'available' &&
        load(context) < (CAPACITY[name] ?? 0) &&
        ofIt.length < OF_DEPARTMENT
      );
    });
    if (free === undefined) continue;
    finish(world.route(visitor, free));
    expect(world.visitor(visitor).context.chat?.operator).toBe(free);
    expect(world.agree(visitor, free, chat.id)).toBe(true);
  }
}

type Happening = (world: World) => void;

/** With a name, so that a counterexample is readable. */
const does = (name: string, happening: Happening): Happening =>
  Object.assign(happening, { [fc.toStringMethod]: () => name });

const visitor = fc.constantFrom(...VISITORS);
const operator = fc.constantFrom(...OPERATORS);
const department = fc.constantFrom(...DEPARTMENTS);
const which = fc.nat({ max: 20 });
const pair = fc.tuple(visitor, operator);

const often = (weight: number, arbitrary: fc.Arbitrary<Happening>) => ({ weight, arbitrary });
const begins = (name: string, task: (world: World) => Task): Happening =>
  does(name, (world) => void world.tasks.push(task(world)));

/** A person's action, the start or the next command of a process, or a kill of it. */
const happening: fc.Arbitrary<Happening> = fc.oneof(
  often(
    4,
    fc.tuple(visitor, department).map(([v, d]) => does(`start ${v}`, (w) => w.start(v, d))),
  ),
  often(
    1,
    visitor.map((v) => does(`close ${v}`, (w) => w.close(v))),
  ),
  often(
    2,
    pair.map(([v, o]) => does(`${o} answers ${v}`, (w) => w.answer(v, o))),
  ),
  often(
    1,
    pair.map(([v, o]) => does(`${o} takes ${v}`, (w) => w.take(v, o))),
  ),
  often(
    1,
    pair.map(([v, o]) => does(`${o} declines ${v}`, (w) => w.decline(v, o))),
  ),
  often(
    2,
    fc
      .tuple(visitor, fc.uniqueArray(operator, { minLength: 1 }))
      .map(([v, all]) => does(`offer ${v} to ${all.join()}`, (w) => w.offer(v, all))),
  ),
  often(
    6,
    pair.map(([v, o]) => begins(`route ${v} to ${o}`, (w) => w.route(v, o))),
  ),
  often(
    3,
    pair.map(([v, o]) => begins(`transfer ${v} to ${o}`, (w) => w.transferByOwner(v, o))),
  ),
  often(
    1,
    fc
      .tuple(visitor, fc.constantFrom('owner' as const, 'lhc' as const), department)
      .map(([v, by, d]) =>
        does(`${by} hands ${v} to ${d}`, (w) =>
          w.transfer(v, by, { operator: null, department: d }),
        ),
      ),
  ),
  often(
    1,
    pair.map(([v, o]) =>
      does(`LHC gives ${v} to ${o}`, (w) =>
        w.transfer(v, 'lhc', { operator: o, department: null }),
      ),
    ),
  ),
  often(
    2,
    visitor.map((v) => begins(`ask others for ${v}`, (w) => w.askOthers(v))),
  ),
  often(
    2,
    operator.map((o) => begins(`settle ${o}`, (w) => w.settle(o))),
  ),
  often(
    3,
    operator.map((o) => begins(`repair ${o}`, (w) => w.repair(o))),
  ),
  often(
    2,
    fc
      .tuple(operator, fc.boolean())
      .map(([o, here]) => does(`${o} ${here ? 'comes' : 'goes'}`, (w) => w.shows(o, here))),
  ),
  often(
    1,
    operator.map((o) => does(`remove ${o}`, (w) => w.remove(o))),
  ),
  often(
    1,
    operator.map((o) => does(`enrol ${o}`, (w) => w.enrol(o))),
  ),
  often(
    1,
    fc.constantFrom(20, 61, 91).map((s) => does(`${s} s pass`, (w) => w.pass(s * 1000))),
  ),
  often(
    1,
    which.map((n) =>
      does(`kill task ${n}`, (w) => void w.tasks.splice(n % Math.max(1, w.tasks.length), 1)),
    ),
  ),
  often(
    16,
    which.map((n) =>
      does(`task ${n} goes on`, (w) => {
        const at = n % Math.max(1, w.tasks.length);
        if (w.tasks[at]?.next().done) w.tasks.splice(at, 1);
      }),
    ),
  ),
);

it('a chat has one owner and is never lost, capacities hold, and both sides finally agree, in any order of commands', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 160, size: 'max' }), (happenings) => {
      const world = new World();
      for (const happen of happenings) {
        happen(world);
        check(world);
      }
      const begun = VISITORS.map((name) => world.visitor(name).context.chat?.id);
      // Late tasks continue at the very end.
      expect(world.rest()).toBeLessThan(6);
      checkAtRest(world);
      expect(VISITORS.map((name) => world.visitor(name).context.chat?.id)).toEqual(begun);

      for (const name of OPERATORS) {
        world.enrol(name);
        world.shows(name, true);
      }
      giveTheRest(world);
      for (const stream of world.visitors.values())
        for (const { type } of stream.facts) seen.add(type);
      for (const name of VISITORS) world.close(name);
      world.rest();
      for (const name of OPERATORS) expect(world.operator(name).context.chats).toEqual({});
    }),
    { numRuns: 250 },
  );
  // The runs have covered these facts.
  expect([...seen]).toEqual(
    expect.arrayContaining([
      'ChatOffered',
      'ChatAssigned',
      'ChatAccepted',
      'ChatUnassigned',
      'ChatTransferred',
      'ReservationRevoked',
    ]),
  );
});
