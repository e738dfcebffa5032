/**
 * Visitors and operators with their streams in memory, and the tasks of routing's processes, one command after the other.
 * At each `yield`, another process may continue, or this one may be killed.
 */
import type { Username, VisitorKey } from '../../src/actors/ids.ts';
import { operatorDecider, operatorState } from '../../src/actors/operator/decisions.ts';
import type { OperatorChat } from '../../src/actors/operator/facts.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { visitorDecider, visitorState } from '../../src/actors/visitor/decisions.ts';
import { isRejected } from '../../src/errors.ts';
import { username, visitorKey } from '../support/names.ts';
import {
  acceptChat,
  changePresence,
  closeChat,
  declineChat,
  OWNER_GRACE,
  openSession,
  receive,
  register,
  viewPage,
} from './facts.ts';
import { MemoryStream } from './stream.ts';

/** The department's capacity: chats of it that routing gives to one operator. */
export const OF_DEPARTMENT = 1;
export const VISITORS = ['v0', 'v1', 'v2', 'v3'].map(visitorKey);
/** Operators with their capacities. There are few, so that commands meet. */
export const CAPACITY: Record<string, number> = { op0: 1, op1: 2 };
export const OPERATORS = Object.keys(CAPACITY).map(username);
export const DEPARTMENTS = ['sales', 'support'];

/** The remaining commands of a process. */
export type Task = Generator<void, void, void>;

export const finish = (task: Task): void => {
  while (!task.next().done);
};

/** True if the command was carried out, false if it was refused. Every other error is a defect. */
const done = (run: () => unknown): boolean => {
  try {
    run();
    return true;
  } catch (error) {
    if (isRejected(error)) return false;
    throw error;
  }
};

interface Held {
  readonly reservation: string | null;
  readonly visitor: VisitorKey;
  readonly chatId: string;
  readonly department: string | null;
  readonly ownerGrace: number;
}

export class World {
  readonly visitors = new Map(VISITORS.map((name) => [name, new MemoryStream(visitorDecider)]));
  readonly operators = new Map(OPERATORS.map((name) => [name, new MemoryStream(operatorDecider)]));
  readonly tasks: Task[] = [];
  /** Reservations of removed operators. Nobody has them any more. */
  readonly voided = new Set<string | null>();
  now = 0;
  #ids = 0;

  constructor() {
    for (const name of VISITORS) this.visitor(name).send(viewPage());
    for (const name of OPERATORS) {
      this.enrol(name);
      this.operator(name).send(openSession());
      this.shows(name, true);
    }
  }

  visitor(name: VisitorKey) {
    const stream = this.visitors.get(name);
    if (!stream) throw new Error(`no visitor ${name}`);
    const send = (command: VisitorCommand) => stream.send(command, this.now);
    return { stream, send, ...visitorState(stream.state.core) };
  }

  operator(name: Username) {
    const stream = this.operators.get(name);
    if (!stream) throw new Error(`no operator ${name}`);
    const send = (command: Parameters<typeof stream.send>[0]) => stream.send(command, this.now);
    return { stream, send, ...operatorState(stream.state.core) };
  }

  /** True if both sides agree about this chat. */
  agree(visitor: VisitorKey, operator: Username, chatId: string): boolean {
    const { chat } = this.visitor(visitor).context;
    const held = this.operator(operator).context.chats[chatId];
    const has = chat?.id === chatId && chat.operator === operator;
    if (!has || !held) return !has && !held;
    return held.open && held.reservation === chat.reservation;
  }

  // Actions of people.

  start(name: VisitorKey, department: string): void {
    if (this.visitor(name).context.chat) return;
    // LHC never uses a chat id twice.
    const chatId = `c${this.#ids++}`;
    const { delays } = this.visitor(name).context;
    this.visitor(name).send({ type: 'StartChat', chatId, department, delays });
  }

  close(name: VisitorKey): void {
    const { chat } = this.visitor(name).context;
    if (chat) this.visitor(name).send(closeChat(chat.id));
  }

  answer(name: VisitorKey, operator: Username): void {
    done(() => this.visitor(name).send(receive(operator, `o${this.#ids++}`)));
  }

  take(name: VisitorKey, operator: Username): void {
    done(() => this.visitor(name).send(acceptChat(operator)));
  }

  decline(name: VisitorKey, operator: Username): void {
    done(() => this.visitor(name).send(declineChat(operator)));
  }

  shows(operator: Username, available: boolean): void {
    this.operator(operator).send(changePresence(available ? 'available' : null));
  }

  enrol(operator: Username): void {
    this.operator(operator).send(register(CAPACITY[operator]));
  }

  remove(operator: Username): void {
    for (const { reservation } of Object.values(this.operator(operator).context.chats)) {
      this.voided.add(reservation);
    }
    done(() => this.operator(operator).send({ type: 'Remove' }));
  }

  /** Offers expire, and operators who are offline are gone. */
  pass(ms: number): void {
    this.now += ms;
    for (const stream of this.visitors.values()) stream.send({ type: 'Wake' }, this.now);
    for (const stream of this.operators.values()) stream.send({ type: 'Wake' }, this.now);
  }

  // Tasks of routing (src/reactors/routing).

