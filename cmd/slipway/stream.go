package main

import "slipway/wire"

// streamPath is where screens are looked at.
const streamPath = wire.OwnPrefix + "stream/"
