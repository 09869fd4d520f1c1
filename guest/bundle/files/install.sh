#!/bin/sh
# Puts the guest tool in place and starts it. Run as root; again is harmless.
exec "$(dirname "$0")/slipway-guest" install
