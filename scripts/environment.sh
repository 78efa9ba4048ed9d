# Sourced by the scripts: make .venv from pyproject.toml and constraints.txt, anew only when either has changed.
# shellcheck shell=bash

# Print a Python of at least 3.11 that can make virtual environments; explain and fail when there is none.
find_python() {
  local candidate found=""
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    "$candidate" -c 'import sys' >/dev/null 2>&1 || continue
    found="$found $candidate ($("$candidate" -c 'import platform; print(platform.python_version())'))"
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if ! "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      echo "error: $candidate cannot make virtual environments: its module venv or ensurepip is missing" >&2
      echo "  on Debian and Ubuntu: sudo apt-get install python3-venv" >&2
      return 1
    fi
    echo "$candidate"
    return 0
  done
  echo "error: Python 3.11 or newer is needed; found:${found:- none}" >&2
  echo "  install one, or name it: PYTHON=/path/to/python3.11 $0" >&2
  return 1
}

# make_environment EXTRA: make .venv with the extra's packages, or leave it as it is when it already has them.
make_environment() {
  local extra=$1 python wanted made
  python=$(find_python) || return 1
  wanted="$("$python" -c 'import sys; print(sys.version)') $PWD $(cat pyproject.toml constraints.txt | cksum)"
  if [ -x .venv/bin/python ]; then
    # The dev extra holds all the others.
    for made in "$extra" dev; do
      if [ "$(cat ".venv/made-with-$made" 2>/dev/null)" = "$wanted" ]; then
        return 0
      fi
    done
  fi
  echo "making .venv with $python (extra: $extra): a minute or two" >&2
  "$python" -m venv --clear .venv || return 1
  # In the other mode of editable installs every start of the program loads a finder first.
  if ! .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
    --config-settings editable_mode=compat -e ".[$extra]"; then
    echo "error: the packages could not be installed into .venv" >&2
    echo "  the reason stands above; pip needs a package index that it can reach" >&2
    return 1
  fi
  printf '%s' "$wanted" >".venv/made-with-$extra"
}
