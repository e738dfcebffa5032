/**
 * The file that `export` writes and `import` reads: NDJSON. The first line says what it is, then there is a line for each
 * event, in the order of the log, and the last line says how many there are and what they hash to.
 */
import { createHash, type Hash } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { EventMetadata } from '../../eventstore/port.ts';
import type { JsonObject } from '../../kit/json.ts';

export const FORMAT = 'xmpp-chat export';
export const FORMAT_VERSION = 1;
/** An event has 1 MiB at most, sealed. Opened and escaped it may be longer. */
export const MOST_LINE_BYTES = 4 * 1024 * 1024;
/** Their ids are kept in memory, so that no two events have the same. */
export const MOST_EVENTS = 2_000_000;
/** Revisions before the first one that a cut stream still has. Each is written and removed again. */
export const MOST_CUT_REVISIONS = 1_000_000;
const MOST_REVISION = 1_000_000_000;

/** Streams of a log's own affairs: no actor's history, and another log has its own. */
export const INTERNAL_STREAMS = ['key-', 'service-', 'lease-'] as const;
export const isInternal = (stream: string): boolean =>
  INTERNAL_STREAMS.some((prefix) => stream.startsWith(prefix));

const Part = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'has to be an object',
);

export const Header = z.object({
  format: z.literal(FORMAT),
  version: z.literal(FORMAT_VERSION),
  /** ms since 1970 */
  exportedAt: z.int(),
  /** The release that wrote it. */
  by: z.string().max(64),
  /** The id of the log; null for a log of release 0.1.0. */
  log: z.string().max(64).nullable(),
  /** Versions of the machines, by kind of actor. */
  machines: z.record(z.string(), z.string()),
  /** Whether personal data is masked. */
  masked: z.boolean(),
});
export type Header = z.output<typeof Header>;

/** A text without control characters. */
const name = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}]*$/u, 'has control characters');
const id = name(512);

const Metadata = z
  .looseObject({
    tenant: name(64).nullable(),
    at: z.int(),
    wakeAt: z.int().optional(),
    commandId: id,
    correlationId: id,
    causationId: id,
    machine: name(64),
  })
  // The other fields are optional, and nothing here depends on them.
  .transform((metadata) => metadata as EventMetadata);

export const EventLine = z.object({
  stream: name(512).refine(
    (stream) => /^[a-z]+-./.test(stream) && !isInternal(stream),
    'is no stream that can be imported',
  ),
  revision: z.int().min(0).max(MOST_REVISION),
  id: z.string().regex(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/, 'has to be a UUID'),
  type: name(128),
  schemaVersion: z.int().min(0),
  data: Part,
  /** null: the event has none, or it is not in the file. */
  personal: Part.nullable(),
  /** The name of its data key; null without personal data. */
  key: name(256).nullable(),
  /** The data key was destroyed. */
  erased: z.boolean().optional(),
  metadata: Metadata,
});
export type EventLine = z.output<typeof EventLine>;

const End = z.object({
  end: z.object({ streams: z.int(), events: z.int(), sha256: z.string() }),
});
export type End = z.output<typeof End>['end'];

/** What is wrong with a line. */
export const damaged = (line: number, reason: string): AppError =>
  new AppError('invalid', `line ${line}: ${reason}`, { line });

const issueText = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message))
    .join('; ');

function parsed<T>(schema: z.ZodType<T>, line: number, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw damaged(line, issueText(result.error));
}

/** The lines of a file, without their ends. @throws {AppError} `invalid` for a line past {@link MOST_LINE_BYTES} */
async function* linesOf(
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly line: number; readonly bytes: Buffer }> {
  let rest: Buffer[] = [];
  let length = 0;
  let line = 1;
  for await (const chunk of bytes) {
    let begin = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, begin)) {
      yield { line, bytes: Buffer.concat([...rest, chunk.subarray(begin, end)]) };
      rest = [];
      length = 0;
      line += 1;
      begin = end + 1;
    }
    rest.push(chunk.subarray(begin));
    length += chunk.length - begin;
    if (length > MOST_LINE_BYTES) throw damaged(line, `is longer than ${MOST_LINE_BYTES} bytes`);
  }
  if (length > 0) throw damaged(line, 'the file ends in the middle of it');
}

export interface Parsed {
  readonly header: Header;
  readonly events: AsyncGenerator<{ readonly line: number; readonly event: EventLine }>;
  /** Known when all events were read. */
  end(): End;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function jsonOf(line: number, bytes: Buffer): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    // V8 quotes the text in its message, and it may be personal.
    throw damaged(line, 'is not JSON in UTF-8');
  }
}

/**
 * Reads a file of {@link FORMAT}. Every line is checked, also that revisions follow each other, that no id comes twice, and
 * that the file is whole.
 * @throws {AppError} `invalid` with the number of the line and the reason
 */
export async function parseExport(bytes: AsyncIterable<Buffer>): Promise<Parsed> {
  const lines = linesOf(bytes);
  const first = await lines.next();
  if (first.done) throw new AppError('invalid', 'the file is empty');
  const hash = createHash('sha256');
  const header = parsed(Header, 1, headerOf(first.value.bytes));
  addLine(hash, first.value.bytes);
  let end: End | undefined;

  async function* events() {
    const next = new Map<string, number>();
    const ids = new Set<string>();
    for await (const { line, bytes: text } of lines) {
      if (end) throw damaged(line, 'something follows the line that ends the file');
      const value = jsonOf(line, text);
      if (typeof value === 'object' && value !== null && 'end' in value) {
        end = parsed(End, line, value).end;
        const found = { streams: next.size, events: ids.size, sha256: hash.digest('hex') };
        if (end.events !== found.events || end.streams !== found.streams) {
          throw damaged(
            line,
            `the file has ${found.events} events, and ${end.events} were written`,
          );
        }
        if (end.sha256 !== found.sha256) throw damaged(line, 'the file was changed: another hash');
        continue;
      }
      const event = parsed(EventLine, line, value);
      const { stream, revision } = event;
      const expected = next.get(stream);
      if (expected !== undefined && revision !== expected) {
        throw damaged(line, `revision: ${stream} is at ${expected}, and not at ${revision}`);
      }
      if (expected === undefined && revision > MOST_CUT_REVISIONS) {
        throw damaged(line, `revision: a stream begins at ${MOST_CUT_REVISIONS} at most`);
      }
      if (ids.has(event.id)) throw damaged(line, 'id: another event has the same');
      if (ids.size >= MOST_EVENTS) throw damaged(line, `there are more than ${MOST_EVENTS} events`);
      next.set(stream, revision + 1);
      ids.add(event.id);
      addLine(hash, text);
      yield { line, event };
    }
    if (!end) throw new AppError('invalid', 'the file was cut: its last line is missing');
  }

  return {
    header,
    events: events(),
    end() {
      if (end) return end;
      throw new Error('the events were not read to their end');
    },
  };
}

function headerOf(bytes: Buffer): unknown {
  const value = jsonOf(1, bytes);
  const found = z.object({ format: z.literal(FORMAT), version: z.unknown() }).safeParse(value);
  if (!found.success) throw damaged(1, `is no header of an "${FORMAT}"`);
  if (found.data.version !== FORMAT_VERSION) {
    throw damaged(
      1,
      `has version ${JSON.stringify(found.data.version)} of the format; this program reads ${FORMAT_VERSION}`,
    );
  }
  return value;
}

export const addLine = (hash: Hash, line: Buffer | string): void => {
  hash.update(line);
  hash.update('\n');
};
