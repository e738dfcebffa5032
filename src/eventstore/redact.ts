/**
 * Replaces the user and password of every url in a text. It cuts at the last `@` of a word, so that a password with an
 * unencoded `@` is hidden too.
 */
export const redactUrls = (text: string): string => text.replace(/:\/\/\S*@/g, '://***@');
