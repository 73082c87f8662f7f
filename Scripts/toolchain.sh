# Sourced by the scripts of this repository: makes sure there is a Swift toolchain that can build Spindle.

complain() {
  printf '%s\n' "$@" >&2
  exit 69
}

[ "$(uname -s)" = Linux ] || complain "Spindle runs on Linux; this is $(uname -s)."

command -v swift >/dev/null 2>&1 || complain \
  "Spindle needs Swift 6.2 or later, and there is no 'swift' on the PATH." \
  "Install it from https://www.swift.org/install/linux, open a new shell and run this again."

version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\)\.\([0-9][0-9]*\).*/\1 \2/p' | head -n 1)
read -r major minor <<<"${version:-0 0}"
{ [ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 2 ]; }; } || complain \
  "Spindle needs Swift 6.2 or later; this is $(swift --version 2>/dev/null | head -n 1)." \
  "Install a newer one from https://www.swift.org/install/linux and run this again."
