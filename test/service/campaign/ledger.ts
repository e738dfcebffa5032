/** Messages that were promised (a 202, an acknowledgement), and what the receivers got. */
import type { Callback } from '../../../src/lhc/types.ts';
import type { Lhc } from '../../support/lhc.ts';

export interface Sent {
  readonly visitor: string;
  readonly id: string;
  readonly body: string;
  /** The sender has the 202, or ejabberd's acknowledgement. */
  promised: boolean;
  /** It was not promised, and its sender does not repeat it. */
  givenUp: boolean;
}

export interface Received {
  readonly id: string;
  readonly body: string;
}

export interface Ledger {
  readonly byVisitors: readonly Sent[];
  readonly byOperators: readonly Sent[];
  /** The number of promised messages, both ways. */
  promised(): number;
  visitorSends(visitor: string, id: string, body: string): Sent;
  operatorSends(visitor: string, id: string, body: string): Sent;
  serviceIsKilled(): void;
  ejabberdIsKilled(): void;
  /** Ids of visitors' messages in flight: sent, and LHC has no outcome yet. */
  inFlight(): ReadonlySet<string>;
  /** Messages that have not arrived, for an error. */
  missing(): string[];
  report(): Report;
}

export interface Report {
  readonly faults: readonly string[];
  readonly toOperators: { readonly promised: number; readonly arrived: number };
  readonly toLhc: { readonly promised: number; readonly arrived: number };
  /** Copies beyond the first. */
  readonly repeatedStanzas: number;
  readonly repeatedCallbacks: number;
  /** The most copies of one lane after one kill. */
  readonly repeatedCallbacksOfALane: number;
  readonly inFlightAtEjabberdKills: readonly number[];
}

/** The effects that a lane may repeat after a kill (docs/architecture.md, Lanes). */
const LANE_PROGRESS = 32;

const countBy = <T>(items: Iterable<T>, key: (item: T) => string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
};

/** The visitor or operator whose lane sent a callback. */
const laneOf = ({ data }: Callback): string =>
  'visitor' in data ? `visitor ${data.visitor}` : `operator ${data.operator.username}`;

