/** What caused the fact and what it caused, also in other actors. */
import { useLoad } from '../api/load.ts';
import type { Trace, TraceNode } from '../api/types.ts';
import { to } from '../route.ts';
import { Link } from '../router.tsx';
import { duration } from '../times.ts';
import { Failure } from '../ui/page.tsx';
import { causesOf, MAX_CAUSED } from './causes.ts';

export function CausesSection({
  stream,
  revision,
  correlationId,
  at,
}: {
  readonly stream: string;
  readonly revision: number;
  readonly correlationId: string;
  /** Time of the fact, in ms since 1970. */
  readonly at: number;
}) {
  const { data, error, reload } = useLoad<Trace>(
    `/debug/traces/${encodeURIComponent(correlationId)}`,
  );
  const found = data && causesOf(data, stream, revision);
  return (
    <section aria-labelledby="causes-heading" className="panel" aria-busy={!data && !error}>
      <h2 id="causes-heading">Causes</h2>
      {error && error.status !== 404 && <Failure error={error} what="the causes" retry={reload} />}
      {(error?.status === 404 || found === null) && (
        <p className="quiet">The trace does not have this fact.</p>
      )}
      {found && (
        <>
          <h3>Caused by</h3>
          {found.causes.length === 0 ? (
            <p className="quiet">Nothing that the log knows of.</p>
          ) : (
            <ol className="causes">
              {found.causes.map((node) => (
                <li key={node.id}>
                  <CauseLine node={node} at={at} stream={stream} />
                </li>
              ))}
            </ol>
          )}
          <h3>Caused</h3>
          {found.caused.length === 0 ? (
            <p className="quiet">Nothing further.</p>
          ) : (
            <ul className="causes">
              {found.caused.map(({ node, depth }) => (
                <li key={node.id} className={`depth-${Math.min(depth, 4)}`}>
                  <CauseLine node={node} at={at} stream={stream} />
                </li>
              ))}
            </ul>
          )}
          {(found.caused.length >= MAX_CAUSED || data?.truncated) && (
            <p className="quiet">There is more in the trace.</p>
          )}
        </>
      )}
      <p>
        <Link href={to.trace(correlationId)}>The whole trace</Link>
      </p>
    </section>
  );
}

function CauseLine({
  node: { kind, name, stream: of, revision, at: when, outcome },
  at,
  stream,
}: {
  readonly node: TraceNode;
  readonly at: number;
  readonly stream: string;
}) {
  return (
    <>
      <span className="chip">{kind}</span>{' '}
      {kind === 'fact' ? (
        <Link href={to.stream(of, revision)}>
          {name}{' '}
          <span className="quiet">{of === stream ? `#${revision}` : `${of} #${revision}`}</span>
        </Link>
      ) : (
        <bdi>{name}</bdi>
      )}{' '}
      <span className="quiet">
        {distance(when - at)}
        {outcome !== null && ` · ${outcome}`}
      </span>
    </>
  );
}

const distance = (ms: number): string =>
  ms === 0 ? 'at once' : ms > 0 ? `${duration(ms)} later` : `${duration(-ms)} earlier`;
