/** What the fact makes the service do outside, and how that went. */
import { useEffect } from 'react';
import type { Effect } from '../api/debugger.ts';
import { useLoad } from '../api/load.ts';
import { absolute, duration } from '../times.ts';
import { Failure } from '../ui/page.tsx';
import { Said } from '../ui/words.tsx';
import { withQuery } from '../with-query.ts';
import { Fold } from './Value.tsx';
import type { FollowingEffect } from './what-if/branch.ts';

/** Effects of one fact are few. */
const MAX_EFFECTS = 50;
/** While one is pending, the service is asked again. */
const PENDING_POLL_MS = 2_000;

const CLASSES: Readonly<Record<Effect['outcome'], string>> = {
  pending: 'warn',
  done: 'good',
  dead: 'bad',
  unknown: '',
};

export function EffectsSection({
  stream,
  revision,
}: {
  readonly stream: string;
  readonly revision: number;
}) {
  const path = `/debug/streams/${encodeURIComponent(stream)}/effects`;
  const { data, error, reload } = useLoad<{ readonly items: readonly Effect[] }>(
    withQuery(path, { from: revision, limit: MAX_EFFECTS }),
  );
  const effects = data?.items.filter((effect) => effect.revision === revision);
  const isPending = effects?.some(({ outcome }) => outcome === 'pending') ?? false;
  useEffect(() => {
    if (!isPending) return;
    const timer = window.setInterval(() => !document.hidden && reload(), PENDING_POLL_MS);
    return () => window.clearInterval(timer);
  }, [isPending, reload]);
  return (
    <section aria-labelledby="effects-heading" className="panel" aria-busy={!effects && !error}>
      <h2 id="effects-heading">Effects</h2>
      {error && <Failure error={error} what="the effects" retry={reload} />}
      {effects?.length === 0 && <p className="quiet">The fact has none.</p>}
      {effects && effects.length > 0 && (
        <ul className="effects">
          {effects.map((effect) => (
            <li key={`${effect.destination} ${effect.name}`}>
              <EffectLine effect={effect} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function EffectLine({
  effect: { destination, name, outcome, at, waits, attempts },
}: {
  readonly effect: Effect;
}) {
  const line = (
    <>
      <span className={`chip ${CLASSES[outcome]}`}>{outcome}</span> {name}{' '}
      <span className="quiet">to {destination}</span>
      {at !== null && <span className="quiet"> · {absolute(at, { millis: true })}</span>}
      {waits !== null && (
        <span className="quiet">
          {' · '}
          <Said text={waits} />
        </span>
      )}
    </>
  );
  if (attempts.length === 0) return line;
  return (
    <Fold
      summary={
        <>
          {line}{' '}
          <span className="quiet">
            · {attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`}
          </span>
        </>
      }
    >
      <ol>
        {attempts.map((attempt) => (
          <li key={attempt.at}>
            {absolute(attempt.at, { millis: true })}: {attempt.outcome}
            {attempt.status !== null && ` (${attempt.status})`}
            {` after ${duration(attempt.ms)}`}
            {attempt.detail !== null && ` (${attempt.detail})`}
            {attempt.reason !== null && (
              <>
                {': '}
                <Said text={attempt.reason} />
              </>
            )}
          </li>
        ))}
      </ol>
    </Fold>
  );
}

/** Of a step that is not real. */
export function FollowingEffects({ effects }: { readonly effects: readonly FollowingEffect[] }) {
  return (
    <section aria-labelledby="effects-heading" className="panel">
      <h2 id="effects-heading">Effects that would follow</h2>
      {effects.length === 0 ? (
        <p className="quiet">None.</p>
      ) : (
        <ul className="effects">
          {effects.map((effect) => (
            <li key={`${effect.destination} ${effect.name} ${effect.detail}`}>
              <span className="chip">not performed</span> {effect.name}{' '}
              <span className="quiet">to {effect.destination}</span>
              {effect.detail !== null && (
                <>
                  {': '}
                  <Said text={effect.detail} />
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
