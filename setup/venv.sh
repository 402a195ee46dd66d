#!/bin/sh
# venv.sh <directory> <requirements>: a Python environment with exactly the packages of a requirements file.
set -eu
# The system's own Python first: packages-interop made sure that it can make environments.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
rm -rf "$1"
"$python" -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$2"