/** @param received every message stanza that each operator's client got, in order, of all its sessions */
export function createLedger(options: {
  readonly lhc: Lhc;
  readonly received: () => readonly (readonly Received[])[];
}): Ledger {
  const { lhc, received } = options;
  /** Earlier callbacks do not count: this ledger does not know the kills before it. */
  const begun = lhc.requests.length;
  /** The number of callbacks at each kill of the service. */
  const serviceKills: number[] = [];
  const byVisitors: Sent[] = [];
  const byOperators: Sent[] = [];
  /** Messages in flight at each kill of ejabberd. */
  const ejabberdKills: ReadonlySet<string>[] = [];

  const note = (list: Sent[]) => (visitor: string, id: string, body: string) => {
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
  const operatorsWords = () =>
    lhc
      .accepted()
      .flatMap((callback) =>
        callback.type === 'chat.message' || callback.type === 'visitor.invited' ? [callback] : [],
      );
  const unarrived = (list: readonly Sent[], arrived: Iterable<string>): Sent[] => {
    const ids = new Set(arrived);
    return list.filter((sent) => sent.promised && !ids.has(sent.id));
  };
  const atOperators = () => received().flatMap((each) => each.map(({ id }) => id));
  const atLhc = () => operatorsWords().map(({ data }) => data.message.id);

  /** The first arrivals of one conversation are in the order in which they were sent. */
  function disorder(what: string, list: readonly Sent[], arrived: readonly string[]): string[] {
    const faults: string[] = [];
    for (const [visitor, ofVisitor] of Map.groupBy(list, (sent) => sent.visitor)) {
      const order = new Map(ofVisitor.map(({ id }, index) => [id, index]));
      const firsts = [...new Set(arrived)].flatMap((id) => order.get(id) ?? []);
      const wrong = firsts.find((place, index) => place < (firsts[index - 1] ?? -1));
      if (wrong !== undefined) {
        faults.push(`${what} of ${visitor} out of order at ${ofVisitor[wrong]?.id}`);
      }
    }
    return faults;
  }

  /** How often a visitor's chats went from one operator to another. */
  const takenFrom = () =>
    countBy(
      lhc.accepted().flatMap(({ type, data }) => (type === 'chat.transferred' ? [data] : [])),
      ({ visitor }) => visitor,
    );

  function stanzas(faults: string[]): number {
    let repeated = 0;
    const visitors = new Map(byVisitors.map(({ id, visitor }) => [id, visitor]));
    const taken = takenFrom();
    const check = (ids: readonly string[], more: (id: string) => number): void => {
      for (const [id, copies] of countBy(ids, (each) => each)) {
        const may = 1 + ejabberdKills.filter((flying) => flying.has(id)).length + more(id);
        // The service's own lines have no outcome, so it is unknown whether they were in flight at a kill of ejabberd.
        const notice = /^(notice|intro|history)-/.test(id) && ejabberdKills.length > 0;
        if (copies > may && !notice) faults.push(`${id} was shown ${copies} times, not ${may}`);
      }
    };
    // One operator gets a message once. Another operator gets it too if the chat moved before its delivery.
    for (const each of received()) {
      const ids = each.map(({ id }) => id);
      check(ids, () => 0);
      repeated += ids.length - new Set(ids).size;
    }
    check(
      atOperators().filter((id) => visitors.has(id)),
      (id) => taken.get(visitors.get(id) ?? '') ?? 0,
    );
    return repeated;
  }

  function callbacks(faults: string[]): { repeated: number; ofALane: number } {
    const seen = new Set<string>();
    const ofLanes = new Map<string, number>();
    let repeated = 0;
    for (const [index, { callback }] of lhc.requests.entries()) {
      if (!callback) continue;
      if (seen.has(callback.id) && index >= begun) {
        const kill = serviceKills.filter((before) => before <= index).length;
        const lane = `${laneOf(callback)} after kill ${kill}`;
        ofLanes.set(lane, (ofLanes.get(lane) ?? 0) + 1);
        repeated += 1;
        if (kill === 0) {
          faults.push(`${callback.type} ${callback.id} was repeated, and nothing was killed`);
        }
      }
      seen.add(callback.id);
    }
    for (const [lane, count] of ofLanes) {
      if (count > LANE_PROGRESS) faults.push(`${count} callbacks of ${lane} were repeated`);
    }
    // A receiver cannot recognise the same event under two ids.
    const news = lhc
      .accepted()
      .filter(({ type }) => type !== 'operator.alive' && type !== 'operator.typing');
    for (const [what, count] of countBy(news.filter(isOnce), newsOf)) {
      if (count > 1) faults.push(`${what} was told under ${count} ids`);
    }
    // A chat is assigned again only after it was taken from an operator, who went offline for example.
    const taken = countBy(
      news.filter(({ type }) => type === 'chat.transferred'),
      chatOf,
    );
    for (const type of ['chat.assigned', 'chat.accepted'] as const) {
      const given = news.filter((callback) => callback.type === type);
      for (const [chat, count] of countBy(given, chatOf)) {
        if (count > 1 + (taken.get(chat) ?? 0)) {
          faults.push(`${type} ${chat} was told under ${count} ids`);
        }
      }
    }
    return { repeated, ofALane: Math.max(0, ...ofLanes.values()) };
  }

  return {
    byVisitors,
    byOperators,
    promised: () => [...byVisitors, ...byOperators].filter((sent) => sent.promised).length,
    visitorSends: note(byVisitors),
    operatorSends: note(byOperators),
    serviceIsKilled: () => void serviceKills.push(lhc.requests.length),
    ejabberdIsKilled: () => void ejabberdKills.push(inFlight()),
    inFlight,
    missing: () => [
      ...unarrived(byVisitors, atOperators()).map(({ id }) => `${id} at an operator`),
      ...unarrived(byOperators, atLhc()).map(({ id }) => `${id} at LHC`),
      ...unarrived(
        byVisitors,
        outcomes().map(({ data }) => data.messageId),
      ).map(({ id }) => `the outcome of ${id} at LHC`),
    ],
    report() {
      const faults: string[] = [];
      const bodies = new Map([...byVisitors, ...byOperators].map(({ id, body }) => [id, body]));
      const arrivals = [...received().flat(), ...operatorsWords().map(({ data }) => data.message)];
      for (const { id, body } of arrivals) {
        if (bodies.has(id) && bodies.get(id) !== body) faults.push(`${id} has another text`);
      }
      for (const { data, type } of outcomes()) {
        if (type === 'message.failed') faults.push(`${data.messageId} failed: ${data.reason}`);
      }
      const unsigned = lhc.requests.filter(({ signed, callback }) => !signed || !callback);
      if (unsigned.length > 0) faults.push(`${unsigned.length} callbacks not signed rightly`);
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
      const side = (list: readonly Sent[], arrived: readonly string[]) => ({
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

/** Events that can happen only once. */
const isOnce = ({ type }: Callback): boolean =>
  ['chat.message', 'message.delivered', 'chat.closed'].includes(type);

const chatOf = ({ data }: Callback): string => ('chatId' in data ? String(data.chatId) : '');

function newsOf(callback: Callback): string {
  const { type, data } = callback;
  if ('messageId' in data) return `${type} ${data.messageId}`;
  if ('message' in data) return `${type} ${data.message.id}`;
  return `${type} ${chatOf(callback)}`;
}
