# Two commands on a fresh machine with Node and git: `make run` and `make test`. Both do all the set-up themselves.
.PHONY: run test setup

# exec, and no npm between: what ends make ends the node process, and that ends what it started.
run: setup
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" exec node scripts/run.ts

test: setup
	npm run --silent verify

# Node >= 24 comes as a dev dependency (the `node` package); npm scripts find it before the machine's own.
setup: node_modules/.package-lock.json
	sh scripts/install-libatomic.sh
	sh scripts/install-ejabberd.sh

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch node_modules/.package-lock.json
