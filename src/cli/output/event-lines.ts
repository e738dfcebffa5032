/** An event in a line of columns, or with a line for each of its fields. */
import { isHidden, type LogEvent, withoutPersonal } from '../log/source.ts';
import { fieldLines, fieldsText } from './fields.ts';
import { type Cell, columns, lineOf, type Piece, type Screen } from './screen.ts';
import { timeText } from './times.ts';

const REVISION_CELLS = 4;
const TIME_CELLS = 24;
const STREAM_CELLS = 24;
const TYPE_CELLS = 24;

export interface EventLook {
  /** Times in UTC. */
  readonly utc: boolean;
  /** Its stream is named. */
  readonly hasStream: boolean;
  /** Each field has a line of its own. */
  readonly isLong: boolean;
}

/** @returns a line with what is in the event; a line with its type and those of its fields, if it is long */
export function eventLines(
  screen: Screen,
  event: LogEvent,
  { utc, hasStream, isLong }: EventLook,
): string[] {
  const { stream, revision, type, metadata } = event;
  const cells: Cell[] = [
    { text: timeText(metadata.at, utc), style: 'time' },
    String(revision).padStart(REVISION_CELLS),
    ...(hasStream ? [stream] : []),
    { text: type, style: 'name' },
    ...(isLong ? [] : [contentOf(event, Number.isFinite(screen.columns))]),
  ];
  const widths = [TIME_CELLS, REVISION_CELLS, ...(hasStream ? [STREAM_CELLS] : []), TYPE_CELLS];
  const line = lineOf(screen, cells, widths);
  return isLong ? [line, ...longLines(screen, event).map((each) => `    ${each}`)] : [line];
}

type Content = Pick<LogEvent, 'data' | 'personal' | 'erased' | 'sealed'>;

/** What is in an event, in one line: its data, then what is personal. */
export function contentOf(event: Content, isCut: boolean): readonly Piece[] {
  const data = fieldsText(event.data, isCut);
  const none = withoutPersonal(event);
  const personal = event.personal ? personalText(event, isCut) : null;
  return [
    ...(data === '' ? [] : [{ text: `${data} ` }]),
    ...(personal === null ? [] : [{ text: personal, style: 'personal' as const }]),
    ...(none === null ? [] : [{ text: none, style: 'bad' as const }]),
  ];
}

const personalText = ({ personal }: Content, isCut: boolean): string =>
  isHidden(personal) ? '(hidden)' : fieldsText(personal ?? {}, isCut);

function longLines(screen: Screen, event: LogEvent): string[] {
  const { data, personal, metadata, id } = event;
  const none = withoutPersonal(event);
  const rows: Cell[][] = [
    ...fieldLines(data).map(({ name, text }): Cell[] => [name, text]),
    ...(personal && !isHidden(personal) ? fieldLines(personal) : []).map(
      ({ name, text }): Cell[] => [name, { text, style: 'personal' }],
    ),
    ...(none === null ? [] : [['personal', { text: none, style: 'bad' }] satisfies Cell[]]),
    ['event', id],
    ['correlation', metadata.correlationId],
    ['cause', metadata.causationId],
    ['command', metadata.commandId],
    ['machine', metadata.machine],
  ];
  return columns(
    screen,
    [],
    rows.filter(([name]) => name !== ''),
  );
}
