/** What a visitor is found by, besides their messages: columns of the read model of visitors. */
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
