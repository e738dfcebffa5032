/** /debug/replay: the whole log, folded with the machines of this version. */
import { z } from '@hono/zod-openapi';
import { type Report, replayLog } from '../../replay/whole-log.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { tooMany } from '../frame/problem.ts';
import { MAX_POSITION_CHARACTERS, positionOf } from '../frame/reading.ts';

const MAX_NAME_CHARACTERS = 64;
/** Retry-After while another replay runs. */
const RETRY_AFTER_S = 10;

const encoder = new TextEncoder();

/** The reports as lines of JSON, read on as the caller takes them. @param onEnd called once */
function linesOf(reports: AsyncGenerator<Report>, onEnd: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { value, done } = await reports.next();
          if (!done) {
            controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
            return;
          }
          onEnd();
          controller.close();
        } catch (error) {
          onEnd();
          controller.error(error);
        }
      },
      cancel: async () => {
        onEnd();
        await reports.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

export function addWholeReplayEndpoint(api: Api, access: Access<null>): void {
  const { store, snapshotOf } = api.deps;
  /** One at a time: it takes CPU time from everything else. */
  let running = false;

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/replay',
      operationId: 'replay',
      tag: 'Debug',
      summary: 'Folds the whole log with the machines of this version',
      description:
        'Lines of JSON: `progress`, each fact that does not fit (`unfit`), each stored snapshot that differs (`snapshot`), at the end `done`. One replay runs at a time; it ends when the caller hangs up.',
      access,
      query: z.strictObject({
        tenant: z.string().min(1).max(MAX_NAME_CHARACTERS).optional(),
        from: z.string().max(MAX_POSITION_CHARACTERS).optional().openapi({
          description: 'A position; facts after it',
        }),
      }),
      success: {
        status: 200,
        description: 'Reports, until the end of the log',
        type: 'application/x-ndjson',
        schema: z.string(),
      },
      problems: [429],
    },
    async ({ query: { tenant, from: text } }) => {
      const from = positionOf(store, text, 'from') ?? undefined;
      if (running) return tooMany('another replay is running', RETRY_AFTER_S);
      running = true;
      const stream = linesOf(replayLog(store, { tenant, from, snapshotOf }), () => {
        running = false;
      });
      return {
        status: 200,
        type: 'application/x-ndjson',
        // nginx buffers answers without this header.
        headers: { 'X-Accel-Buffering': 'no' },
        stream,
      };
    },
  );
}
