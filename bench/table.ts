import { type Row, reached } from './row.ts';

const format = (n: number): string =>
  n.toLocaleString('en', { maximumSignificantDigits: n >= 1000 ? 5 : 3 });

/** @returns the rows as a Markdown table with aligned columns */
export const table = (rows: readonly Row[]): string => {
  const lines = [
    ['name', 'value', 'reference', 'unit', 'ratio', 'aim', ''],
    ...rows.map((row) => [
      row.name,
      format(row.value),
      format(row.reference),
      row.unit,
      row.ratio.toFixed(2),
      `${row.better === 'higher' ? '≥' : '≤'} ${row.aim}`,
      reached(row) ? 'ok' : 'MISSED',
    ]),
  ];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const text = lines.map(
    (line) => `| ${line.map((cell, i) => cell.padEnd(widths?.[i] ?? 0)).join(' | ')} |`,
  );
  const rule = `|${widths?.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [text[0], rule, ...text.slice(1)].join('\n');
};
