/** One tenant, live: who is there, what waits, and who could answer. */
import { type ReactNode, useMemo } from 'react';
import type { LiveState } from '../api/live.ts';
import { to } from '../route.ts';
import { Link } from '../router.tsx';
import { Announcement, Empty, Failure, Loading } from '../ui/page.tsx';
import { type Column, VirtualTable } from '../ui/table.tsx';
import { Since, Time } from '../ui/time.tsx';
import {
  type Counts,
  countsOf,
  linesOf,
  MAX_VISITORS,
  type Operator,
  operatorsOf,
  type VisitorLine,
} from './model.ts';
import { useBoard } from './use-board.ts';

const STATES: Readonly<Record<VisitorLine['state'], string>> = {
  waiting: 'chip warn',
  chatting: 'chip good',
  invited: 'chip',
  online: 'chip',
};

const visitorStream = (tenant: string, key: string): string => `visitor-${tenant}.${key}`;
const operatorStream = (tenant: string, username: string): string =>
  `operator-${tenant}.${username}`;

function visitorColumns(tenant: string): readonly Column<VisitorLine>[] {
  return [
    {
      name: 'Visitor',
      width: 'minmax(9rem, 2fr)',
      cell: ({ visitor: { key, nick } }) => (
        <>
          <Link href={to.stream(visitorStream(tenant, key))}>
            <bdi>{nick ?? key}</bdi>
          </Link>{' '}
          {nick !== null && <bdi className="quiet mono">{key}</bdi>}
        </>
      ),
    },
    {
      name: 'State',
      // `chatting 59 min 59 s (left)`
      width: '15rem',
      cell: ({ state, since, visitor, chat }) => (
        <>
          <span className={STATES[state]}>{state}</span>{' '}
          {state === 'waiting' || state === 'chatting' ? <Since since={since} /> : ''}
          {visitor.presence === 'timedOut' && <span className="quiet"> (left)</span>}
          {chat?.state === 'offered' && <span className="quiet"> (offered)</span>}
        </>
      ),
    },
    {
      name: 'Operator',
      width: 'minmax(6rem, 1fr)',
      cell: ({ visitor: { operator, inLhc }, chat }) => {
        if (inLhc) return <bdi>{inLhc.name ?? 'somebody'} in LHC</bdi>;
        const asked = chat?.offered ?? [];
        if (operator !== null) {
          return <Link href={to.stream(operatorStream(tenant, operator))}>{operator}</Link>;
        }
        return asked.length > 0 ? <span className="quiet">asked: {asked.join(', ')}</span> : '';
      },
    },
    {
      name: 'Department',
      width: 'minmax(8rem, 1fr)',
      cell: ({ visitor: { department } }) => <bdi>{department ?? ''}</bdi>,
    },
    {
      name: 'Page',
      width: 'minmax(6rem, 2fr)',
      cell: ({ visitor: { title, page } }) => <bdi title={page ?? ''}>{title ?? page ?? ''}</bdi>,
    },
    {
      name: 'Seen',
      // `59 min ago`
      width: '7.5rem',
      cell: ({ visitor: { lastSeen } }) => <Time at={lastSeen} />,
    },
  ];
}

const AVAILABILITY: Readonly<Record<Operator['availability'], string>> = {
  available: 'chip good',
  busy: 'chip warn',
  away: 'chip warn',
  offline: 'chip',
};

function operatorColumns(tenant: string): readonly Column<Operator>[] {
  return [
    {
      name: 'Operator',
      width: 'minmax(7rem, 2fr)',
      cell: ({ username, name }) => (
        <>
          <Link href={to.stream(operatorStream(tenant, username))}>
            <bdi>{name ?? username}</bdi>
          </Link>{' '}
          {name !== null && name !== username && <span className="quiet mono">{username}</span>}
        </>
      ),
    },
    {
      name: 'State',
      width: 'minmax(7rem, 1.5fr)',
      cell: ({ availability, away, unresponsive }) => (
        <>
          <span className={AVAILABILITY[availability]}>{availability}</span>
          {away && <span className="quiet"> (!away)</span>}
          {unresponsive && <span className="quiet"> (no answer to pings)</span>}
        </>
      ),
    },
    {
      name: 'Chats',
      width: '7.5rem',
      cell: ({ chats, capacity }) => <Places used={chats.length} of={capacity} />,
    },
  ];
}

