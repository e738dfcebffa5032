#!/bin/sh
# dependency-cruiser: with TypeScript 7 installed it sees no module, and passes.
#
# A good engineer would guess: a check of import rules in CI that cannot read the sources fails. An upgrade of TypeScript
# that breaks it is noticed.
#
# What really happens: it supports TypeScript up to 6. With 7 it cruises 0 modules, prints a green "no dependency violations
# found", and exits with 0. The rules of the project are off from then on. (With `tsPreCompilationDeps: true` there is a
# warning behind it; the exit code is 0 all the same.) With TypeScript 5.9.3 the same sources and the same rule exit with 1.
#
# Versions: dependency-cruiser 18.7.2, typescript 7.0.2 and 5.9.3, on Node 26.10.0 (all from npm; on Linux that Node needs
# libatomic).
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
install() {
  timeout 180 npm install --silent --no-audit --no-fund --before=2026-11-29 "$@" || cannot 'npm could not install the packages.'
}
install node@26.10.0 dependency-cruiser@18.7.2 typescript@7.0.2
export PATH="$work/node_modules/.bin:$PATH"
node --version >/dev/null 2>&1 || cannot 'this Node does not start here (on Debian: apt-get install libatomic1).'

mkdir -p src/http src/domain
echo "import { open } from '../http/open.ts'; export const chat = open;" >src/domain/chat.ts
echo 'export const open = true;' >src/http/open.ts
cat >rules.cjs <<'JS'
module.exports = {
  forbidden: [{ name: 'domain-knows-no-http', severity: 'error', from: { path: '^src/domain' }, to: { path: '^src/http' } }],
};
JS
check() {
  code=0
  timeout 60 depcruise --config rules.cjs src >out.txt 2>&1 || code=$?
  echo "typescript $1: exit code $code"
  sed -n '/./s/^/  | /p' out.txt
}
check 7.0.2
with7=$code
grep -q '(0 modules, 0 dependencies cruised)' out.txt || with7=other
install typescript@5.9.3
check 5.9.3
if [ "$with7" != 0 ]; then
  echo 'CHANGED: With TypeScript 7 it does not pass with 0 modules.'
  exit 1
fi
if [ "$code" != 1 ]; then
  echo 'CHANGED: With TypeScript 5 the rule is not held.'
  exit 1
fi
