#!/bin/sh
# csv-parse: a line break inside a quoted field counts as two lines if the file has CRLF.
#
# A good engineer would guess: `info.lines` is the number of the line, for messages such as "line 5: the name is missing".
# Files from Excel have CRLF and notes with line breaks in them, and the parser reads both rightly.
#
# What really happens: the records are right, and `info.lines` counts CR and LF in a quoted field as a line each. From the
# first such field on, messages point too far down, by one line for each break. With LF alone the numbers are right.
#
# Versions: csv-parse 7.0.3; Node 20 or newer.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
cd "$work"
echo '{}' >package.json
timeout 180 npm install --silent --no-audit --no-fund --ignore-scripts --before=2026-11-29 csv-parse@7.0.3 ||
  cannot 'npm could not install the packages.'

cat >try.mjs <<'JS'
import { parse } from 'csv-parse/sync';

function changed(sentence) {
  console.log(`CHANGED: ${sentence}`);
  process.exit(1);
}
const text = ['name,note', 'Ann,plain', 'Ben,"first', 'second"', 'Cleo,plain', ''];
/** The line that each record ends on, by the parser. */
function lines(lineBreak) {
  const records = parse(text.join(lineBreak), { columns: true, info: true });
  return Object.fromEntries(records.map(({ record, info }) => [record.name, info.lines]));
}
const [lf, crlf] = [lines('\n'), lines('\r\n')];
console.log('In the file:', { Ann: 2, Ben: 4, Cleo: 5 });
console.log('With LF:    ', lf);
console.log('With CRLF:  ', crlf);
if (lf.Ben !== 4 || lf.Cleo !== 5) changed('With LF the numbers are other ones.');
if (crlf.Ann !== 2 || crlf.Ben !== 5 || crlf.Cleo !== 6) changed('With CRLF the numbers are other ones.');
JS
timeout 80 node try.mjs || { code=$?; [ $code != 124 ] || echo 'Cannot be tried: no end within 80 s.' >&2; exit $code; }
