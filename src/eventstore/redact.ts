/**
 * A text without the users and passwords of the urls in it. The last `@` of a word counts, so that a password that was
 * not encoded as it should be does not show either.
 */
export const redactUrls = (text: string): string => text.replace(/:\/\/\S*@/g, '://***@');