  #held<R extends string | null>(
    visitor: VisitorKey,
    chatId: string,
    reservation: R,
    department: string | null,
  ) {
    return { reservation, visitor, chatId, department, ownerGrace: OWNER_GRACE };
  }

  *route(visitor: VisitorKey, operator: Username): Task {
    const { chat } = this.visitor(visitor).context;
    if (!chat || chat.operator !== null) return;
    const { id: chatId, department, searchRevision: search } = chat;
    const reservation = `r${this.#ids++}`;
    const held = this.#held(visitor, chatId, reservation, department);
    const bound = { departmentCapacity: OF_DEPARTMENT };
    const reserve = { type: 'ReserveChat', ...held, ...bound } as const;
    if (!done(() => this.operator(operator).send(reserve))) return;
    yield;
    const reason = 'least-loaded' as const;
    const assign = () =>
      done(() =>
        this.visitor(visitor).send({
          type: 'AssignChat',
          chatId,
          search,
          operator: operator,
          reservation,
          reason,
        }),
      );
    let assigned = assign();
    yield;
    // The answer was lost, so the task sends the command again.
    if (this.#ids % 2 === 0) assigned = assign();
    yield;
    this.#keep(operator, held, assigned);
  }

  #keep(operator: Username, held: Held, has: boolean): void {
    const { send } = this.operator(operator);
    if (has) done(() => send({ type: 'ConfirmChat', ...held }));
    else send({ type: 'ReleaseChat', ...held, reason: 'not assigned' });
  }

  offer(visitor: VisitorKey, operators: readonly Username[]): void {
    const { chat } = this.visitor(visitor).context;
    if (!chat) return;
    const offer = { type: 'OfferChat', chatId: chat.id, operators, reason: 'broadcast' } as const;
    done(() => this.visitor(visitor).send(offer));
  }

  /** A transfer by the owner. A place is reserved first. */
  *transferByOwner(visitor: VisitorKey, operator: Username): Task {
    const { chat } = this.visitor(visitor).context;
    if (!chat?.operator || chat.operator === operator) return;
    const { id: chatId, operator: from, department } = chat;
    const reservation = `transfer:${this.#ids++}`;
    const held = this.#held(visitor, chatId, reservation, department);
    const reserve = { type: 'ReserveChat', ...held, departmentCapacity: null } as const;
    if (!done(() => this.operator(operator).send(reserve))) return;
    yield;
    const to = { operator: operator, department: null, reservation };
    const transferred = done(() =>
      this.visitor(visitor).send({ type: 'TransferChat', chatId, from, ...to }),
    );
    yield;
    this.#keep(operator, held, transferred);
  }

  /** A transfer to a department by the owner, or by LHC to an operator or a department. */
  transfer(
    visitor: VisitorKey,
    by: 'owner' | 'lhc',
    to: { operator: Username | null; department: string | null },
  ): void {
    const { chat } = this.visitor(visitor).context;
    if (!chat) return;
    const from = by === 'owner' ? chat.operator : null;
    const wish = { chatId: chat.id, from, ...to, reservation: null };
    done(() => this.visitor(visitor).send({ type: 'TransferChat', ...wish }));
  }

  /** The operator who was asked is offline, so another one is asked. */
  *askOthers(visitor: VisitorKey): Task {
    const { chat } = this.visitor(visitor).context;
    if (!chat?.operator || chat.accepted) return;
    const { id: chatId, operator } = chat;
    if (this.operator(operator).availability !== 'offline') return;
    yield;
    const reason = 'offline' as const;
    this.visitor(visitor).send({ type: 'UnassignChat', chatId, operator, reason });
  }

  /** Settles a due reservation by a command to the visitor's stream. */
  *settle(operator: Username): Task {
    for (const [chatId, held] of Object.entries(this.operator(operator).context.chats)) {
      const { visitor, reservation, department, open } = held;
      if (open || reservation === null) continue;
      yield;
      const revoked = done(() =>
        this.visitor(visitor).send({ type: 'RevokeReservation', reservation }),
      );
      yield;
      this.#keep(operator, this.#held(visitor, chatId, reservation, department), !revoked);
    }
  }

  /** Repairs the operator's side by the visitor's: confirms, releases, and unassigns chats of operators who are gone. */
  *repair(operator: Username): Task {
    for (const [chatId, held] of Object.entries(this.operator(operator).context.chats)) {
      if (held.open && !this.agree(held.visitor, operator, chatId)) {
        yield;
        this.#release(operator, chatId, held);
      }
    }
    for (const visitor of VISITORS) {
      const { chat } = this.visitor(visitor).context;
      if (chat?.operator !== operator) continue;
      const { id: chatId, reservation, department } = chat;
      const { registered, gone } = this.operator(operator).context;
      yield;
      const reason = registered ? 'owner-gone' : 'operator-removed';
      const unassign = { type: 'UnassignChat', chatId, operator } as const;
      if (gone || !registered) {
        this.visitor(visitor).send({ ...unassign, reason });
        continue;
      }
      const now = this.visitor(visitor).context.chat;
      if (now?.id !== chatId || now.operator !== operator || now.reservation !== reservation) {
        continue;
      }
      const take = this.#held(visitor, chatId, reservation, department);
      if (done(() => this.operator(operator).send({ type: 'ConfirmChat', ...take }))) continue;
      yield;
      this.visitor(visitor).send({ ...unassign, reason: 'operator-removed' });
    }
  }

  #release(operator: Username, chatId: string, { visitor, reservation }: OperatorChat): void {
    const held = { reservation, visitor, chatId, reason: 'not assigned' };
    this.operator(operator).send({ type: 'ReleaseChat', ...held });
  }

  /** Repairs until both sides agree, as routing does when nothing else happens. Returns the number of passes. */
  rest(): number {
    for (const task of this.tasks.splice(0)) finish(task);
    const facts = () =>
      [...this.visitors.values(), ...this.operators.values()].reduce(
        (count, stream) => count + stream.facts.length,
        0,
      );
    for (let sweeps = 1; ; sweeps++) {
      const before = facts();
      for (const name of OPERATORS) {
        finish(this.repair(name));
        finish(this.settle(name));
      }
      if (facts() === before || sweeps > 10) return sweeps;
    }
  }
}
