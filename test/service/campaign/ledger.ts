/** Compares the promised messages (a 202, an acknowledgement) with the messages that arrived at their receivers. */
import type { Callback } from '../../../src/lhc/callback-types.ts';
import type { Lhc } from '../../support/lhc.ts';

export interface SentMessage {
  readonly visitor: string;
  readonly id: string;
  readonly body: string;
  /** The sender saw a 202, or ejabberd's acknowledgement. */
  promised: boolean;
  /** The message was not promised, and the sender does not send it again. */
  givenUp: boolean;
}

export interface ReceivedMessage {
  readonly id: string;
  readonly body: string;
}

export interface Ledger {
  readonly byVisitors: readonly SentMessage[];
  readonly byOperators: readonly SentMessage[];
  /** The number of promised messages, both ways. */
  promised(): number;
  visitorSends(visitor: string, id: string, body: string): SentMessage;
  operatorSends(visitor: string, id: string, body: string): SentMessage;
  serviceIsKilled(): void;
  /**
   * A paused process may hold a request that its sender has given up, and carries it out after the pause. Nobody promised
   * such a message, so its order is not checked.
   */
  serviceIsPaused(): void;
  ejabberdIsKilled(): void;
  /** Ids of visitors' messages that were sent, but whose outcome LHC does not know yet. */
  inFlight(): ReadonlySet<string>;
  /** The promised messages that have not arrived yet, for an error. */
  missing(): string[];
  report(): Report;
}

export interface Report {
  readonly faults: readonly string[];
  readonly toOperators: { readonly promised: number; readonly arrived: number };
  readonly toLhc: { readonly promised: number; readonly arrived: number };
  /** The number of copies after the first. */
  readonly repeatedStanzas: number;
  readonly repeatedCallbacks: number;
  /** The most repeats of one lane after one kill. */
  readonly repeatedCallbacksOfALane: number;
  readonly inFlightAtEjabberdKills: readonly number[];
}

/** The most effects that a lane repeats after a kill (docs/architecture.md, Lanes). */
const LANE_PROGRESS = 32;

const countBy = <T>(items: Iterable<T>, key: (item: T) => string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
};

/** The visitor or operator to whose lane the callback belongs. */
const laneOf = ({ data }: Callback): string =>
  'visitor' in data ? `visitor ${data.visitor}` : `operator ${data.operator.username}`;

