/** /debug/replay: the whole log, folded with the machines of this version. */
import { z } from '@hono/zod-openapi';
import { replayLog } from '../../replay/whole-log.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { jsonLines } from '../frame/json-lines.ts';
import { tooMany } from '../frame/problem.ts';
import { MAX_POSITION_CHARACTERS, positionOf } from '../frame/reading.ts';

const MAX_NAME_CHARACTERS = 64;
/** Retry-After while another replay runs. */
const RETRY_AFTER_S = 10;

export function addWholeReplayEndpoint(api: Api, access: Access<null>): void {
  const { store, snapshotOf, logger } = api.deps;
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
        'Lines of JSON: `progress`, each fact that does not fit (`unfit`), each stored snapshot that differs (`snapshot`), at the end `done`, or `{ "kind": "error", "detail": … }` if it broke off. One replay runs at a time; it ends when the caller hangs up.',
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
    async ({ query: { tenant, from: text }, hangUp }) => {
      const from = positionOf(store, text, 'from') ?? undefined;
      if (running) return tooMany('another replay is running', RETRY_AFTER_S);
      running = true;
      const onEnd = (): void => {
        running = false;
      };
      const reports = replayLog(store, { tenant, from, snapshotOf });
      const stream = jsonLines(reports, { hangUp, logger, onEnd });
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
