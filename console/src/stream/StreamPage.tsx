/**
 * One stream through time: its facts, the state behind each of them, and what would have happened otherwise.
 *
 * `stream-data.ts` has what is loaded, `use-place.ts` which fact is looked at. The list, the slider and the parts of a step
 * have a file each; `chart/` draws state charts, `what-if/` has branches. Files without `.tsx` need no browser, so that tests
 * can ask them.
 */
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { Machine } from '../api/debugger.ts';
import { asApiError, type Loaded, useLoad } from '../api/load.ts';
import { setQuery, useQuery } from '../router.tsx';
import { Announcement, Empty, Failure, Loading, PageHeading } from '../ui/page.tsx';
import { DiffSection } from './DiffSection.tsx';
import { FactList } from './FactList.tsx';
import { lastOf, shownOf, typeAt } from './outline.ts';
import { Scrubber } from './Scrubber.tsx';
import { StepView } from './StepView.tsx';
import { openStream, type StreamData } from './stream-data.ts';
import './stream.css';
import { TypeFilter } from './TypeFilter.tsx';
import { type Move, useMoveKeys, usePlace } from './use-place.ts';
import { branchAt, stepsOf } from './what-if/branch.ts';
import { useBranch } from './what-if/use-branch.ts';
import { WhatIf } from './what-if/WhatIf.tsx';

// The chart needs it, and it is large: it comes while the first answers do.
void import('@dagrejs/dagre').catch(() => undefined); // layout.ts asks again, and says so if it does not come

/** Facts that PageUp and PageDown pass. */
const PAGE_FACTS = 10;

/** @param props.stream the name of the stream; the step is in the query (`revision`) */
export default function StreamPage({ stream }: { readonly stream: string }) {
  const [data] = useState(() => openStream(stream));
  useEffect(() => data.follow(), [data]);
  const machine = useLoad<Machine>(data.kind && `/debug/machines/${data.kind}`);
  const [asked] = useState(numberIn(useQuery(), 'revision'));
  useEffect(() => data.warm(asked), [data, asked]);
  const view = useSyncExternalStore(data.subscribe, data.get);
  const { error, outline } = view;
  return (
    <>
      <PageHeading title={stream}>
        <button type="button" onClick={data.reload}>
          Read again
        </button>
        <KeyHelp />
      </PageHeading>
      {error && <Failure error={error} what="new facts" retry={data.reload} />}
      {outline.at.length > 0 ? (
        <Timeline stream={stream} data={data} machine={machine} />
      ) : (
        !error &&
        (view.isComplete ? <Empty>The stream has no facts.</Empty> : <Loading what="the facts" />)
      )}
    </>
  );
}

function KeyHelp() {
  return (
    <details className="key-help">
      <summary>Keys</summary>
      <p>
        <kbd>←</kbd> <kbd>→</kbd> or <kbd>k</kbd> <kbd>j</kbd>: fact by fact. <kbd>PageUp</kbd>{' '}
        <kbd>PageDown</kbd>: ten facts. <kbd>Home</kbd> <kbd>End</kbd>: first and last fact. In the
        list, <kbd>↑</kbd> <kbd>↓</kbd> as well.
      </p>
    </details>
  );
}

