/** The recorded days of the wire of existing installations, as objects (README.md). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One line of a recording. What it has depends on `dir`. */
export interface Recorded {
  readonly n: number;
  readonly dir: 'lhc-to-service' | 'ejabberd-to-lhc' | 'act' | 'db' | 'note';
  readonly step?: string;
  readonly port?: number;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly rpc?: string;
  /** Of a callback in hosting: the host of its address. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answer?: { readonly status?: number; readonly type?: string; readonly body?: string };
}

const read = (name: string): readonly Recorded[] =>
  readFileSync(join(import.meta.dirname, `${name}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line)); // the files are as README.md says

export const day = read('day');
export const hosting = read('hosting');
export const failures = read('failures');

/** The calls of the Node server's API, in order. */
export const apiCalls = (recording: readonly Recorded[]) =>
  recording.flatMap(({ port, path, body, answer, step = '' }) =>
    port === 4567 && path !== undefined && body !== undefined
      ? [{ path, body, step, answer: answer?.body ?? '', type: answer?.type ?? '' }]
      : [],
  );

/** The bodies of those calls. */
export const bodiesOf = (recording: readonly Recorded[]): Record<string, unknown>[] =>
  apiCalls(recording).map(({ body }) => JSON.parse(body));

/** The calls of XML-RPC, in order. */
export const rpcCalls = (recording: readonly Recorded[]) =>
  recording.flatMap(({ n, rpc, body }) =>
    rpc !== undefined && body !== undefined ? [{ n, rpc, body }] : [],
  );

/** The callbacks of ejabberd's older modules, in order. */
export const olderCallbacks = (recording: readonly Recorded[]) =>
  recording.flatMap(({ dir, step = '', path = '', host, headers = {}, body = '' }) =>
    dir === 'ejabberd-to-lhc' ? [{ step, path, host, headers, body }] : [],
  );
