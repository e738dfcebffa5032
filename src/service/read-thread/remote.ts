import type { ChangeFollower } from '../../projections/change-feed.ts';
import type { ReadModels } from '../../projections/read-models.ts';

/** @param question a path in {@link ReadModels}, such as `visitors.list` */
type Ask = (question: string, args: readonly unknown[]) => Promise<unknown>;

type Subject = {
  [S in keyof ReadModels]: ReadModels[S] extends (...args: never) => unknown ? never : S;
}[keyof ReadModels];

/** The questions of each subject. */
const SUBJECTS = {
  visitors: ['list', 'get'],
  messages: ['list'],
  operators: ['list', 'get', 'free'],
  chats: ['list', 'get', 'withId'],
  queue: ['list'],
  stats: ['of'],
  departments: ['list'],
  search: ['find', 'anywhere'],
  streams: ['list', 'named', 'factsOf'],
  changes: ['watch', 'unwatch', 'position', 'tooLate', 'missed'],
} as const satisfies { [S in Subject]: readonly Exclude<keyof ReadModels[S], 'follow'>[] };

const QUESTIONS = [
  'reach',
  'lag',
  'builds',
  'rebuild',
  'check',
  'settled',
] as const satisfies readonly Exclude<keyof ReadModels, Subject>[];

const asking = (ask: Ask, names: readonly string[], prefix = ''): object =>
  Object.fromEntries(
    names.map((name) => [name, (...args: readonly unknown[]) => ask(prefix + name, args)]),
  );

/** Read models in another thread: each question becomes a message. */
export function remoteReadModels(
  ask: Ask,
  follow: (follower: ChangeFollower) => () => void,
): ReadModels {
  const subjects = Object.entries(SUBJECTS).map(([subject, names]) => [
    subject,
    asking(ask, names, `${subject}.`),
  ]);
  const remote = { ...Object.fromEntries(subjects), ...asking(ask, QUESTIONS) };
  // SUBJECTS and QUESTIONS name every function of the type: a test compares them with the real object.
  return { ...remote, changes: { ...remote.changes, follow } } as ReadModels;
}
