/** What a visitor is found by, besides their messages. */

/** Columns of the read model of visitors. */
export const FOUND_FIELDS = [
  'key',
  'nick',
  'country',
  'city',
  'page',
  'title',
  'referrer',
] as const;
export type FoundField = (typeof FOUND_FIELDS)[number];
export type FoundProfile = { readonly [F in FoundField]?: string | null };

/** @param profile as JSON, written by the read model of the search alone */
export const parseProfile = (profile: string): FoundProfile => JSON.parse(profile) as FoundProfile;

/** All fields as one text. */
export const profileText = (profile: string): string => {
  const found = parseProfile(profile);
  return FOUND_FIELDS.map((field) => found[field] ?? '').join('\n');
};
