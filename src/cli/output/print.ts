/**
 * How commands without a {@link Screen} print. Nothing else in src/cli may write to the terminal (biome.jsonc), so that no
 * text of a stranger commands it: names, what was said, and what a program at an address of the settings answers.
 */
import { type Cell, columns, processScreen } from './screen.ts';
import { visibleLines } from './terminal-text.ts';

/** Prints a result: one line, or several. */
export const print = (text: string): void => console.log(visibleLines(text));

/** Prints what is about the results, to standard error. */
export const warn = (text: string): void => console.error(visibleLines(text));

/** Prints a value as JSON for programs. It stays the JSON of this value. */
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

/** Prints lines with columns, each as wide as its widest cell. */
export function printColumns(header: readonly string[], rows: readonly (readonly Cell[])[]): void {
  for (const line of columns(processScreen(), header, rows)) console.log(line);
}

/** Prints a part of a long text, and waits while the reader is slower. */
export async function printPart(text: string): Promise<void> {
  if (process.stdout.write(visibleLines(text))) return;
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}
