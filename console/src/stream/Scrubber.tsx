/** The place in the stream: a slider over all facts, and ways to a fact by its number or by time. */
import { type FormEvent, useState } from 'react';
import { absolute } from '../times.ts';
import { firstAtOrAfter, lastAtOrBefore, lastOf, type Outline, timeAt, typeAt } from './outline.ts';
import type { Move } from './use-place.ts';

// Drawn, because not every font has such characters.
const LEFT = 'M10 3 5 8l5 5';
const RIGHT = 'M6 3l5 5-5 5';
const BAR_LEFT = 'M4 3v10M12 3 7 8l5 5';
const BAR_RIGHT = 'M12 3v10M4 3l5 5-5 5';

export function Scrubber({
  outline,
  selected,
  follows,
  go,
  move,
  setFollows,
}: {
  readonly outline: Outline;
  readonly selected: number;
  readonly follows: boolean;
  readonly go: (revision: number) => void;
  readonly move: (move: Move) => void;
  readonly setFollows: (follows: boolean) => void;
}) {
  const last = lastOf(outline);
  const at = timeAt(outline, selected);
  const text = `Fact ${selected} of ${last}: ${typeAt(outline, selected) ?? ''}`;
  return (
    <section className="scrubber" aria-label="Place in the stream">
      <div className="scrubber-line">
        <Step
          label="First fact"
          drawn={BAR_LEFT}
          disabled={selected <= outline.first}
          onClick={() => move('first')}
        />
        <Step
          label="Previous fact"
          drawn={LEFT}
          disabled={selected <= outline.first}
          onClick={() => move('previous')}
        />
        <input
          type="range"
          aria-label="Fact"
          aria-valuetext={at === undefined ? text : `${text}, ${absolute(at, { millis: true })}`}
          min={outline.first}
          max={last}
          value={selected}
          onChange={(event) => go(Number(event.currentTarget.value))}
        />
        <Step
          label="Next fact"
          drawn={RIGHT}
          disabled={selected >= last}
          onClick={() => move('next')}
        />
        <Step
          label="Last fact"
          drawn={BAR_RIGHT}
          disabled={selected >= last}
          onClick={() => move('last')}
        />
        <label className="check">
          <input
            type="checkbox"
            checked={follows}
            onChange={(event) => setFollows(event.currentTarget.checked)}
          />
          Follow
        </label>
      </div>
      <div className="scrubber-line">
        <GoToNumber outline={outline} selected={selected} go={go} />
        <GoToTime outline={outline} at={at} go={go} />
      </div>
    </section>
  );
}

function Step({
  label,
  drawn,
  disabled,
  onClick,
}: {
  readonly label: string;
  /** The path of the sign. */
  readonly drawn: string;
  readonly disabled: boolean;
  readonly onClick: () => void;
}) {
  // Not `disabled`: the focus would be lost at either end.
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-disabled={disabled}
      onClick={onClick}
    >
      <svg className="step-arrow" viewBox="0 0 16 16" aria-hidden="true">
        <path d={drawn} />
      </svg>
    </button>
  );
}

function GoToNumber({
  outline,
  selected,
  go,
}: {
  readonly outline: Outline;
  readonly selected: number;
  readonly go: (revision: number) => void;
}) {
  const [text, setText] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text !== null && text.trim() !== '') go(Number(text));
    setText(null);
  };
  return (
    <form className="inline" onSubmit={submit}>
      <label>
        Fact{' '}
        <input
          type="number"
          className="number"
          min={outline.first}
          max={lastOf(outline)}
          value={text ?? selected}
          onChange={(event) => setText(event.currentTarget.value)}
          onBlur={() => setText(null)}
        />
      </label>{' '}
      <span className="quiet">of {lastOf(outline)}</span>
    </form>
  );
}

function GoToTime({
  outline,
  at,
  go,
}: {
  readonly outline: Outline;
  readonly at: number | undefined;
  readonly go: (revision: number) => void;
}) {
  const [text, setText] = useState('');
  const [fault, setFault] = useState('');
  const jump = (find: (outline: Outline, at: number) => number | null, none: string): void => {
    const time = new Date(text).getTime(); // without a zone it is the reader's
    if (!Number.isFinite(time)) {
      setFault('Give a date and a time.');
      return;
    }
    const revision = find(outline, time);
    setFault(revision === null ? none : '');
    if (revision !== null) go(revision);
  };
  const now = () => jump(lastAtOrBefore, 'The first fact is later.');
  return (
    <form
      className="inline"
      onSubmit={(event) => {
        event.preventDefault();
        now();
      }}
    >
      <label>
        Time{' '}
        <input
          type="datetime-local"
          step="0.001"
          value={text}
          onFocus={() => {
            if (text === '' && at !== undefined) setText(localText(at));
          }}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit">What held then</button>
      <button type="button" onClick={() => jump(firstAtOrAfter, 'All facts are earlier.')}>
        Next fact after
      </button>
      <span className="fault" role="status">
        {fault}
      </span>
    </form>
  );
}

/** For an input of date and time, in the reader's zone. */
function localText(at: number): string {
  const date = new Date(at);
  const local = new Date(at - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, -1);
}