function Timeline({
  stream,
  data,
  machine,
}: {
  readonly stream: string;
  readonly data: StreamData;
  readonly machine: Loaded<Machine>;
}) {
  const { outline, isComplete, first } = useSyncExternalStore(data.subscribe, data.get);
  useSyncExternalStore(data.pages.subscribe, data.pages.version);
  const query = useQuery();
  const place = usePlace();
  const last = lastOf(outline);
  const selected = Math.min(Math.max(place.revision ?? last, outline.first), last);
  const isMissing = isComplete && place.revision !== null && place.revision !== selected;

  const types = query.get('types') ?? '';
  const only = useMemo(() => new Set(types === '' ? [] : types.split(',')), [types]);
  const shown = useMemo(() => shownOf(outline, only), [outline, only]);

  const compared = numberIn(query, 'compare');
  const branch = useBranch(stream);
  const [chosen, setChosen] = useState<number | null>(null);
  const branchSteps = useMemo(() => (branch.result ? stepsOf(branch.result) : []), [branch.result]);
  const branchStep = chosen === null ? undefined : branchSteps[chosen];

  const [follows, setFollows] = useState(place.revision === null);
  const go = useCallback(
    (revision: number) => {
      setChosen(null);
      setFollows(false);
      place.go(revision);
    },
    [place.go],
  );
  useEffect(() => {
    if (follows) place.go(last);
  }, [follows, last, place.go]);

  const move = (by: Move): void => {
    if (branchStep && chosen !== null) {
      // In a branch the keys move along the branch, and back from its first step to the real fact.
      const next = moved(by, chosen, branchSteps.length);
      setChosen(next < 0 ? null : next);
      return;
    }
    const from = shown.indexOf(selected);
    const isBetween = from >= 0 && shown.revisionAt(from) !== selected;
    const next = moved(by, isBetween && by === 'previous' ? from + 1 : from, shown.count);
    if (shown.count > 0) go(shown.revisionAt(Math.max(0, next)));
  };
  useMoveKeys(move);

  const row = branchStep?.step ?? data.pages.get(selected);
  const failure = branchStep ? null : data.pages.failureAt(selected);
  const openBranch = (): void => {
    branch.set(branchAt(selected));
    setChosen(null);
    requestAnimationFrame(() => document.getElementById('what-if-heading')?.focus());
  };

  return (
    <div className="stream">
      <Scrubber
        outline={outline}
        selected={selected}
        follows={follows}
        go={go}
        move={move}
        setFollows={setFollows}
      />
      {outline.first > first && (
        <p className="note">Facts before {outline.first} are not listed: the stream is too long.</p>
      )}
      {first > 0 && <p className="quiet">The facts before {first} were cut off.</p>}
      {isMissing && (
        <p className="note" role="status">
          The stream has no fact {place.revision}. This is fact {selected}.
        </p>
      )}
      <div className="stream-columns">
        <nav className="stream-list" aria-label="Facts of the stream">
          <TypeFilter
            outline={outline}
            only={only}
            set={(next) => setQuery({ types: [...next].join(',') })}
          />
          {shown.count === 0 && <Empty>No fact has one of these types.</Empty>}
          <FactList
            key={types}
            outline={outline}
            shown={shown}
            pages={data.pages}
            selected={selected}
            choose={go}
          />
        </nav>
        <div className="stream-step">
          <div className="buttons">
            {data.kind && (
              <button type="button" onClick={() => setQuery({ compare: selected })}>
                Compare from here
              </button>
            )}
            {data.kind && machine.data && (
              <button type="button" onClick={openBranch}>
                Branch here
              </button>
            )}
          </div>
          {machine.data && (
            <WhatIf
              stream={stream}
              machine={machine.data}
              handle={branch}
              chosen={branchStep ? chosen : null}
              choose={(step) => {
                if (step === null && branch.branch) place.go(branch.branch.revision);
                setFollows(false);
                setChosen(step);
              }}
            />
          )}
          {compared !== null && (
            <DiffSection
              stream={stream}
              machine={machine.data}
              a={compared}
              b={selected}
              end={() => setQuery({ compare: null })}
            />
          )}
          {machine.error && (
            <Failure error={machine.error} what="the state chart" retry={machine.reload} />
          )}
          {row ? (
            <StepView
              stream={stream}
              row={row}
              machine={machine.data}
              branch={branchStep ? { effects: effectsOf(branchStep) } : null}
            />
          ) : failure !== null ? (
            <Failure error={asApiError(failure)} what={`fact ${selected}`} retry={data.reload} />
          ) : (
            <Loading what={`fact ${selected}`} />
          )}
        </div>
      </div>
      <Announcement
        text={
          branchStep
            ? `Not real: ${branchStep.step.event.type}`
            : `Fact ${selected}: ${typeAt(outline, selected) ?? ''}`
        }
      />
    </div>
  );
}

const effectsOf = ({ step, item }: ReturnType<typeof stepsOf>[number]) =>
  item.effects.filter(({ revision }) => revision === step.revision);

function moved(by: Move, index: number, count: number): number {
  const steps = { previous: -1, next: 1, 'page-up': -PAGE_FACTS, 'page-down': PAGE_FACTS } as const;
  if (by === 'first') return 0;
  if (by === 'last') return count - 1;
  return Math.min(index + steps[by], count - 1);
}

function numberIn(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
