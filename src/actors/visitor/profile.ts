/** The profile of a visitor, as a page view reports it. */

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
export type Profile = { [F in ProfileField]?: F extends 'visits' ? number : string };
