/**
 * Visitors and operators together: chats are reserved, assigned, confirmed, revoked and released by processes that
 * overtake each other and stop anywhere (DESIGN.md, Actors). Each command meets whatever the others left.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { operatorDecider, operatorState } from '../../src/actors/operator-decisions.ts';
import { visitorDecider, visitorState } from '../../src/actors/visitor-decisions.ts';
import { AppError } from '../../src/errors.ts';
import {
  changePresence,
  closeChat,
  openSession,
  receive,
  register,
  startChat,
  viewPage,
} from './facts.ts';
import { MemoryStream } from './stream.ts';

const CAPACITY = 2;
const VISITORS = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'];
const OPERATORS = ['op0', 'op1'];

const isRefused = (run: () => unknown): boolean => {
  try {
    run();
    return false;
  } catch (error) {
    if (error instanceof AppError && error.code === 'refused') return true;
    throw error;
  }
};

/** What a process still has to do, one command after the other. */
type Task = Generator<void, void, void>;

class World {
  readonly visitors = new Map(VISITORS.map((name) => [name, new MemoryStream(visitorDecider)]));
  readonly operators = new Map(OPERATORS.map((name) => [name, new MemoryStream(operatorDecider)]));
  readonly tasks: Task[] = [];
  readonly #followed = new Map<string, number>();
  #ids = 0;

  constructor() {
    for (const visitor of this.visitors.values()) visitor.send(viewPage(), 0);
    for (const operator of this.operators.values()) {
      for (const command of [register(CAPACITY), openSession(), changePresence('available')]) {
        operator.send(command, 0);
      }
    }
  }

  visitor(name: string) {
    const stream = this.visitors.get(name);
    if (!stream) throw new Error(`no visitor ${name}`);
    return { stream, send: stream.send.bind(stream), ...visitorState(stream.state.core) };
  }

  operator(name: string) {
    const stream = this.operators.get(name);
    if (!stream) throw new Error(`no operator ${name}`);
    return { send: stream.send.bind(stream), ...operatorState(stream.state.core) };
  }

  start(name: string): void {
    // Chats have ids of their own: LHC never gives one twice.
    if (!this.visitor(name).context.chat) this.visitor(name).send(startChat(`c${this.#ids++}`), 0);
  }

  answer(name: string, operator: string): void {
    isRefused(() => this.visitor(name).send(receive(operator, `o${this.#ids++}`), 0));
  }

  close(name: string): void {
    const { chat } = this.visitor(name).context;
    if (chat) this.visitor(name).send(closeChat(chat.id), 0);
  }

  *route(visitor: string, operator: string): Task {
    const { chat } = this.visitor(visitor).context;
    if (!chat) return;
    const chatId = chat.id;
    const reservation = `r${this.#ids++}`;
    const held = { reservation, visitor, chatId };
    if (isRefused(() => this.operator(operator).send({ type: 'ReserveChat', ...held }, 0))) return;
    yield;
    const assign = { type: 'AssignChat', chatId, operator, reservation, reason: 'routed' } as const;
    const refused = isRefused(() => this.visitor(visitor).send(assign, 0));
    yield;
    if (refused) this.operator(operator).send({ type: 'ReleaseChat', ...held, reason: 'lost' }, 0);
    else isRefused(() => this.operator(operator).send({ type: 'TakeChat', ...held }, 0));
  }

  /** A reservation that is due is settled by asking the visitor's stream. */
  *settle(operator: string): Task {
    for (const [chatId, { visitor, reservation, open }] of Object.entries(
      this.operator(operator).context.chats,
    )) {
      if (open || reservation === null) continue;
      const held = { reservation, visitor, chatId };
      const assigned = isRefused(() =>
        this.visitor(visitor).send({ type: 'RevokeReservation', reservation }, 0),
      );
      yield;
      if (assigned) isRefused(() => this.operator(operator).send({ type: 'TakeChat', ...held }, 0));
      else this.operator(operator).send({ type: 'ReleaseChat', ...held, reason: 'due' }, 0);
      yield;
    }
  }

