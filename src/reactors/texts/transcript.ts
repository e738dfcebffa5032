/** What was said before, as lines of the service: each with its time (UTC, as the heading says) and its author. */
import { cut } from '../../kit/cut.ts';
import { hanging } from '../../kit/lines.ts';
import { bareStampOf } from './times.ts';

export interface TranscriptLine {
  /** ms since 1970 */
  readonly at: number;
  readonly author: string;
  readonly body: string;
}

/** `14:05 Visitor Ann: Hello`; further lines of the text are indented. @param mostLength of the text, in UTF-16 units */
export function transcriptLine(
  { at, author, body }: TranscriptLine,
  now: number,
  mostLength: number,
): string {
  const text = body.length > mostLength ? `${cut(body, mostLength)}…` : body;
  return `${bareStampOf(at, now)} ${author}: ${hanging(text)}`;
}

/** The last lines that fit. @param mostBytes in UTF-8, with an end of line each */
export function lastThatFit(lines: readonly string[], mostBytes: number): readonly string[] {
  let room = mostBytes;
  let first = lines.length;
  for (let line = lines[first - 1]; line !== undefined; line = lines[first - 1]) {
    room -= Buffer.byteLength(line) + 1;
    if (room < 0) break;
    first -= 1;
  }
  return lines.slice(first);
}
