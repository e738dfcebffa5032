/** Puts names into canned texts: `{visitor}` and `{operator}`. */

export interface PlaceholderNames {
  readonly operator: string;
  /** null: nobody knows it. */
  readonly visitor: string | null;
}

/**
 * The text with names in the places of its placeholders. Without a name of the visitor the placeholder goes, and so does
 * the space before it: `Hello {visitor}, …` is `Hello, …`. What else stands in braces stays.
 */
export const filledIn = (text: string, names: PlaceholderNames): string =>
  text.replace(/( ?)\{(visitor|operator)\}/g, (_whole, space: string, whose: string) => {
    const name = whose === 'operator' ? names.operator : names.visitor;
    return name === null ? '' : `${space}${name}`;
  });