  /** What follows from a visitor's facts for its operator, in their order. */
  *follow(visitor: string): Task {
    for (;;) {
      const next = this.#followed.get(visitor) ?? 0;
      const { facts } = this.visitor(visitor).stream;
      const fact = facts[next];
      if (!fact) return;
      this.#followed.set(visitor, next + 1);
      if (fact.type !== 'ChatAssigned' && fact.type !== 'ChatClosed') continue;
      const assigned = facts.slice(0, next + 1).findLast((one) => one.type === 'ChatAssigned');
      const { chatId, operator, reservation } = assigned?.data ?? {};
      if (typeof operator !== 'string' || typeof chatId !== 'string') continue;
      if (chatId !== fact.data.chatId) continue;
      const held = { reservation: reservation as string | null, visitor, chatId }; // as its type says
      if (fact.type === 'ChatAssigned') {
        isRefused(() => this.operator(operator).send({ type: 'TakeChat', ...held }, 0));
      } else this.operator(operator).send({ type: 'ReleaseChat', ...held, reason: 'closed' }, 0);
      yield;
    }
  }

  check(): void {
    for (const operator of OPERATORS) {
      const { chats } = this.operator(operator).context;
      const routed = Object.values(chats).filter((chat) => chat.reservation !== null);
      expect(routed.length).toBeLessThanOrEqual(CAPACITY);
    }
    for (const visitor of VISITORS) {
      const { chat } = this.visitor(visitor).context;
      if (!chat?.operator || chat.reservation === null) continue;
      // Assigned by a reservation: that operator holds it, so what is assigned never exceeds the capacity either.
      const held = this.operator(chat.operator).context.chats[chat.id];
      expect(held?.reservation).toBe(chat.reservation);
    }
  }
}

const visitor = fc.constantFrom(...VISITORS);
const operator = fc.constantFrom(...OPERATORS);
const which = fc.nat({ max: 20 });
type Happening = (world: World) => void;

/** Named, so that a counterexample can be read. */
const does = (name: string, happening: Happening): Happening =>
  Object.assign(happening, { [fc.toStringMethod]: () => name });
const weighted = (weight: number, arbitrary: fc.Arbitrary<Happening>) => ({ weight, arbitrary });

/** A new happening, or the next command of one of the tasks, or its end: the process was killed. */
const happening = fc.oneof(
  weighted(
    2,
    visitor.map((v) => does(`start ${v}`, (world) => world.start(v))),
  ),
  weighted(
    1,
    visitor.map((v) => does(`close ${v}`, (world) => world.close(v))),
  ),
  weighted(
    1,
    fc
      .tuple(visitor, operator)
      .map(([v, o]) => does(`${o} answers ${v}`, (world) => world.answer(v, o))),
  ),
  weighted(
    3,
    fc
      .tuple(visitor, operator)
      .map(([v, o]) =>
        does(`route ${v} to ${o}`, (world) => void world.tasks.push(world.route(v, o))),
      ),
  ),
  weighted(
    1,
    operator.map((o) => does(`settle ${o}`, (world) => void world.tasks.push(world.settle(o)))),
  ),
  weighted(
    1,
    which.map((n) =>
      does(`kill task ${n}`, (world) => {
        world.tasks.splice(n % Math.max(1, world.tasks.length), 1);
      }),
    ),
  ),
  weighted(
    8,
    which.map((n) =>
      does(`task ${n} goes on`, (world) => {
        const at = n % Math.max(1, world.tasks.length);
        if (world.tasks[at]?.next().done) world.tasks.splice(at, 1);
      }),
    ),
  ),
  // Facts are followed in order; where one process was killed the next goes on.
  weighted(
    4,
    visitor.map((v) => does(`follow ${v}`, (world) => void world.follow(v).next())),
  ),
);

const finish = (task: Task): void => {
  while (!task.next().done);
};

it('a chat has one owner, capacity is kept and no place is lost, whatever overtakes what', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 120, size: 'max' }), (happenings) => {
      const world = new World();
      for (const happen of happenings) {
        happen(world);
        world.check();
      }
      // Late tasks of the past go on at the very end, after everything was closed and settled.
      for (const name of VISITORS) finish(world.follow(name));
      for (const name of OPERATORS) finish(world.settle(name));
      world.check();
      for (const name of VISITORS) {
        world.close(name);
        finish(world.follow(name));
      }
      for (const task of world.tasks) finish(task);
      for (const name of OPERATORS) {
        finish(world.settle(name));
        expect(world.operator(name).context.chats).toEqual({});
      }
    }),
    { numRuns: 300 },
  );
});
