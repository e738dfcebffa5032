#!/bin/sh
# Gajim: an ad-hoc command whose result is a table never ends.
#
# A good engineer would guess: a result of several rows belongs into a form of the type `result` with `reported` and `item`
# (XEP-0004 §3.4, and the example of XEP-0050 §3.3). A client that knows data forms shows it as a table.
#
# What really happens: Gajim's library reads such a form as another class than a form without rows, and the window of
# commands asks it for what only the other one has. The exception stands in the log; the window says "Executing…" for
# ever, and the note beside the table is not shown either. A result with a note alone is shown.
#
# Versions: Gajim 1.7.3 and nbxmpp 4.2.2 (Debian 12). It needs no display and no server: the part of Gajim that looks at
# a form's fields is given the table of XEP-0050.
# Measured since: 30 November 2026
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
trap 'exit 2' HUP INT TERM
for package in gajim=1.7.3 python3-nbxmpp=4.2.2; do
  case $(dpkg-query -W -f '${Version}' "${package%=*}" 2>/dev/null) in
    "${package#*=}"*) ;;
    *)
      echo "Cannot be tried: this needs Gajim 1.7.3 from Debian 12 (apt-get install --no-install-recommends gajim)." >&2
      exit 2
      ;;
  esac
done
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
HOME=$home LANG=C.UTF-8 timeout 60 /usr/bin/python3 - <<'PYTHON'
import sys

import gi

gi.require_versions({"Gtk": "3.0", "GtkSource": "4"})
from nbxmpp.modules.dataforms import extend_form  # noqa: E402
from nbxmpp.simplexml import Node  # noqa: E402

from gajim.gtk.dataform import FormGrid  # noqa: E402

FIELD = "<field var='service' label='Service' type='text-single'/>"
VALUE = "<field var='service'><value>httpd</value></field>"


def looked_at(what, inside):
    """What Gajim does first with the form of a result."""
    form = Node(node=f"<x xmlns='jabber:x:data' type='result'><title>Services</title>{inside}</x>")
    try:
        FormGrid._analyse_fields(extend_form(node=form), {})
        outcome = "is shown"
    except AttributeError:
        outcome = "ends in an exception"
    print(f"A result with {what} {outcome}.")
    return outcome


plain = looked_at("a field", "<field var='service' type='text-single'><value>httpd</value></field>")
table = looked_at("a table", f"<reported>{FIELD}</reported><item>{VALUE}</item>")
if (plain, table) != ("is shown", "ends in an exception"):
    print("CHANGED: Gajim looks at a table as at any form.")
    sys.exit(1)
PYTHON
