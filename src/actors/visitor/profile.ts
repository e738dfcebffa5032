/** The profile of a visitor, as a page view reports it. */
import type { VisitorContext } from './state.ts';

/** All fields of a profile. Read models, bodies and fingerprints are made from this list. */
export const PROFILE_FIELDS = [
  'page',
  'title',
  'referrer',
  'nick',
  'country',
  'city',
  'timezone',
  'visits',
  'vid',
] as const;
export type ProfileField = (typeof PROFILE_FIELDS)[number];

/** Personal data: encrypted in the fact of a page view, and shown to operators. An absent field is unknown. */
export type Profile = { [F in ProfileField]?: F extends 'visits' ? number : string } & {
  /** LHC's own status text, in lines, as the xmppservice wire has it. It says the fields above in words (lhc-view.ts). */
  statusText?: string;
};

/**
 * What describes the visitor and not the page: the newest value counts, and leaving it out forgets nothing. Country and city
 * are one place: a new country without a city leaves no old city.
 */
export const FACETS = {
  name: ['nick'],
  place: ['country', 'city'],
  timezone: ['timezone'],
  visits: ['visits'],
  vid: ['vid'],
} as const satisfies Record<string, readonly ProfileField[]>;
export type Facet = keyof typeof FACETS;

/** True if the profile says this of the visitor. */
export const tells = (profile: Profile, facet: Facet): boolean =>
  FACETS[facet].some((field) => profile[field] !== undefined);

// The keys of the constant above.
const ALL_FACETS = Object.keys(FACETS) as Facet[];

/** What the profile says of the visitor. */
export const facetsOf = (profile: Profile): Facet[] =>
  ALL_FACETS.filter((facet) => tells(profile, facet));

/** The profile with what newer and older facts told of the visitor. @param told for each facet the profile that has it */
export function withFacets(page: Profile, told: Partial<Record<Facet, Profile>>): Profile {
  const profile = { ...page };
  for (const facet of ALL_FACETS) {
    const source = told[facet];
    if (!source || !tells(source, facet)) continue;
    for (const field of FACETS[facet]) {
      delete profile[field];
      if (source[field] !== undefined) Object.assign(profile, { [field]: source[field] });
    }
  }
  return profile;
}

/** Where each facet was told last, after a fact that tells these. */
export function toldAfter(
  { told, profileRevision }: VisitorContext,
  revision: number,
  facets: readonly Facet[],
): VisitorContext['told'] {
  const after = { ...told };
  // A page view of release 0.1.0 may have the only name.
  if (profileRevision >= 0) after.name ??= profileRevision;
  for (const facet of facets) after[facet] = revision;
  return after;
}
