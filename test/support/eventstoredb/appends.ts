/** Appends by call and by batch, deletions and tombstones. */
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type grpc from '@grpc/grpc-js';
import type { Expected, Log, Outcome, Proposed } from './log.ts';
import {
  appendResp,
  batchAppendResp,
  expectedOf,
  type Failure,
  failures,
  MAX_APPEND_BYTES,
  nameOf,
  proposedOf,
} from './messages.ts';

export interface AppendFaults {
  leader(): { host: string; port: number } | null;
  denied(): boolean;
  /** Resolves when the answer may be sent; false if the answer is lost. */
  answered(peer: string): Promise<boolean>;
}

/** An append that arrives in several messages. */
interface Pending {
  readonly options: streams.BatchAppendReq.Options;
  readonly events: Proposed[];
}

type BatchCall = grpc.ServerDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>;
type AppendCall = grpc.ServerReadableStream<streams.AppendReq, streams.AppendResp>;
type RemoveReq = streams.DeleteReq | streams.TombstoneReq;
type RemoveResp = streams.DeleteResp | streams.TombstoneResp;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The limit counts the data, but not the metadata. */
const isTooLarge = (events: readonly Proposed[]): boolean =>
  events.reduce((sum, { data }) => sum + data.length, 0) > MAX_APPEND_BYTES;

export const createAppender = (log: Log, faults: AppendFaults) => {
  const refused = (): Failure | null => {
    const leader = faults.leader();
    if (leader) return failures.notLeader(leader);
    return faults.denied() ? failures.accessDenied() : null;
  };

  const append = (call: AppendCall, callback: grpc.sendUnaryData<streams.AppendResp>): void => {
    let options: streams.AppendReq.Options | undefined;
    const events: Proposed[] = [];
    call.on('data', (message: streams.AppendReq) => {
      options ??= message.getOptions();
      const proposed = message.getProposedMessage();
      if (proposed) events.push(proposedOf(proposed));
    });
    call.on('end', async () => {
      const refusal = refused();
      if (refusal) return callback(refusal);
      if (!options || isTooLarge(events)) return callback(failures.tooLarge());
      const name = nameOf(options.getStreamIdentifier());
      const expected = expectedOf(options);
      const outcome = log.append(name, expected, events);
      if (!(await faults.answered(call.getPeer()))) return;
      if (outcome.kind === 'stream-deleted') return callback(failures.streamDeleted(name));
      callback(null, appendResp(outcome, expected));
    });
  };

  const write = ({ options, events }: Pending, name: string, expected: Expected) => {
    if (faults.denied()) return { kind: 'access-denied' } as const;
    if (isTooLarge(events)) return { kind: 'too-large' } as const;
    if (!events.every(({ id }) => UUID.test(id))) {
      return { kind: 'bad-request', message: 'Unrecognized Guid format.' } as const;
    }
    const deadline = options.getDeadline();
    if (deadline && deadline.toDate().getTime() < Date.now()) return { kind: 'timeout' } as const;
    return log.append(name, expected, events);
  };

  const batchAppend = (call: BatchCall): void => {
    const pending = new Map<string, Pending>();
    call.on('data', async (message: streams.BatchAppendReq) => {
      const id = message.getCorrelationId();
      const key = id?.getString() ?? '';
      const options = message.getOptions();
      const one = pending.get(key) ?? (options && { options, events: [] });
      if (!one) return;
      pending.set(key, one);
      one.events.push(...message.getProposedMessagesList().map(proposedOf));
      // Further messages of a refused append are ignored.
      if (!message.getIsFinal() && !isTooLarge(one.events)) return;
      pending.delete(key);
      const leader = faults.leader();
      if (leader) return call.emit('error', failures.notLeader(leader));
      const name = nameOf(one.options.getStreamIdentifier());
      const expected = expectedOf(one.options);
      const resp = batchAppendResp(write(one, name, expected), name, expected);
      if (!(await faults.answered(call.getPeer())) || call.cancelled) return;
      call.write(id ? resp.setCorrelationId(id) : resp);
    });
    call.on('end', () => call.end());
  };

  const remove =
    <Resp extends RemoveResp>(forGood: boolean, answer: (outcome: Outcome) => Resp) =>
    (call: grpc.ServerUnaryCall<RemoveReq, Resp>, callback: grpc.sendUnaryData<Resp>): void => {
      const options = call.request.getOptions();
      const refusal = refused();
      if (refusal || !options) {
        callback(refusal);
        return;
      }
      const name = nameOf(options.getStreamIdentifier());
      const expected = expectedOf(options);
      const outcome = log.remove(name, expected, forGood);
      if (outcome.kind === 'success') callback(null, answer(outcome));
      else if (outcome.kind === 'stream-deleted') callback(failures.streamDeleted(name));
      else callback(failures.wrongExpectedVersion(name, expected, outcome.current));
    };

  const at = (outcome: Outcome): string =>
    String(outcome.kind === 'success' ? outcome.position : 0);

  return {
    append,
    batchAppend,
    delete: remove(false, (outcome) => {
      const position = new streams.DeleteResp.Position();
      position.setCommitPosition(at(outcome)).setPreparePosition(at(outcome));
      return new streams.DeleteResp().setPosition(position);
    }),
    tombstone: remove(true, (outcome) => {
      const position = new streams.TombstoneResp.Position();
      position.setCommitPosition(at(outcome)).setPreparePosition(at(outcome));
      return new streams.TombstoneResp().setPosition(position);
    }),
  };
};