/** @param received for each operator, every message stanza of all their sessions, in order */
export function createLedger(options: {
  readonly lhc: Lhc;
  readonly received: () => readonly (readonly ReceivedMessage[])[];
}): Ledger {
  const { lhc, received } = options;
  /** Repeats among the requests before this one are not counted, because the kills until now are unknown here. */
  const firstRequest = lhc.requests.length;
  /** For each kill of the service, the number of callbacks before it. */
  const serviceKills: number[] = [];
  const byVisitors: SentMessage[] = [];
  const byOperators: SentMessage[] = [];
  /** For each kill of ejabberd, the messages in flight. */
  const ejabberdKills: ReadonlySet<string>[] = [];

  const record = (list: SentMessage[]) => (visitor: string, id: string, body: string) => {
    const sent = { visitor, id, body, promised: false, givenUp: false };
    list.push(sent);
    return sent;
  };
  const outcomes = () =>
    lhc
      .accepted()
      .flatMap((callback) =>
        callback.type === 'message.delivered' || callback.type === 'message.failed'
          ? [callback]
          : [],
      );
  function inFlight(): ReadonlySet<string> {
    const settled = new Set(outcomes().map(({ data }) => data.messageId));
    const open = byVisitors.filter(({ id, givenUp }) => !givenUp && !settled.has(id));
    return new Set(open.map(({ id }) => id));
  }
  const operatorMessages = () =>
    lhc
      .accepted()
      .flatMap((callback) =>
        callback.type === 'chat.message' || callback.type === 'visitor.invited' ? [callback] : [],
      );
  const notArrived = (list: readonly SentMessage[], arrived: Iterable<string>): SentMessage[] => {
    const ids = new Set(arrived);
    return list.filter((sent) => sent.promised && !ids.has(sent.id));
  };
  const atOperators = () => received().flatMap((each) => each.map(({ id }) => id));
  const atLhc = () => operatorMessages().map(({ data }) => data.message.id);

  let paused = false;

  /** Checks that the first arrivals of one visitor's messages are in the order in which they were sent. */
  function disorder(
    what: string,
    list: readonly SentMessage[],
    arrived: readonly string[],
  ): string[] {
    const faults: string[] = [];
    const ordered = list.filter(({ givenUp }) => !(paused && givenUp));
    for (const [visitor, ofVisitor] of Map.groupBy(ordered, (sent) => sent.visitor)) {
      const order = new Map(ofVisitor.map(({ id }, index) => [id, index]));
      const firsts = [...new Set(arrived)].flatMap((id) => order.get(id) ?? []);
      for (const [index, place] of firsts.entries()) {
        const before = ofVisitor[firsts[index - 1] ?? -1];
        const late = ofVisitor[place];
        if (!before || !late || place > (firsts[index - 1] ?? -1)) continue;
        const state = late.givenUp ? ' (its sender had given it up)' : '';
        faults.push(`${what} of ${visitor} out of order: ${late.id}${state} after ${before.id}`);
      }
    }
    return faults;
  }

  /** By visitor: how often a chat was taken from its owner and given to another operator. */
  const transfersByVisitor = () =>
    countBy(
      lhc.accepted().flatMap(({ type, data }) => (type === 'chat.transferred' ? [data] : [])),
      ({ visitor }) => visitor,
    );

  function stanzas(faults: string[]): number {
    let repeated = 0;
    const visitors = new Map(byVisitors.map(({ id, visitor }) => [id, visitor]));
    const transfers = transfersByVisitor();
    const check = (ids: readonly string[], extra: (id: string) => number): void => {
      for (const [id, copies] of countBy(ids, (each) => each)) {
        const most = 1 + ejabberdKills.filter((flying) => flying.has(id)).length + extra(id);
        // Lines that the service writes have no outcome. After a kill of ejabberd nobody knows if they were in flight.
        const notice = /^line-/.test(id) && ejabberdKills.length > 0;
        if (copies > most && !notice)
          faults.push(`${id} arrived ${copies} times, but at most ${most} are allowed`);
      }
    };
    // One operator sees a message once. Another operator sees it too if they got the chat before it was delivered.
    for (const each of received()) {
      const ids = each.map(({ id }) => id);
      check(ids, () => 0);
      repeated += ids.length - new Set(ids).size;
    }
    check(
      atOperators().filter((id) => visitors.has(id)),
      (id) => transfers.get(visitors.get(id) ?? '') ?? 0,
    );
    return repeated;
  }

  function callbacks(faults: string[]): { repeated: number; ofALane: number } {
    const seen = new Set<string>();
    const repeatsByLane = new Map<string, number>();
    let repeated = 0;
    for (const [index, { callback }] of lhc.requests.entries()) {
      if (!callback) continue;
      if (seen.has(callback.id) && index >= firstRequest) {
        const kill = serviceKills.filter((before) => before <= index).length;
        const lane = `${laneOf(callback)} after kill ${kill}`;
        repeatsByLane.set(lane, (repeatsByLane.get(lane) ?? 0) + 1);
        repeated += 1;
        if (kill === 0) {
          faults.push(`${callback.type} ${callback.id} was repeated although nothing was killed`);
        }
      }
      seen.add(callback.id);
    }
    for (const [lane, count] of repeatsByLane) {
      if (count > LANE_PROGRESS) faults.push(`${count} callbacks of ${lane} were repeated`);
    }
    // A receiver cannot recognise a repeat that has another id.
    const news = lhc
      .accepted()
      .filter(({ type }) => type !== 'operator.alive' && type !== 'operator.typing');
    for (const [what, count] of countBy(news.filter(isOnce), newsOf)) {
      if (count > 1) faults.push(`${what} was reported under ${count} ids`);
    }
    // A chat is assigned again only after it was taken from its owner (who went offline, for example).
    const transfers = countBy(
      news.filter(({ type }) => type === 'chat.transferred'),
      chatOf,
    );
    for (const type of ['chat.assigned', 'chat.accepted'] as const) {
      const callbacksOfType = news.filter((callback) => callback.type === type);
      for (const [chat, count] of countBy(callbacksOfType, chatOf)) {
        if (count > 1 + (transfers.get(chat) ?? 0)) {
          faults.push(`${type} ${chat} was reported under ${count} ids`);
        }
      }
    }
    return { repeated, ofALane: Math.max(0, ...repeatsByLane.values()) };
  }

  return {
    byVisitors,
    byOperators,
    promised: () => [...byVisitors, ...byOperators].filter((sent) => sent.promised).length,
    visitorSends: record(byVisitors),
    operatorSends: record(byOperators),
    serviceIsKilled: () => void serviceKills.push(lhc.requests.length),
    serviceIsPaused() {
      paused = true;
      serviceKills.push(lhc.requests.length); // its lanes are taken over as after a kill
    },
    ejabberdIsKilled: () => void ejabberdKills.push(inFlight()),
    inFlight,
    missing: () => [
      ...notArrived(byVisitors, atOperators()).map(({ id }) => `${id} at an operator`),
      ...notArrived(byOperators, atLhc()).map(({ id }) => `${id} at LHC`),
      ...notArrived(
        byVisitors,
        outcomes().map(({ data }) => data.messageId),
      ).map(({ id }) => `the outcome of ${id} at LHC`),
    ],
    report() {
      const faults: string[] = [];
      const bodies = new Map([...byVisitors, ...byOperators].map(({ id, body }) => [id, body]));
      const arrivals = [
        ...received().flat(),
        ...operatorMessages().map(({ data }) => data.message),
      ];
      for (const { id, body } of arrivals) {
        if (bodies.has(id) && bodies.get(id) !== body) faults.push(`${id} has another text`);
      }
      for (const { data, type } of outcomes()) {
        if (type === 'message.failed') faults.push(`${data.messageId} failed: ${data.reason}`);
      }
      const unsigned = lhc.requests.filter(({ signed, callback }) => !signed || !callback);
      if (unsigned.length > 0) faults.push(`${unsigned.length} callbacks had no valid signature`);
      faults.push(
        ...this.missing(),
        ...received().flatMap((each) =>
          disorder(
            'messages',
            byVisitors,
            each.map(({ id }) => id),
          ),
        ),
        ...disorder('answers', byOperators, atLhc()),
      );
      const repeatedStanzas = stanzas(faults);
      const { repeated, ofALane } = callbacks(faults);
      const side = (list: readonly SentMessage[], arrived: readonly string[]) => ({
        promised: list.filter((sent) => sent.promised).length,
        arrived: list.filter(({ id }) => arrived.includes(id)).length,
      });
      return {
        faults,
        toOperators: side(byVisitors, atOperators()),
        toLhc: side(byOperators, atLhc()),
        repeatedStanzas,
        repeatedCallbacks: repeated,
        repeatedCallbacksOfALane: ofALane,
        inFlightAtEjabberdKills: ejabberdKills.map(({ size }) => size),
      };
    },
  };
}

/** True for callbacks whose event can happen only once. */
const isOnce = ({ type }: Callback): boolean =>
  ['chat.message', 'message.delivered', 'chat.closed'].includes(type);

const chatOf = ({ data }: Callback): string => ('chatId' in data ? String(data.chatId) : '');

function newsOf(callback: Callback): string {
  const { type, data } = callback;
  if ('messageId' in data) return `${type} ${data.messageId}`;
  if ('message' in data) return `${type} ${data.message.id}`;
  return `${type} ${chatOf(callback)}`;
}
