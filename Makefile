# Two commands on a machine with Node and git: `make run` and `make test`. Both do the whole set-up. `make demo-lhc` does it
# too, and needs a checkout of Live Helper Chat.
.PHONY: run test demo-lhc lhc-extension setup libatomic

# exec without npm: a signal that ends make also ends Node, and Node ends the processes that it started.
run: setup
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" exec node scripts/run.ts

test: setup
	@sh scripts/install-redis.sh
	@sh scripts/install-php.sh
	@sh scripts/install-chromium.sh
	npm run --silent verify

# Without a checkout nothing is installed: the script says how to get one. The path goes through the environment, so the shell
# never reads it as a command.
demo-lhc: export LHC_DIR := $(value LHC_DIR)
demo-lhc: setup
	@[ -z "$$LHC_DIR" ] || sh scripts/install-lhc.sh
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" exec node scripts/lhc/demo.ts

# The extension for LHC as a package, in dist/.
lhc-extension: libatomic
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" node scripts/lhc-extension.ts

# Node >= 24 is a dev dependency (the package `node`). npm scripts use it instead of the machine's own.
setup: libatomic console/dist/index.html web-client/dist/build.json
	@sh scripts/install-ejabberd.sh

# Before everything that Node of node_modules does.
libatomic: node_modules/.package-lock.json
	@sh scripts/install-libatomic.sh

node_modules/.package-lock.json: package.json package-lock.json
	@echo "Installing the packages (about a minute) ..."
	@# Another Node than ours runs npm, which would warn that it is too old for them. Errors are printed.
	@npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch node_modules/.package-lock.json

# The pages at /console. Vite takes a second.
CONSOLE := $(shell find console -path console/dist -prune -o -type f -print)
console/dist/index.html: node_modules/.package-lock.json $(CONSOLE) | libatomic
	@npm run --silent build:console

# The page at /operator/{tenant}: Converse.js and what is ours of it.
WEB_CLIENT := $(shell find web-client -path web-client/dist -prune -o -type f -print)
web-client/dist/build.json: node_modules/.package-lock.json $(WEB_CLIENT) | libatomic
	@npm run --silent build:web-client