function Places({ used, of }: { readonly used: number; readonly of: number }) {
  return (
    <span className="places">
      <meter min={0} max={Math.max(1, of)} value={Math.min(used, of)} aria-label="places used" />{' '}
      {used} of {of}
    </span>
  );
}

const lineKey = ({ visitor }: VisitorLine): string => visitor.key;
const operatorKey = ({ username }: Operator): string => username;

export function LiveBoardView({ tenant }: { readonly tenant: string }) {
  const { board, loading, state, detail, error } = useBoard(tenant);
  const lines = useMemo(() => linesOf(board), [board]);
  const operators = useMemo(() => operatorsOf(board), [board]);
  const counts = useMemo(() => countsOf(board, lines), [board, lines]);
  const columns = useMemo(() => visitorColumns(tenant), [tenant]);
  const ofOperators = useMemo(() => operatorColumns(tenant), [tenant]);

  if (loading && !error && state !== 'ended') return <Loading what={`the board of ${tenant}`} />;
  return (
    <>
      {error && <Failure error={error} what={`the board of ${tenant}`} />}
      <Numbers counts={counts} state={state} detail={detail} />
      <div className="board">
        <section aria-labelledby="board-visitors">
          <h2 id="board-visitors">Visitors</h2>
          {lines.length > 0 ? (
            <VirtualTable label="Visitors" columns={columns} rows={lines} keyOf={lineKey} />
          ) : (
            <Empty>Nobody is there. Who views a page of the site appears here at once.</Empty>
          )}
          {board.visitors.size >= MAX_VISITORS && (
            <p className="note">
              Only {MAX_VISITORS} are listed: those in conversations, and who was seen last.
            </p>
          )}
        </section>
        <section aria-labelledby="board-operators">
          <h2 id="board-operators">Operators</h2>
          {operators.length > 0 ? (
            <VirtualTable
              label="Operators"
              columns={ofOperators}
              rows={operators}
              keyOf={operatorKey}
            />
          ) : (
            <Empty>No operator is registered for this tenant.</Empty>
          )}
        </section>
      </div>
      {/* Not every change is said: a crowd would talk all day. */}
      <Announcement text={`${counts.waiting} waiting, ${counts.chatting} in a chat`} />
    </>
  );
}

function Numbers({
  counts,
  state,
  detail,
}: {
  readonly counts: Counts;
  readonly state: LiveState;
  readonly detail: string;
}) {
  return (
    <dl className="numbers">
      <Figure name="Online">{counts.online}</Figure>
      <Figure name="Waiting" warn={counts.waiting > 0}>
        {counts.waiting}
        {counts.longestSince !== null && (
          <small>
            longest <Since since={counts.longestSince} />
          </small>
        )}
      </Figure>
      <Figure name="In a chat">{counts.chatting}</Figure>
      <Figure name="Operators available">
        {counts.operatorsAvailable} <small>of {counts.operatorsOnline} online</small>
      </Figure>
      <Figure name="Places used">
        {counts.placesUsed} <small>of {counts.places}</small>
      </Figure>
      <Figure name="Updates" warn={state !== 'live'}>
        <span className={state === 'live' ? 'live' : ''}>{STATE_NAMES[state]}</span>
        {detail !== '' && <small>{detail}</small>}
      </Figure>
    </dl>
  );
}

const STATE_NAMES: Readonly<Record<LiveState, string>> = {
  connecting: 'connecting …',
  live: 'live',
  waiting: 'interrupted',
  ended: 'ended',
};

function Figure({
  name,
  warn = false,
  children,
}: {
  readonly name: string;
  readonly warn?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <div className={warn ? 'warn' : ''}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
