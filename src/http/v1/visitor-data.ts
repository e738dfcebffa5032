/** Everything that is kept about one visitor, for a person who asks for it (docs/operations.md, Erasing a person). */
import { z } from '@hono/zod-openapi';
import {
  generationOf,
  sealingKeyOf,
  streamOf,
  type TenantId,
  VisitorKey,
  visitorJid,
  visitorRef,
} from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import type { Position, RecordedEvent } from '../../eventstore/port.ts';
import { firstEvent } from '../../eventstore/reading.ts';
import { MESSAGE_KINDS } from '../../projections/message-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import type { EndpointDeps } from '../frame/deps.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { jsonLines } from '../frame/json-lines.ts';
import { tooMany } from '../frame/problem.ts';

/** Such answers that are being read at the same time, of all tenants and of one. Each may read the whole log. */
export const DATA_AT_ONCE = 4;
export const DATA_AT_ONCE_OF_TENANT = 1;
/** When a caller may try again, in seconds. */
const RETRY_AFTER_S = 10;
const PAGE_EVENTS = 500;
const PAGE_ROWS = 200;
const PAGE_LETTERS = 200;
/** Facts whose entries in the journal are read together. An effect that was tried for a day has hundreds. */
const JOURNAL_FACTS = 10;

/** Streams beside the visitor's own whose facts may hold something that their data key sealed. */
const OTHER_STREAMS = ['inbox-', 'operator-'];

type Line = { readonly kind: string } & Record<string, unknown>;

export function addVisitorDataEndpoint(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const reading = new Map<TenantId, number>();
  const readingNow = (): number => [...reading.values()].reduce((sum, each) => sum + each, 0);

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/visitors/{key}/data',
      operationId: 'exportVisitor',
      tag: 'Visitors',
      summary: 'Everything that is kept about a visitor',
      description:
        'For a person who asks what is kept about them. One JSON object on each line, with `kind`: `about`, then `fact` (what has happened, with personal data opened; `erased` if it was erased), `journal` (requests and attempts of this process that belong to facts), `visitor`, `chat` and `message` (the rows that queries show), `letter` (dead letters), `other` (what operators wrote that could not be carried out), and `end`. Without `end` the answer is not complete: ask again. It may take minutes on a large log.',
      access,
      params: z.object({ key: VisitorKey }),
      query: z.strictObject({}),
      success: {
        status: 200,
        description: 'JSON lines',
        type: 'application/x-ndjson',
        schema: z.string(),
      },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params: { key }, hangUp }) => {
      const ofTenant = reading.get(tenant.id) ?? 0;
      if (ofTenant >= DATA_AT_ONCE_OF_TENANT || readingNow() >= DATA_AT_ONCE) {
        return tooMany('others are reading the data of a visitor just now', RETRY_AFTER_S);
      }
      reading.set(tenant.id, ofTenant + 1);
      const onEnd = (): void => {
        const left = (reading.get(tenant.id) ?? 1) - 1;
        if (left > 0) reading.set(tenant.id, left);
        else reading.delete(tenant.id);
      };
      try {
        const stream = streamOf(visitorRef(tenant.id, key));
        if (!(await firstEvent(deps.store, stream))) {
          throw new AppError('not-found', 'this visitor is not known');
        }
      } catch (error) {
        onEnd();
        throw error;
      }
      return {
        status: 200,
        type: 'application/x-ndjson',
        headers: { 'X-Accel-Buffering': 'no' },
        stream: jsonLines(dataOf(deps, tenant, key), { hangUp, logger: deps.logger, onEnd }),
      };
    },
  );
}

