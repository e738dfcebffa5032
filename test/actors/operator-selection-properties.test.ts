/** Properties of the choice of operators, for random candidates. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Username } from '../../src/actors/ids.ts';
import {
  type Candidate,
  type ChatCriteria,
  POLICIES,
  type Policy,
  type Rule,
} from '../../src/actors/operator-selection.ts';
import { username } from '../support/names.ts';
import { criteria, op, prospectAmong, RULE, selectAmong } from './candidates.ts';

const names = ['ada', 'bob', 'cleo', 'dan', 'eve'].map(username);
const departments = ['sales', 'billing'];
const someone = fc.option(fc.constantFrom(...names));
const some = fc.uniqueArray(fc.constantFrom(...names));

const candidate = (name: string): fc.Arbitrary<Candidate> =>
  fc
    .record({
      registered: fc.boolean(),
      availability: fc.constantFrom('available', 'available', 'away', 'busy', 'offline'),
      departments: fc.subarray(departments),
      capacity: fc.nat({ max: 3 }),
      sales: fc.nat({ max: 2 }),
      others: fc.nat({ max: 2 }),
      openOffers: fc.nat({ max: 2 }),
      lastChatAt: fc.nat({ max: 3 }),
      tier: fc.constantFrom(1, 1, 2, 3),
      tiers: fc.constantFrom<Record<string, number>>({}, {}, { sales: 2 }),
      languages: fc.constantFrom([], ['de'], ['en', 'de-CH']),
    })
    .map(({ sales, others, ...rest }) =>
      op(name, { ...rest, load: sales + others, loadOf: { sales } }),
    );

const chat: fc.Arbitrary<ChatCriteria> = fc.record({
  department: fc.constantFrom(null, ...departments),
  language: fc.constantFrom(null, 'de-AT', 'fr'),
  waitsSince: fc.constantFrom(RULE.now, RULE.now - 30_000, RULE.now - 90_000),
  invitedBy: someone,
  lastOperator: someone,
  answered: fc.boolean(),
  transferredBy: someone,
  offeredTo: some,
  passedBy: some,
});

const rule: fc.Arbitrary<Rule> = fc.record({
  policy: fc.constantFrom<Policy>(...POLICIES),
  departmentCapacity: fc.constantFrom(null, 1, 2),
  tierWaitMs: fc.constantFrom(0, 0, 60_000),
  languageWaitMs: fc.constantFrom(0, 0, 60_000),
  now: fc.constant(RULE.now),
  lastPicked: someone,
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

const pool = fc.tuple(...names.map(candidate));

describe('for all candidates', () => {
  it('only candidates who can and may have the chat are asked', () => {
    fc.assert(
      fc.property(pool, chat, rule, (all, wanted, how) => {
        const { department } = wanted;
        const isFree = (each: Candidate) =>
          each.registered &&
          each.availability === 'available' &&
          each.load < each.capacity &&
          (department === null ||
            (each.loadOf[department] ?? 0) < (how.departmentCapacity ?? Infinity)) &&
          !wanted.offeredTo.includes(each.username);
        const serves = (each: Candidate) =>
          department === null ||
          each.departments.length === 0 ||
          each.departments.includes(department);
        const fresh = (each: Candidate) => !wanted.passedBy.includes(each.username);
        const hasRoom = (each: Candidate) =>
          how.policy !== 'broadcast' || each.load + each.openOffers < each.capacity;
        const { transferredBy, invitedBy, lastOperator, answered } = wanted;
        const isKnown = ({ username: name, ...each }: Candidate) =>
          [transferredBy, invitedBy].includes(name) ||
          (lastOperator === name && (answered || serves({ username: name, ...each })));
        const waited = how.now - wanted.waitsSince;
        const speaks = (each: Candidate) =>
          wanted.language === 'de-AT' && each.languages.some((tag) => tag.startsWith('de'));
        const isUnderstood = (each: Candidate) =>
          wanted.language === null || speaks(each) || waited >= how.languageWaitMs;
        const tierOf = (each: Candidate) => each.tiers[department ?? ''] ?? each.tier;
        const free = all.filter((each) => isFree(each) && serves(each) && isUnderstood(each));
        const isThere = (each: Candidate) => each.registered && each.availability === 'available';
        /** Earlier tiers with somebody who is there and has no place. */
        const fullBefore = (each: Candidate) =>
          new Set(
            all
              .filter((other) => isThere(other) && serves(other) && isUnderstood(other))
              .filter((other) => fresh(other) && !wanted.offeredTo.includes(other.username))
              .filter((other) => !(isFree(other) && hasRoom(other)))
              .map(tierOf)
              .filter((tier) => tier < tierOf(each)),
          ).size;
        const hasTurn = (each: Candidate) => waited >= fullBefore(each) * how.tierWaitMs;
        const rank = (each: Candidate) => 2 * tierOf(each) + (speaks(each) ? 0 : 1);
        const askedNow = all.filter(
          (each) =>
            wanted.offeredTo.includes(each.username) &&
            serves(each) &&
            isThere(each) &&
            isUnderstood(each) &&
            each.load < each.capacity,
        );
        const ranksAsked = Math.min(...askedNow.map(rank));

        const pick = selectAmong(all, wanted, how);
        if (!pick) {
          // Nobody could have been asked; in an open broadcast, nobody who had not passed.
          const isOpen = wanted.offeredTo.length > 0;
          const askable = (isOpen ? free.filter(fresh) : free).filter(hasRoom);
          const some = askable.filter(fresh);
          if (some.length === 0) expect(askable).toEqual([]);
          // Who could be asked belongs to a tier or a language whose turn has not come.
          expect(
            some.filter(hasTurn).filter((each) => !isOpen || rank(each) <= ranksAsked),
          ).toEqual([]);
          return;
        }
        const { operators, reason, again, considered } = pick;
        const belongs = ['handed-back', 'invited', 'last-served'].includes(reason);
        const picked = all.filter((each) => operators.includes(each.username));
        expect(picked).toHaveLength(operators.length);
        for (const each of picked) {
          expect(isFree(each)).toBe(true);
          if (belongs) expect(isKnown(each)).toBe(true);
          else {
            expect(serves(each) && hasRoom(each) && isUnderstood(each)).toBe(true);
            const before = free
              .filter((other) => fresh(other) === !again && hasRoom(other))
              .filter((other) => rank(other) < rank(each));
            // Nobody of an earlier tier, and in the tier nobody who speaks the language, could be asked in their place.
            expect(before.filter((other) => again || hasTurn(other))).toEqual([]);
            if (!again) expect(hasTurn(each)).toBe(true);
            // Beside those who are asked already, nobody of a later rank.
            if (wanted.offeredTo.length > 0) expect(rank(each)).toBeLessThanOrEqual(ranksAsked);
          }
          expect(fresh(each)).toBe(!again);
        }
        // Operators who passed are asked only if nobody else can be.
        if (again) expect(free.filter(fresh).filter(hasRoom)).toEqual([]);
        if (!belongs) expect(reason).toBe(how.policy);
        if (belongs || how.policy !== 'broadcast') expect(operators).toHaveLength(1);
        expect(considered.first.length).toBeLessThanOrEqual(Math.min(20, considered.free));
        expect(considered.first[0]?.operator).toBe(operators[0]);
      }),
      { numRuns: 2000 },
    );
  });

  it('the quick look says what the choice finds', () => {
    fc.assert(
      fc.property(pool, chat, rule, (all, wanted, how) => {
        const pick = selectAmong(all, wanted, how);
        const found = pick === null ? 'none' : pick.again ? 'again' : 'fresh';
        expect(prospectAmong(all, wanted, how)).toBe(found);
      }),
      { numRuns: 2000 },
    );
  });

  it('least-loaded asks a candidate of the first tier with the fewest chats, and among those the longest idle', () => {
    fc.assert(
      fc.property(pool, (all) => {
        const open = criteria({ department: null });
        const [first] = selectAmong(all, open, RULE)?.operators ?? [];
        const chosen = all.find((each) => each.username === first);
        for (const each of all) {
          if (!chosen || !each.registered || each.availability !== 'available') continue;
          if (each.load >= each.capacity) continue;
          expect(each.tier).toBeGreaterThanOrEqual(chosen.tier);
          if (each.tier > chosen.tier) continue;
          expect(each.load).toBeGreaterThanOrEqual(chosen.load);
          if (each.load === chosen.load) {
            expect(each.lastChatAt).toBeGreaterThanOrEqual(chosen.lastChatAt);
          }
        }
      }),
    );
  });

  it('round-robin asks each permanent candidate once in a round, whoever comes and goes', () => {
    const stay = ['bob', 'dan'];
    const comeAndGo = fc.array(fc.subarray(['ada', 'cleo', 'eve']), {
      minLength: 40,
      maxLength: 40,
    });
    fc.assert(
      fc.property(comeAndGo, (turns) => {
        let lastPicked: Username | null = null;
        const picks: string[] = [];
        for (const others of turns) {
          const all = [...stay, ...others].map((name) => op(name));
          const how: Rule = { ...RULE, policy: 'round-robin', lastPicked };
          const [next] = selectAmong(all, criteria(), how)?.operators ?? [];
          expect(next).toBeDefined();
          lastPicked = next ?? null;
          picks.push(String(next));
        }
        // Nobody is asked twice before each permanent candidate was asked once.
        const ofStayers = picks.filter((name) => stay.includes(name));
        for (const [i, name] of ofStayers.entries()) {
          if (i > 0) expect(name).not.toBe(ofStayers[i - 1]);
        }
        for (const name of names) {
          const at = picks.flatMap((pick, i) => (pick === name ? [i] : []));
          for (const [i, place] of at.entries()) {
            const before = picks.slice((at[i - 1] ?? place) + 1, place);
            if (i > 0)
              expect(before).toEqual(expect.arrayContaining(stay.filter((s) => s !== name)));
          }
        }
      }),
    );
  });

  it('random asks each candidate for an equal share of the numbers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(), (count, which) => {
        const all = names.slice(0, count).map((name) => op(name));
        const at = which % count;
        const how: Rule = { ...RULE, policy: 'random', random: (at + 0.5) / count };
        expect(selectAmong(all, criteria(), how)?.operators).toEqual([names[at]]);
      }),
    );
  });

  it('the order of the list does not matter', () => {
    fc.assert(
      fc.property(pool, chat, rule, (all, wanted, how) => {
        expect(selectAmong(all.toReversed(), wanted, how)).toEqual(selectAmong(all, wanted, how));
      }),
    );
  });

  it('of many candidates the first ones are those that a sorted list has first', () => {
    const many = fc
      .uniqueArray(fc.integer({ min: 100, max: 999 }), { minLength: 21, maxLength: 80 })
      .chain((ids) =>
        fc.tuple(
          ...ids.map((id) =>
            fc
              .record({ load: fc.nat({ max: 4 }), lastChatAt: fc.nat({ max: 5 }) })
              .map((but) => op(`op${id}`, but)),
          ),
        ),
      );
    const policy = fc.constantFrom<Policy>('least-loaded', 'round-robin', 'broadcast');
    const last = fc.option(fc.integer({ min: 100, max: 999 }).map((id) => username(`op${id}`)));
    fc.assert(
      fc.property(many, policy, last, (all, how, lastPicked) => {
        const byName = all.toSorted((a, b) => (a.username < b.username ? -1 : 1));
        const sorted =
          how === 'least-loaded'
            ? byName.toSorted((a, b) => a.load - b.load || a.lastChatAt - b.lastChatAt)
            : how === 'round-robin'
              ? [
                  ...byName.filter(({ username: name }) => lastPicked && name > lastPicked),
                  ...byName.filter(({ username: name }) => !lastPicked || name <= lastPicked),
                ]
              : byName;
        const pick = selectAmong(all, criteria(), { ...RULE, policy: how, lastPicked });
        expect(pick?.considered.free).toBe(all.length);
        expect(pick?.considered.first.map(({ operator }) => operator)).toEqual(
          sorted.slice(0, 20).map(({ username: name }) => name),
        );
        const asked = how === 'broadcast' ? sorted : sorted.slice(0, 1);
        expect(pick?.operators).toEqual(asked.map(({ username: name }) => name));
      }),
    );
  });
});