async function* dataOf(deps: EndpointDeps, tenant: Tenant, key: VisitorKey): AsyncGenerator<Line> {
  const counts: Record<string, number> = {};
  const about = { tenant: tenant.id, visitor: key, jid: visitorJid(tenant, key) };
  yield { kind: 'about', ...about, at: deps.now() };
  for (const part of [
    factsOf(deps, tenant.id, key),
    rowsOf(deps, tenant.id, key),
    lettersOf(deps, tenant.id, key),
    othersOf(deps, tenant.id, key),
  ]) {
    for await (const line of part) {
      counts[line.kind] = (counts[line.kind] ?? 0) + 1;
      yield line;
    }
  }
  yield { kind: 'end', counts };
}

async function viewOf({ vault }: EndpointDeps, event: RecordedEvent) {
  const { type, stream, revision, data, metadata, personal } = event;
  const opened = await vault.open(event);
  return {
    stream,
    revision,
    type,
    at: metadata.at,
    data,
    personal: opened,
    erased: personal !== null && opened === null,
  };
}

async function* factsOf(
  deps: EndpointDeps,
  tenant: TenantId,
  key: VisitorKey,
): AsyncGenerator<Line> {
  const stream = streamOf(visitorRef(tenant, key));
  for (let from = 0; ; ) {
    const page = await deps.store.readStream(stream, { from, limit: PAGE_EVENTS });
    for (const event of page) yield { kind: 'fact', ...(await viewOf(deps, event)) };
    for (let i = 0; i < page.length; i += JOURNAL_FACTS) {
      const entries = deps.journal.of(page.slice(i, i + JOURNAL_FACTS));
      for (const { kind, ...entry } of entries) {
        yield { kind: 'journal', journalKind: kind, ...entry };
      }
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE_EVENTS) return;
    from = last.revision + 1;
  }
}

async function* rowsOf(
  { readModels: { visitors, chats, messages } }: EndpointDeps,
  tenant: TenantId,
  visitor: VisitorKey,
): AsyncGenerator<Line> {
  const row = await visitors.get(tenant, visitor);
  if (row) yield { kind: 'visitor', ...row };
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await chats.list({
      tenant,
      visitor,
      limit: PAGE_ROWS,
      ...(cursor && { cursor }),
    });
    for (const chat of items) yield { kind: 'chat', ...chat };
    if (next === null) break;
    cursor = next;
  }
  for (let cursor: string | undefined; ; ) {
    const page = await messages.list({
      tenant,
      visitor,
      limit: PAGE_ROWS,
      kinds: MESSAGE_KINDS,
      ...(cursor && { cursor }),
    });
    for (const { kind, ...message } of page?.items ?? []) {
      yield { kind: 'message', messageKind: kind, ...message };
    }
    if (!page || page.next === null) return;
    cursor = page.next;
  }
}

async function* lettersOf(
  { deadLetters }: EndpointDeps,
  tenant: TenantId,
  visitor: VisitorKey,
): AsyncGenerator<Line> {
  const person = sealingKeyOf(visitorRef(tenant, visitor));
  for (let cursor: string | undefined; ; ) {
    const page = await deadLetters.list({ tenant, person, limit: PAGE_LETTERS, cursor });
    for (const { id } of page.items) {
      const letter = await deadLetters.show(id);
      if (letter) yield { ...letter, letterKind: letter.kind, kind: 'letter' };
    }
    if (page.next === null) return;
    cursor = page.next;
  }
}

/** What the visitor's data keys have sealed in streams of others. It reads all of those streams. */
async function* othersOf(
  deps: EndpointDeps,
  tenant: TenantId,
  visitor: VisitorKey,
): AsyncGenerator<Line> {
  const person = sealingKeyOf(visitorRef(tenant, visitor));
  for (let after: Position | undefined; ; ) {
    const page = await deps.store.readAll({
      prefixes: OTHER_STREAMS,
      limit: PAGE_EVENTS,
      ...(after !== undefined && { after }),
    });
    for (const event of page) {
      const { personal } = event;
      if (personal === null || generationOf(personal.key).person !== person) continue;
      yield { kind: 'other', ...(await viewOf(deps, event)) };
    }
    after = page.at(-1)?.position;
    if (after === undefined || page.length < PAGE_EVENTS) return;
  }
}
